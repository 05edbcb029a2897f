"""Planted optima: instances of any size whose optimum is work / devices, with the plan."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from go_gym.catalogue.instances.instance import Instance
from go_gym.catalogue.instances.planting import (
    GRAIN_NS,
    LATENCY_NS,
    Draws,
    add_edges,
    cut_lines,
    topological_shuffle,
)
from go_gym.cluster import CONTENTION_MODELS, Cluster, Device, Link
from go_gym.cluster.model import UNLIMITED_MEMORY
from go_gym.errors import DatasetError
from go_gym.graph import ComputationGraph
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate

PREFIX = "planted:"
MIN_OPS, MAX_OPS, MAX_PLANTED_DEVICES = 2, 1_000_000, 1024
BYTES_PER_NS = 10
"""10 GB/s: a tensor's bytes are whole multiples, so that no transfer time is rounded."""
FACTORS = (1, 2, 3, 4)
"""How much slower devices are than the fastest, where they are unequal (our choice)."""
GRAMMAR = (
    f"{PREFIX}OPS-DEVICES-SEED, then any of -shareN (0 to 100), -free, -tight, -unequal, "
    f"-{', -'.join(CONTENTION_MODELS)}"
)


@dataclass(frozen=True)
class Planted:
    """What a planted instance is like.

    Attributes:
        ops, devices, seed: how many of each, and what everything is drawn from.
        share: % of the ops that try to send their output to another device.
        free: transfers take no time.
        tight: each device's memory is what the plan takes there, to the byte.
        unequal: devices of different speed; an op may be slower still where it was not planted.
        contention: one of ``CONTENTION_MODELS``.
    """

    ops: int
    devices: int
    seed: int = 0
    share: int = 25
    free: bool = False
    tight: bool = False
    unequal: bool = False
    contention: str = "duplex"

    def __post_init__(self) -> None:
        for label, value, low, high in (
            ("devices", self.devices, 1, MAX_PLANTED_DEVICES),
            ("ops", self.ops, max(MIN_OPS, self.devices), MAX_OPS),
            ("seed", self.seed, 0, 2**32 - 1),
            ("share", self.share, 0, 100),
        ):
            if not low <= value <= high:
                raise DatasetError(f"planted {label}: {value:,}, expected {low:,} to {high:,}")
        if self.contention not in CONTENTION_MODELS:
            raise DatasetError(
                f"planted contention: {self.contention!r}, expected one of "
                f"{', '.join(CONTENTION_MODELS)}"
            )

    @property
    def name(self) -> str:
        """As :func:`parse` reads it, what is as by default left out."""
        words = [str(self.ops), str(self.devices), str(self.seed)]
        words += [f"share{self.share}"] if self.share != type(self).share else []
        words += [word for word in ("free", "tight", "unequal") if getattr(self, word)]
        words += [self.contention] if self.contention != type(self).contention else []
        return PREFIX + "-".join(words)


def parse(name: str) -> Planted:
    """What a name asks for; raises DatasetError for one that is not of the ``GRAMMAR``."""
    parts = name.removeprefix(PREFIX).split("-")
    digits = [part.isascii() and part.isdigit() and len(part) < 11 for part in parts]
    if not name.startswith(PREFIX) or len(parts) < 3 or not all(digits[:3]):
        raise DatasetError(f"no instance {name!r}: expected {GRAMMAR}")
    ops, devices, seed = map(int, parts[:3])
    wanted = Planted(ops, devices, seed)
    for word in parts[3:]:
        number = word.removeprefix("share")
        if word in ("free", "tight", "unequal"):
            flag: dict[str, Any] = {word: True}
            wanted = replace(wanted, **flag)
        elif word in CONTENTION_MODELS:
            wanted = replace(wanted, contention=word)
        elif word != number and number.isascii() and number.isdigit() and len(number) < 4:
            wanted = replace(wanted, share=int(number))
        else:
            raise DatasetError(f"instance {name!r}: {word!r} is unknown; expected {GRAMMAR}")
    return wanted


