"""What the searches vary: a value for each unit of ops, and clusters of units at many scales."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from go_gym.grouping import Groups, coarse_groups, decided_groups, group_edges
from go_gym.placements import mean_durations
from go_gym.problem import Problem

from ..heuristics.listing import mean_delays

LADDER = 4
"""Factor between the sizes of METIS's nested clusterings (our choice)."""
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


class Units:
    """The smallest parts that a search decides about, and what it knows about them.

    A unit is a co-location group, or an op with its views (``go_gym.grouping.decided_groups``).

    Attributes:
        problem: graph, cluster and task.
        groups: the units, numbered in topological order of their first costly op.
        work: (units,) float64 ns, the mean over devices.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.groups: Groups = decided_groups(problem)
        self.work = np.bincount(
            self.groups.of_op, weights=mean_durations(problem), minlength=self.groups.count
        )

    @property
    def count(self) -> int:
        return self.groups.count

    @cached_property
    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Pointers (units + 1,) into, and (2 × edges,), the units that each one shares tensors
        with."""
        low, high, _ = group_edges(self.problem, self.groups)
        ends, others = np.concatenate([low, high]), np.concatenate([high, low])
        pointers = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=self.count))])
        return pointers, others[np.argsort(ends, kind="stable")]

    @cached_property
    def representative(self) -> np.ndarray:
        """(units,) int64: the op of each unit with most work, the first of these."""
        order = np.lexsort((np.arange(len(self.groups.of_op)), -mean_durations(self.problem)))
        _, first = np.unique(self.groups.of_op[order], return_index=True)
        return order[first]

    @cached_property
    def windows(self) -> np.ndarray:
        """(units,) int64: the topological order cut into MOST_WINDOWS stretches of equal work."""
        middle = np.cumsum(self.work) - self.work / 2
        return (middle / max(float(self.work.sum()), 1.0) * MOST_WINDOWS).astype(np.int64)

    @cached_property
    def ladder(self) -> tuple[Clustering, ...]:
        """Nested clusterings from coarse to fine, the last of single units.

        Each has about LADDER times fewer clusters than the next, the coarsest about four a
        device: units are joined along the heaviest tensors first, up to a share of the work
        (edge zeroing, Sarkar 1989, with a limit of size).
        """
        found = [Clustering.of(np.arange(self.count))]
        count = self.count // LADDER
        while count >= max(4 * self.problem.num_devices, 2):
            finer = found[-1].of_unit
            coarser = Clustering.of(self._joined(finer, count))
            if coarser.count < found[-1].count:
                found.append(coarser)
            count //= LADDER
        return tuple(reversed(found))

    def _joined(self, finer: np.ndarray, count: int) -> np.ndarray:
        """(units,) int64 labels: clusters ``finer`` joined to at most twice the work / count."""
        inner = Groups(finer[self.groups.of_op], int(finer.max()) + 1)
        low, high, size = group_edges(self.problem, inner)
        work = np.bincount(finer, weights=self.work + self.work.mean() / 10)
        rating = size / np.sqrt(work[low] * work[high])
        order = np.argsort(-rating, kind="stable")
        root = _join(low[order], high[order], work, 2 * work.sum() / count)
        return root[finer]

    @cached_property
    def clusterings(self) -> tuple[Clustering, ...]:
        """All scales at which a move may act, different ones only.

        Layers; layers by phase; layers by stretches of the topological order; the stretches
        themselves; kinds of op within a layer; ops held together by transfers that never pay;
        METIS's ladder down to single units.
        """
        graph = self.problem.graph
        ops = self.representative
        layer, phase, kind = graph.layer[ops], graph.phase[ops], graph.op_type[ops]
        candidates = [
            Clustering.of(layer),
            Clustering.of(layer, phase),
            Clustering.of(layer, kind),
            *(Clustering.of(self.windows // coarse) for coarse in (8, 1)),
            *(Clustering.of(layer, phase, self.windows // coarse) for coarse in (8, 2)),
            *(self._held_together(grain) for grain in GRAINS),
            *self.ladder,
        ]
        different: list[Clustering] = []
        for candidate in candidates:
            known = any(np.array_equal(candidate.of_unit, other.of_unit) for other in different)
            if not known and (candidate.count > 1 or self.count == 1):
                different.append(candidate)
        return tuple(different)

    def _held_together(self, grain: float) -> Clustering:
        problem = self.problem
        graph = problem.graph
        work = mean_durations(problem)
        delay = mean_delays(problem)[graph.use_tensor]
        ends = work[graph.use_producer] + work[graph.use_consumer]
        groups = coarse_groups(problem, delay > grain * ends)
        return Clustering.of(groups.of_op[self.representative])


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
