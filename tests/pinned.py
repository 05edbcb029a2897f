"""What the runs of ``tests/pinned.csv`` decide: exact on every machine.

Rules, searches and the simulator use integers, or floating point in one fixed order, so that their
decisions are the same bits everywhere. A run's digest is over the contents of its decision, its
step time, the calls that it used and its curve. Written anew, where an agent's or the simulator's
version is raised, by ``python -m tests.pinned``.
"""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from go_gym.agent import Budget, load_agent
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import load_cluster
from go_gym.problem import Decision
from go_gym.simulator import simulate

FILE = Path(__file__).with_suffix(".csv")
CALLS = 150
PLACED_BY_RULE = ("single-device", "random", "round-robin", "contiguous", "human-expert", "metis")
LISTED = ("heft", "heft-contention", "cpop", "m-topo", "m-etf", "m-sct")
SEARCHES = ("sa", "sa:start=best", "cem", "brkga")
SMALL = ("rnnlm-2", "p100x2")
CELLS = (("inception-b32", "p100x4"), ("transformer-xl-2", "p100x4"), ("graphsage", "a100x8"))
UNEQUAL = ("rnnlm-2", "cpu+gpu")
"""Devices of two kinds."""


class Run(NamedTuple):
    """One run: which agent decides what, with which seed."""

    task: str
    graph: str
    cluster: str
    agent: str
    seed: int


def runs() -> Iterator[Run]:
    """The runs that are pinned."""
    for agent in (*PLACED_BY_RULE, *LISTED):
        for cell in (SMALL, CELLS[0]):
            yield Run("placement", *cell, agent, 0)
    for agent in SEARCHES:
        yield Run("placement", *SMALL, agent, 1)
        for cell in CELLS:
            yield Run("placement", *cell, agent, 0)
    for agent in (*PLACED_BY_RULE, *LISTED, *SEARCHES):
        yield Run("placement", *UNEQUAL, agent, 0)
    for agent in ("fifo", "critical-path", "memory-aware", "random-priorities", "sa", "tabu"):
        yield Run("scheduling", *SMALL, agent, 2)
    for agent in ("critical-path", "sa", "tabu"):
        yield Run("scheduling", *UNEQUAL, agent, 2)
    for agent in ("no-fusion", "framework-default", "random-fusion", "sa"):
        yield Run("fusion", *SMALL, agent, 0)
    for agent in ("one-by-one", "sa", "cem", "brkga"):
        yield Run("joint", *SMALL, agent, 0)


def digest(run: Run) -> str:
    """SHA-256, in hex, of all that the run gives."""
    problem = make_problem(datasets.load(run.graph), load_cluster(run.cluster), run.task)
    budget = Budget(problem, CALLS)
    decision = load_agent(run.agent).solve(problem, budget, run.seed)
    result = simulate(problem, decision)
    facts = [result.step_time_ns, int(result.valid), budget.used]
    facts += [value for point in budget.curve for value in (point.calls, point.step_time_ns)]
    hashed = hashlib.sha256()
    for column in (*_columns(decision), result.busy_ns, result.peak_memory, facts):
        data = np.asarray(column).astype("<i8").tobytes()
        hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()


def _columns(decision: Decision) -> list[np.ndarray]:
    columns = [decision.placement, decision.priority, decision.fusion]
    if decision.order is not None:
        columns.append(decision.order)
    return [np.empty(0) if column is None else np.asarray(column) for column in columns]


def pinned() -> dict[Run, str]:
    """The digests of the committed file, by run."""
    with FILE.open(newline="") as file:
        return {Run(*row[:4], int(row[4])): row[5] for row in list(csv.reader(file))[1:]}


if __name__ == "__main__":
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*Run._fields, "sha256"])
        writer.writerows([*run, digest(run)] for run in runs())