def plant(wanted: Planted) -> Instance:
    """The instance: a placement problem, its optimum, and a plan that reaches it.

    Every device's time line is cut into ops without idle time; edges, and transfers, are added
    where they fit (:mod:`go_gym.catalogue.instances.planting`). So the plan takes exactly the
    work of all ops over the speed of all devices, and nothing can take less. Ops are numbered by
    depth, at random within a depth, so that their order does not give the plan away.
    """
    draws = Draws(wanted.seed)
    d, n = wanted.devices, wanted.ops
    factors = _factors(draws, wanted)
    lines = cut_lines(draws, n, factors)
    edges = add_edges(draws, lines, d, wanted.share, wanted.free)
    order = topological_shuffle(draws, n, edges.producer, edges.consumer)
    number = np.empty(n, dtype=np.int64)
    number[order] = np.arange(n)
    kinds, kind_of = np.unique(factors, return_inverse=True)
    durations = _durations(draws, lines.base, kinds, kind_of.reshape(-1)[lines.device])[order]
    parameters = np.where(draws.below(8, n) == 0, draws.below(1 << 20, n), 0)
    graph = ComputationGraph.from_arrays(
        wanted.name.replace(":", "-"),
        num_ops=n,
        tensors=np.stack([np.arange(n), edges.size[order] * BYTES_PER_NS], axis=1),
        uses=np.stack([number[edges.producer], number[edges.consumer]], axis=1),
        parameter_bytes=parameters,
        durations=durations,
        duration_kinds=[f"factor{kind}" for kind in kinds] if len(kinds) > 1 else ["*"],
        metadata={
            "family": "planted",
            "what": f"Planted optimum {lines.makespan} ns; {edges.sent} of {n} ops send",
            "seed": wanted.seed,
        },
    )
    plan = Decision(lines.device[order], priority=-lines.start[order])
    problem = Problem(graph, _cluster(wanted, factors, [UNLIMITED_MEMORY] * d))
    if wanted.tight:
        peaks = simulate(problem, plan).peak_memory.tolist()
        problem = Problem(graph, _cluster(wanted, factors, peaks))
    source = "planted: work of all ops / speed of all devices, reached by the plan"
    return Instance(wanted.name, problem, lines.makespan, lines.makespan, source, plan)


def _factors(draws: Draws, wanted: Planted) -> np.ndarray:
    """(d,) int64; of unequal devices the first is fastest, and the second is not."""
    factors = np.ones(wanted.devices, dtype=np.int64)
    if wanted.unequal:
        factors[1:] = np.array(FACTORS)[draws.below(len(FACTORS), wanted.devices - 1)]
        factors[1:2] = np.maximum(factors[1:2], 2)
    return factors


def _durations(draws: Draws, base: np.ndarray, kinds: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n, kinds) int64 ns: base × factor, and up to half as much again where it was not planted."""
    table: np.ndarray = base[:, None] * kinds
    if len(kinds) > 1:
        for kind in range(len(kinds)):
            more = table[:, kind] // GRAIN_NS * draws.below(128, len(base)) // 256 * GRAIN_NS
            table[:, kind] += np.where(own == kind, 0, more)
    return table


def _cluster(wanted: Planted, factors: np.ndarray, memory: list[int]) -> Cluster:
    devices = tuple(
        Device(f"device{i}", f"factor{factor}", {"float32": 1e12 / factor}, 1e12 / factor, capacity)
        for i, (factor, capacity) in enumerate(zip(factors.tolist(), memory, strict=True))
    )
    link = Link(BYTES_PER_NS * 1e9, 0 if wanted.free else LATENCY_NS)
    link_of = np.zeros((wanted.devices, wanted.devices), dtype=np.uint16)
    name = wanted.name.replace(":", "-")
    return Cluster(name, devices, (link,), link_of, wanted.contention)
