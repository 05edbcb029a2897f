"""Labels: good decisions of many problems, searched for in the rows that the network decides in.

``python -m go_agents.go.oneshot.labels FOLDER --last 3000`` writes one file a problem, each whole
or not at all, and goes on where a stop left it; several processes may share the work.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from tqdm import tqdm

from go_gym.agent import Budget
from go_gym.baselines.placements import human_expert
from go_gym.cluster.toml import format_cluster, parse_cluster
from go_gym.errors import GoGymError
from go_gym.files import atomic_write, make_folder, pack_arrays, read_bytes, unpack_arrays
from go_gym.graph import ComputationGraph
from go_gym.partitions import Partition, QuotientGraph
from go_gym.partitions.structure import structural_partitions
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate, simulate_batch

from ...heuristics.portfolio import heuristic_placements
from ...search.annealing import AnnealingSettings, anneal
from ...search.costs import costs
from ...search.encoding import Encoding
from .problems import CLUSTERS, TUNING, Drawn, Split, draw
from .rows import decision_rows

CALLS = 600
"""Simulator calls of each search (our choice)."""
SEARCHES = 1
"""Searches of a problem, by other seeds (our choice)."""
SIZES = (64, 96, 128)
"""Rows that problems are decided in, at most, one drawn for each (our choice)."""
BLOCK = CLUSTERS * len(TUNING)
"""Problems that one process labels in a row: those that share captured graphs."""
BEST, OTHERS = 24, 72
"""Decisions that are kept: the best, and some of every quality (our choice)."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """A problem with decisions about its rows.

    Attributes:
        problem, family: as drawn.
        row_of: (n,) int64, the row of each op.
        decisions: (k, R) int8 devices, different ones, the best first.
        step_time_ns: (k,) float64; infinite where out of memory.
        expert_ns, heuristic_ns: of the human expert and the best classical heuristic.
    """

    problem: Problem
    family: str
    row_of: np.ndarray
    decisions: np.ndarray
    step_time_ns: np.ndarray
    expert_ns: float
    heuristic_ns: float


class Log(Budget):
    """A budget that keeps every decision by its rows, and its step time."""

    def __init__(self, problem: Problem, simulations: int, representative: np.ndarray) -> None:
        super().__init__(problem, simulations)
        self.representative = representative
        self.times: dict[bytes, float] = {}

    def allowed(self, limit_ns: int | None) -> int | None:
        """No limit: each step time is wanted."""
        return None

    def _note(self, decision: Decision, result: Result, calls: int) -> None:
        super()._note(decision, result, calls)
        rows = np.asarray(decision.placement)[self.representative].astype(np.int8)
        self.times[rows.tobytes()] = float(result.step_time_ns) if result.valid else np.inf


def search(
    problem: Problem,
    rows: QuotientGraph,
    starts: list[np.ndarray],
    calls: int,
    seed: int,
) -> dict[bytes, float]:
    """Every decision that an annealing over rows tried, as (R,) int8 bytes, and its step time.

    Args:
        problem, rows: what is decided.
        starts: (n,) placements; the best of them by their rows is gone on from.
        calls: of the simulator.
        seed: of chance.
    """
    encoding = Encoding(problem, rows)
    log = Log(problem, calls, encoding.representative)
    genomes = [encoding.neutral(start) for start in starts][:calls]
    found = costs(problem, log.evaluate_batch(encoding.decisions(genomes)))
    best = int(found.argmin())
    partitions = structural_partitions(problem, rows)
    random = np.random.default_rng(seed)
    anneal(
        encoding, partitions, log, random, genomes[best], float(found[best]), AnnealingSettings()
    )
    return log.times


def label(drawn: Drawn, most: int, seed: int, calls: int = CALLS) -> Labelled:
    """Decisions about at most ``most`` rows of a problem, from searches of ``calls``."""
    problem = drawn.problem
    rows, _ = decision_rows(problem, most)
    placements = heuristic_placements(problem)
    heuristics = simulate_batch(problem, [Decision(each) for each in placements], threads=1)
    expert = simulate(problem, Decision(human_expert(problem)))
    times: dict[bytes, float] = {}
    for number in range(SEARCHES):
        times |= search(problem, rows, placements, calls, seed + number)
    decisions, step = _kept(times, rows.partition, np.random.default_rng(seed))
    return Labelled(
        problem,
        drawn.family,
        rows.part_of,
        decisions,
        step,
        float(expert.step_time_ns) if expert.valid else np.inf,
        float(np.where(heuristics.valid, heuristics.step_time_ns, np.inf).min()),
    )


def _kept(
    times: dict[bytes, float], rows: Partition, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The best of all decisions, and others spread evenly over how good they are."""
    all_rows = np.frombuffer(b"".join(times), dtype=np.int8).reshape(-1, rows.count)
    step = np.array(list(times.values()))
    order = np.argsort(step, kind="stable")
    rest = order[BEST:]
    if len(rest) > OTHERS:
        at = np.linspace(0, len(rest) - 1, OTHERS) + random.uniform(-0.5, 0.5, OTHERS)
        rest = rest[np.unique(np.clip(np.rint(at), 0, len(rest) - 1).astype(np.int64))]
    kept = np.concatenate([order[:BEST], rest])
    return all_rows[kept], step[kept]


