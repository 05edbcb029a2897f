"""Coarser partitions of the parts of a quotient graph: chains, heavy edges, nested levels."""

from math import fsum

import numpy as np

from go_gym.partitions.hierarchy import Hierarchy
from go_gym.partitions.joining import joined
from go_gym.partitions.partition import Partition
from go_gym.partitions.quotient import QuotientGraph, undirected_edges
from go_gym.problem import Problem

FACTOR = 4
"""Between the numbers of parts of two nested levels (our choice)."""


def chains(graph: QuotientGraph) -> Partition:
    """Chains of parts: each one's only consumer has no other producer.

    Cutting a chain brings a transfer and no parallel work (ColocRL merges where Y is X's only
    consumer; that X must be Y's only producer too is our choice).
    """
    consumers = np.bincount(graph.source, minlength=graph.count)
    producers = np.bincount(graph.target, minlength=graph.count)
    link = (consumers[graph.source] == 1) & (producers[graph.target] == 1)
    head = np.arange(graph.count)
    head[graph.target[link]] = graph.source[link]
    while True:  # pointer jumping: what is left of a chain halves in each round
        jumped = np.minimum(head, head[head])
        if np.array_equal(jumped, head):
            return Partition.by_labels(head)
        head = jumped


def heavy_edges(graph: QuotientGraph, most: int, layer: np.ndarray) -> Partition:
    """At most ``most`` parts, by agglomeration along heavy edges.

    Of each part, the neighbour with the most bytes between them, one of the same ``layer`` (U,)
    first; where two choose each other they merge, unless their work together would exceed four
    times the mean of the final parts. What is left without such a pair joins the next in
    topological order, of its layer first (our choice: ops of different layers that only follow
    each other in the order would tie their devices together).
    """
    label = np.arange(graph.count)
    count, limit = graph.count, 4 * fsum(graph.work) / most
    while count > most:
        work = np.bincount(label, graph.work, count)
        of_part = np.zeros(count, dtype=np.int64)
        of_part[label] = layer
        first, second = _heaviest_pairs(graph, label, of_part, work, limit)
        if len(first) <= count // 50:
            first, second = _next_in_order(of_part)
        first, second = first[: count - most], second[: count - most]
        merged = np.arange(count)
        merged[second] = first
        label = np.unique(merged[label], return_inverse=True)[1].reshape(-1)
        count -= len(first)
    return Partition(label, count)


def nested_hierarchy(problem: Problem, graph: QuotientGraph) -> Hierarchy:
    """Nested partitions from coarse to fine, the last of single parts.

    Each has about FACTOR times fewer parts than the next, the coarsest about four a device: parts
    are joined along the heaviest tensors first, up to twice an equal share of the work (edge
    zeroing, Sarkar 1989, with a limit of size).
    """
    found = [Partition.singletons(graph.count)]
    count = graph.count // FACTOR
    while count >= max(4 * problem.num_devices, 2):
        coarser = _joined_to(problem, graph, found[-1], count)
        if coarser.count < found[-1].count:
            found.append(coarser)
        count //= FACTOR
    return Hierarchy(tuple(reversed(found)))


def _joined_to(problem: Problem, graph: QuotientGraph, finer: Partition, count: int) -> Partition:
    """The parts of ``finer`` joined to at most twice the work / ``count``."""
    low, high, size = undirected_edges(problem, graph.partition.merged(finer))
    work = finer.sums(graph.work + fsum(graph.work) / graph.count / 10)
    rating = size / np.sqrt(work[low] * work[high])
    order = np.argsort(-rating, kind="stable")
    least = joined((low[order], high[order]), work, 2 * fsum(work) / count)
    return Partition.by_labels(least[finer.part_of])


def _next_in_order(layer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint pairs of parts, one next after the other of its layer; else of all."""
    order = np.argsort(layer, kind="stable")
    begins = np.flatnonzero(np.diff(layer[order], prepend=layer[order[0]] - 1))
    place = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    odd = np.flatnonzero(place % 2)
    if len(odd) <= len(layer) // 50:
        return np.arange(0, len(layer) - 1, 2), np.arange(1, len(layer), 2)
    return order[odd - 1], order[odd]


def _heaviest_pairs(
    graph: QuotientGraph, label: np.ndarray, layer: np.ndarray, work: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Parts that are each other's heaviest neighbour, lower number first, heaviest first."""
    count = len(work)
    low = np.minimum(label[graph.source], label[graph.target])
    high = np.maximum(label[graph.source], label[graph.target])
    light = (low != high) & (work[low] + work[high] <= limit)
    keys, inverse = np.unique(low[light] * count + high[light], return_inverse=True)
    size = np.bincount(inverse.reshape(-1), graph.size[light], len(keys))
    low, high = keys // count, keys % count
    end, edge = np.concatenate([low, high]), np.tile(np.arange(len(keys)), 2)
    alike = layer[low] == layer[high]
    order = np.lexsort((-edge, size[edge], alike[edge], end))  # the best edge of each end last
    top = np.full(count, -1)
    top[end[order]] = edge[order]
    mutual = np.flatnonzero((top[low] == np.arange(len(keys))) & (top[low] == top[high]))
    mutual = mutual[np.argsort(-size[mutual], kind="stable")]
    return low[mutual], high[mutual]
