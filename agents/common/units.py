"""Decision units: ops that share one decision before any learner or search sees the graph."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.partitions.grouping import Groups, attached_groups, decided_groups, directed_edges
from go_gym.problem import Problem


@dataclass(frozen=True, eq=False)
class UnitGraph:
    """The graph of decision units: what a learner or a search decides about.

    Attributes:
        groups: the unit of each op; U units, numbered by their first op that costs anything.
        work: (U,) float64 ns, mean duration over the devices, summed over the unit's ops.
        source, target: (e,) int64 units, each ordered pair once, sorted by source, then target.
        size: (e,) int64 bytes that would travel if the two units were apart.
    """

    groups: Groups
    work: np.ndarray
    source: np.ndarray
    target: np.ndarray
    size: np.ndarray

    @property
    def count(self) -> int:
        return self.groups.count

    @cached_property
    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Pointers (U + 1,) into, and int64, the units that each one shares tensors with."""
        low, high = np.minimum(self.source, self.target), np.maximum(self.source, self.target)
        pairs = np.unique(low * self.count + high)
        low, high = pairs // self.count, pairs % self.count
        ends, others = np.concatenate([low, high]), np.concatenate([high, low])
        pointers = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=self.count))])
        return pointers, others[np.argsort(ends, kind="stable")]


def decided_units(problem: Problem) -> UnitGraph:
    """The smallest units that make sense (:func:`decided_groups`): what a search refines down to.

    A unit is a co-location group, or an op with its views.
    """
    return _graph_of(problem, decided_groups(problem))


def unit_graph(problem: Problem, chains: bool = True, most: int | None = None) -> UnitGraph:
    """The units of ``problem``: attached groups, chains of them merged, at most ``most``.

    Views and parameters lie with what they feed or view and co-location groups are one
    (:func:`attached_groups`). A chain is a unit whose only consumer has no other producer: cutting
    there brings a transfer and no parallel work (ColocRL merges where Y is X's only consumer;
    that X must be Y's only producer too is our choice). Above ``most`` units, those that exchange
    most are merged (:func:`coarsened`; our choice, for speed).
    """
    units = _graph_of(problem, attached_groups(problem))
    if chains:
        units = _graph_of(problem, _merged(units.groups, _chain_heads(units)))
    if most is not None and units.count > most:
        units = _graph_of(
            problem, _merged(units.groups, coarsened(units, most, unit_layers(problem, units)))
        )
    return units


def unit_rows(problem: Problem, units: UnitGraph, most: int) -> tuple[UnitGraph, np.ndarray]:
    """Units merged into at most ``most`` rows, as a graph, and the row of each unit (U,) int64."""
    if units.count <= most:
        return units, np.arange(units.count)
    label = coarsened(units, most, unit_layers(problem, units))
    rows = _graph_of(problem, _merged(units.groups, label))
    of_unit = np.zeros(units.count, dtype=np.int64)
    of_unit[units.groups.of_op] = rows.groups.of_op
    return rows, of_unit


def longest_ops(problem: Problem, groups: Groups) -> np.ndarray:
    """(groups,) int64: the first longest op of each group, which speaks for it."""
    duration = problem.mean_durations
    order = np.lexsort((-np.arange(len(duration)), duration, groups.of_op))
    longest = np.zeros(groups.count, dtype=np.int64)
    longest[groups.of_op[order]] = order  # the last assignment of each group stays
    return longest


def unit_layers(problem: Problem, units: UnitGraph) -> np.ndarray:
    """(U,) int64: the layer of each unit's longest op, -1 without a tag."""
    return problem.graph.layer[longest_ops(problem, units.groups)].astype(np.int64)


def coarsened(units: UnitGraph, most: int, layer: np.ndarray) -> np.ndarray:
    """(U,) int64: a cluster of each unit, 0 … at most ``most`` - 1.

    Agglomeration by heavy edges: of each cluster, the neighbour with the most bytes between them,
    one of the same ``layer`` (U,) first; where two choose each other they merge, unless their
    work together would exceed four times the mean of the final clusters. What is left without
    such a pair joins the next in topological order, of its layer first (our choice: ops of
    different layers that only follow each other in the order would tie their devices together).
    """
    label = np.arange(units.count)
    count, limit = units.count, 4 * float(units.work.sum()) / most
    while count > most:
        work = np.bincount(label, units.work, count)
        of_cluster = np.zeros(count, dtype=np.int64)
        of_cluster[label] = layer
        first, second = _heaviest_pairs(units, label, of_cluster, work, limit)
        if len(first) <= count // 50:
            first, second = _next_in_order(of_cluster)
        first, second = first[: count - most], second[: count - most]
        merged = np.arange(count)
        merged[second] = first
        label = np.unique(merged[label], return_inverse=True)[1].reshape(-1)
        count -= len(first)
    return label


def _next_in_order(layer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint pairs of clusters, one next after the other of its layer; else of all."""
    order = np.argsort(layer, kind="stable")
    begins = np.flatnonzero(np.diff(layer[order], prepend=layer[order[0]] - 1))
    place = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    odd = np.flatnonzero(place % 2)
    if len(odd) <= len(layer) // 50:
        return np.arange(0, len(layer) - 1, 2), np.arange(1, len(layer), 2)
    return order[odd - 1], order[odd]


def _heaviest_pairs(
    units: UnitGraph, label: np.ndarray, layer: np.ndarray, work: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters that are each other's heaviest neighbour, lower number first, heaviest first."""
    count = len(work)
    low = np.minimum(label[units.source], label[units.target])
    high = np.maximum(label[units.source], label[units.target])
    keep = (low != high) & (work[low] + work[high] <= limit)
    keys, inverse = np.unique(low[keep] * count + high[keep], return_inverse=True)
    size = np.bincount(inverse.reshape(-1), units.size[keep], len(keys))
    low, high = keys // count, keys % count
    end, edge = np.concatenate([low, high]), np.tile(np.arange(len(keys)), 2)
    alike = layer[low] == layer[high]
    order = np.lexsort((-edge, size[edge], alike[edge], end))  # the best edge of each end last
    top = np.full(count, -1)
    top[end[order]] = edge[order]
    mutual = np.flatnonzero((top[low] == np.arange(len(keys))) & (top[low] == top[high]))
    mutual = mutual[np.argsort(-size[mutual], kind="stable")]
    return low[mutual], high[mutual]


def _graph_of(problem: Problem, groups: Groups) -> UnitGraph:
    work = np.bincount(groups.of_op, problem.mean_durations, groups.count)
    return UnitGraph(groups, work, *directed_edges(problem, groups))


def _chain_heads(units: UnitGraph) -> np.ndarray:
    """(U,) int64: the first unit of the chain that each is in."""
    consumers = np.bincount(units.source, minlength=units.count)
    producers = np.bincount(units.target, minlength=units.count)
    link = (consumers[units.source] == 1) & (producers[units.target] == 1)
    head = np.arange(units.count)
    head[units.target[link]] = units.source[link]
    while True:  # pointer jumping: what is left of a chain halves in each round
        jumped = np.minimum(head, head[head])
        if np.array_equal(jumped, head):
            return head
        head = jumped


def _merged(groups: Groups, part: np.ndarray) -> Groups:
    """Groups united by ``part`` (groups,), numbered by their first group."""
    _, first, inverse = np.unique(part, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    of_op = rank[inverse.reshape(-1)][groups.of_op]
    of_op.setflags(write=False)
    return Groups(of_op=of_op, count=len(first))