def save(path: Path, labelled: Labelled) -> None:
    """Write ``labelled``, its graph and cluster included."""
    cluster, family = format_cluster(labelled.problem.cluster), labelled.family
    arrays: dict[str, np.ndarray] = {
        "graph": np.frombuffer(labelled.problem.graph.to_bytes(), dtype=np.uint8),
        "cluster": np.frombuffer(cluster.encode(), dtype=np.uint8),
        "family": np.frombuffer(family.encode(), dtype=np.uint8),
        "row_of": labelled.row_of.astype(np.int32),
        "decisions": labelled.decisions,
        "step_time_ns": labelled.step_time_ns,
        "baselines_ns": np.array([labelled.expert_ns, labelled.heuristic_ns]),
    }
    atomic_write(path, pack_arrays(arrays))


def load(path: Path) -> Labelled:
    """What :func:`save` wrote; raises FileFormatError for anything else."""
    arrays = unpack_arrays(read_bytes(path), path)
    graph = ComputationGraph.from_bytes(arrays["graph"].tobytes(), path)
    cluster = parse_cluster(arrays["cluster"].tobytes().decode(), str(path))
    return Labelled(
        Problem(graph, cluster),
        arrays["family"].tobytes().decode(),
        arrays["row_of"].astype(np.int64),
        arrays["decisions"],
        arrays["step_time_ns"],
        *map(float, arrays["baselines_ns"]),
    )


def file_of(folder: Path, split: Split, number: int) -> Path:
    """Where the labels of a problem are, or will be."""
    return folder / split / f"{number:05d}.npz"


def generate(
    folder: Path,
    split: Split,
    numbers: list[int],
    calls: int = CALLS,
    sizes: Sequence[int] = SIZES,
) -> None:
    """Label the problems of ``numbers`` that have no file yet; one that fails is named and left."""
    make_folder(folder / split)
    bar = tqdm(numbers, desc=f"labels, {split}", smoothing=0.02, mininterval=10)
    for number in bar:
        path = file_of(folder, split, number)
        if path.exists():
            continue
        random = np.random.default_rng([7, split == "validation", number])
        try:
            most = int(random.choice(sizes))
            save(path, label(draw(split, number), most, 1000 * number, calls))
        except GoGymError as error:
            bar.write(f"{split} {number}: {error}")


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=get_args(Split), default="tuning")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=2000, help="one past the last number")
    parser.add_argument("--calls", type=int, default=CALLS, help="of each search")
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="one is drawn of these")
    parser.add_argument("--part", default="0/1", help="do the blocks i of n: i/n")
    given = parser.parse_args(arguments)
    part, parts = map(int, given.part.split("/"))
    blocks = [n for n in range(given.first, given.last) if n // BLOCK % parts == part]
    generate(given.folder, given.split, blocks, given.calls, given.rows)


if __name__ == "__main__":
    main()
