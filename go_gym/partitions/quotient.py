"""The quotient graph of a partition of the ops: its parts, and the bytes between them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.partitions.partition import Partition
from go_gym.problem import Problem


@dataclass(frozen=True, eq=False)
class QuotientGraph:
    """The parts of a partition of the ops as a graph; U parts.

    Attributes:
        partition: of the ops.
        work: (U,) float64 ns, mean duration over the devices, summed over the part's ops.
        source, target: (e,) int64 parts, each ordered pair once, sorted by source, then target.
        size: (e,) int64 bytes that would travel if the two parts were apart.
    """

    partition: Partition
    work: np.ndarray
    source: np.ndarray
    target: np.ndarray
    size: np.ndarray

    @property
    def count(self) -> int:
        """U."""
        return self.partition.count

    @property
    def part_of(self) -> np.ndarray:
        """(n,) int64: the part of each op."""
        return self.partition.part_of

    @cached_property
    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Pointers (U + 1,) into, and int64, the parts that each one shares tensors with."""
        low, high = np.minimum(self.source, self.target), np.maximum(self.source, self.target)
        pairs = np.unique(low * self.count + high)
        low, high = pairs // self.count, pairs % self.count
        ends, others = np.concatenate([low, high]), np.concatenate([high, low])
        pointers = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=self.count))])
        return pointers, others[np.argsort(ends, kind="stable")]

    def merged(self, problem: Problem, parts: Partition) -> "QuotientGraph":
        """The quotient graph of fewer parts: ``parts`` is a partition of those of this one."""
        return quotient_graph(problem, self.partition.merged(parts))

    def layers(self, problem: Problem) -> np.ndarray:
        """(U,) int64: the layer of each part's longest op, the first of equal ones; -1 for none."""
        longest = self.partition.longest(problem.mean_durations)
        layers: np.ndarray = problem.graph.layer[longest].astype(np.int64)
        return layers


def quotient_graph(problem: Problem, partition: Partition) -> QuotientGraph:
    """The quotient graph of ``partition``, of the problem's ops."""
    work = partition.sums(problem.mean_durations)
    return QuotientGraph(partition, work, *directed_edges(problem, partition))


def undirected_edges(
    problem: Problem, partition: Partition
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bytes between parts, in either direction, each tensor once for each part that uses it.

    Returns:
        low, high: (e,) int64 parts, low < high, sorted.
        size: (e,) int64 bytes.
    """
    source, target, size = directed_edges(problem, partition)
    return _summed(np.minimum(source, target), np.maximum(source, target), size, partition.count)


def directed_edges(
    problem: Problem, partition: Partition
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bytes from part to part, each tensor once for each part that uses it.

    Returns:
        source, target: (e,) int64 parts, producer's and consumer's, sorted, never equal.
        size: (e,) int64 bytes.
    """
    graph = problem.graph
    source = partition.part_of[graph.use_producer]
    target = partition.part_of[graph.use_consumer]
    cut = source != target
    copy = graph.use_tensor[cut].astype(np.int64) * partition.count + target[cut]
    _, first = np.unique(copy, return_index=True)
    size = graph.tensor_bytes[graph.use_tensor[cut][first]]
    return _summed(source[cut][first], target[cut][first], size, partition.count)


def _summed(
    source: np.ndarray, target: np.ndarray, size: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal pairs joined, their sizes added up, sorted."""
    keys, inverse = np.unique(source * count + target, return_inverse=True)
    total = np.zeros(len(keys), dtype=np.int64)
    np.add.at(total, inverse.reshape(-1), size)
    return keys // count, keys % count, total
