"""Clusters of units at many scales: what a move or a sample changes together."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from go_gym.partitions.grouping import Groups, coarse_groups, group_edges
from go_gym.problem import Problem

from ..heuristics.listing import mean_delays
from .units import UnitGraph, longest_ops

LADDER = 4
"""Factor between the sizes of the ladder's nested clusterings (our choice)."""
GRAINS = (4.0, 16.0)
"""Uses whose transfer takes more than this times the work at both ends join (our choice)."""
MOST_WINDOWS = 64
"""Finest cut of the topological order into stretches of equal work (our choice)."""


@dataclass(frozen=True, eq=False)
class Clustering:
    """A partition of the units; a move changes the units of a cluster together.

    Attributes:
        of_unit: (units,) int64 cluster of each unit.
        order: (units,) int64 units by cluster, in topological order within each.
        pointers: (clusters + 1,) int64: those of cluster c are ``order[pointers[c]:...[c + 1]]``.
    """

    of_unit: np.ndarray
    order: np.ndarray
    pointers: np.ndarray

    @classmethod
    def of(cls, *labels: np.ndarray) -> "Clustering":
        """Units together that agree in all ``labels``, each (units,) whole numbers."""
        of_unit = np.zeros(len(labels[0]), dtype=np.int64)
        for label in labels:
            key = of_unit * (int(label.max()) - int(label.min()) + 1) + (label - label.min())
            of_unit = np.unique(key, return_inverse=True)[1].reshape(-1)
        order = np.argsort(of_unit, kind="stable")
        pointers = np.concatenate([[0], np.cumsum(np.bincount(of_unit))])
        return cls(of_unit, order, pointers)

    @property
    def count(self) -> int:
        return len(self.pointers) - 1

    def members(self, cluster: int) -> np.ndarray:
        return self.order[self.pointers[cluster] : self.pointers[cluster + 1]]


def clusterings(problem: Problem, units: UnitGraph) -> tuple[Clustering, ...]:
    """All scales at which the units may change together, different ones only.

    Layers; layers by phase; layers by stretches of the topological order; the stretches
    themselves; kinds of op within a layer; ops held together by transfers that never pay;
    the ladder down to single units. A unit's longest op stands for it.
    """
    graph = problem.graph
    ops = longest_ops(problem, units.groups)
    layer, phase, kind = graph.layer[ops], graph.phase[ops], graph.op_type[ops]
    window = stretches(units, MOST_WINDOWS)
    candidates = [
        Clustering.of(layer),
        Clustering.of(layer, phase),
        Clustering.of(layer, kind),
        *(Clustering.of(window // coarse) for coarse in (8, 1)),
        *(Clustering.of(layer, phase, window // coarse) for coarse in (8, 2)),
        *(Clustering.of(_held_together(problem, grain)[ops]) for grain in GRAINS),
        *ladder(problem, units),
    ]
    different: list[Clustering] = []
    for candidate in candidates:
        known = any(np.array_equal(candidate.of_unit, other.of_unit) for other in different)
        if not known and (candidate.count > 1 or units.count == 1):
            different.append(candidate)
    return tuple(different)


def stretches(units: UnitGraph, parts: int) -> np.ndarray:
    """(U,) int64: the topological order cut into ``parts`` stretches of equal work, from 0.

    Units without work, which come last, may get a stretch ``parts`` of their own.
    """
    middle = np.cumsum(units.work) - units.work / 2
    return (middle / max(float(units.work.sum()), 1.0) * parts).astype(np.int64)


def ladder(problem: Problem, units: UnitGraph) -> tuple[Clustering, ...]:
    """Nested clusterings from coarse to fine, the last of single units.

    Each has about LADDER times fewer clusters than the next, the coarsest about four a
    device: units are joined along the heaviest tensors first, up to a share of the work
    (edge zeroing, Sarkar 1989, with a limit of size).
    """
    found = [Clustering.of(np.arange(units.count))]
    count = units.count // LADDER
    while count >= max(4 * problem.num_devices, 2):
        finer = found[-1].of_unit
        coarser = Clustering.of(_joined(problem, units, finer, count))
        if coarser.count < found[-1].count:
            found.append(coarser)
        count //= LADDER
    return tuple(reversed(found))


def _joined(problem: Problem, units: UnitGraph, finer: np.ndarray, count: int) -> np.ndarray:
    """(U,) int64 labels: clusters ``finer`` joined to at most twice the work / count."""
    inner = Groups(finer[units.groups.of_op], int(finer.max()) + 1)
    low, high, size = group_edges(problem, inner)
    work = np.bincount(finer, weights=units.work + units.work.mean() / 10)
    rating = size / np.sqrt(work[low] * work[high])
    order = np.argsort(-rating, kind="stable")
    root = _join(low[order], high[order], work, 2 * work.sum() / count)
    return root[finer]


def _held_together(problem: Problem, grain: float) -> np.ndarray:
    """(n,) int64: ops united where a transfer takes over ``grain`` times the work at its ends."""
    graph = problem.graph
    work = problem.mean_durations
    delay = mean_delays(problem)[graph.use_tensor]
    ends = work[graph.use_producer] + work[graph.use_consumer]
    return coarse_groups(problem, delay > grain * ends).of_op


@njit(cache=True, nogil=True)
def _join(low, high, work, limit):
    """Unite the ends of each edge in order where their work together stays within ``limit``."""
    root = np.arange(len(work))
    weight = work.copy()
    for edge in range(len(low)):
        a, b = low[edge], high[edge]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b and weight[a] + weight[b] <= limit:
            root[max(a, b)] = min(a, b)
            weight[min(a, b)] += weight[max(a, b)]
    for a in range(len(root)):
        root[a] = root[root[a]]
    return root
