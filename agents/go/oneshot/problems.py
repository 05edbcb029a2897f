"""Problems to learn from: families parted into tuning, validation and test; clusters drawn.

Everything that is tuned or trained looks at the first two parts only. The graphs of the test part
are those that the boards measure: all of the paper's families and all of the catalogue's others.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from go_gym.capture import capture_training_step
from go_gym.catalogue.synthetic import KINDS, generate
from go_gym.cluster import Cluster, load_cluster
from go_gym.cluster.model import Device, Link
from go_gym.cluster.toml import catalogue
from go_gym.graph import ComputationGraph
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate

from .models import attention, convolutional, recurrent

Split = Literal["tuning", "validation"]

CAPTURED: dict[str, Callable[[np.random.Generator], convolutional.Sampled]] = {
    "conv-lstm": recurrent.conv_lstm,
    "dense": convolutional.dense,
    "graph-convolutions": attention.graph_convolutions,
    "latents": attention.latents,
    "mixer": attention.mixer,
    "residual": convolutional.residual,
    "segmenter": convolutional.segmenter,
    "temporal": convolutional.temporal,
    "translator": recurrent.translator,
    "two-towers": attention.two_towers,
    # held out for validation
    "convnext": convolutional.convnext,
    "deep-and-cross": attention.deep_and_cross,
    "pointer": recurrent.pointer,
    "resolutions": convolutional.resolutions,
    "rwkv": recurrent.rwkv,
    "tagger": recurrent.tagger,
    "text-to-text": attention.text_to_text,
}
"""Models of this package by family; each draws its sizes."""
VALIDATION = (
    "convnext",
    "deep-and-cross",
    "pointer",
    "resolutions",
    "rwkv",
    "tagger",
    "text-to-text",
)
"""Families that settings are chosen by, and that nothing is trained on before they are."""
TUNING = tuple(f"synthetic-{kind}" for kind in KINDS) + tuple(
    family for family in CAPTURED if family not in VALIDATION
)
"""Families that the network is trained on."""
TEST = (
    "amoebanet",
    "bert",
    "ddpm",
    "dlrm",
    "gnmt",
    "gpt2",
    "graphsage",
    "inception",
    "llama",
    "mamba",
    "moe",
    "rnnlm",
    "transformer-xl",
    "vit",
    "wavenet",
)
"""Families of the catalogue: never trained on, looked at once a version is final."""
SMALLEST, LARGEST = 500, 4000
"""Ops of a synthetic graph (our choice: labels are searched for in seconds)."""


CLUSTERS = 12
"""Problems of each captured graph, on other clusters: a capture takes seconds (our choice)."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A problem, and the family of its graph."""

    problem: Problem
    family: str


def draw(split: Split, number: int) -> Drawn:
    """Problem ``number`` of a split: the same one each time.

    Families come in turn; of each, sizes, structure and cluster are drawn by the number. The same
    captured graph comes ``CLUSTERS`` turns in a row.
    """
    families = TUNING if split == "tuning" else VALIDATION
    turn, place = divmod(number, len(families))
    family = families[place]
    random = np.random.default_rng([split == "validation", number])
    if family in CAPTURED:
        graph = _captured(family, turn // CLUSTERS)
    else:
        ops = int(np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST))))
        graph = generate(family.removeprefix("synthetic-"), ops, int(random.integers(2**31)))
    return Drawn(Problem(graph, draw_cluster(random, graph)), family)


@lru_cache(maxsize=len(CAPTURED))
def _captured(family: str, number: int) -> ComputationGraph:
    def sampled() -> convolutional.Sampled:
        return CAPTURED[family](np.random.default_rng([number, len(family)]))

    return capture_training_step(
        f"{family}-{number}",
        lambda: sampled()[0],
        lambda: sampled()[1],
        metadata={"family": family},
    )


def draw_cluster(random: np.random.Generator, graph: ComputationGraph) -> Cluster:
    """Two to eight devices, alike or not, on links of many speeds, with memory ample or scarce.

    A third are the presets that the paper's hosts are. Scarce memory is drawn from what the whole
    graph takes on one device.
    """
    if random.random() < 1 / 3:
        return load_cluster(str(random.choice(["p100x2", "p100x4", "p100x4", "p100x8"])))
    count = int(random.choice([2, 2, 3, 4, 4, 5, 6, 8]))
    kind = str(random.choice(["p100", "p100", "v100", "a100"]))
    alike = random.random() < 0.75
    devices = []
    for number in range(count):
        speed = 1.0 if alike else float(random.choice([1.0, 1.0, 0.7, 0.5]))
        devices.append(_device(f"{kind}:{number}", kind, speed))
    link = Link(
        bandwidth=12.8e9 * 2.0 ** random.uniform(-1.5, 2.5),
        latency_ns=int(25_000 * 2.0 ** random.uniform(-2.0, 1.0)),
    )
    contention = str(random.choice(["duplex", "egress", "link", "none"], p=[0.7, 0.1, 0.1, 0.1]))
    where = np.zeros((count, count), dtype=np.uint16)
    cluster = Cluster(f"drawn-{count}", tuple(devices), (link,), where, contention)
    if random.random() < 0.35:
        share = _memory_of_all(graph, cluster) / count * random.uniform(1.2, 2.5)
        cluster = replace(
            cluster,
            devices=tuple(replace(device, memory_bytes=int(share)) for device in devices),
        )
    return cluster


def _device(name: str, kind: str, speed: float) -> Device:
    figures = catalogue()[kind]
    return Device(
        name,
        kind,
        {dtype: rate * speed for dtype, rate in figures["peak_flops"].items()},
        figures["memory_bandwidth"] * speed,
        figures["memory_bytes"],
        figures["launch_overhead_ns"],
    )


def _memory_of_all(graph: ComputationGraph, cluster: Cluster) -> int:
    """Bytes that the graph takes at most on one device."""
    problem = Problem(graph, cluster)
    result = simulate(problem, Decision(np.zeros(graph.num_ops, dtype=np.int64)))
    return int(result.peak_memory.max())
