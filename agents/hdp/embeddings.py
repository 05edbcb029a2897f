"""What HDP's two networks see: an embedding an op, an embedding a group (ICLR 2018, section 2)."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from go_gym.graph import ComputationGraph
from go_gym.partitions import Partition
from go_gym.partitions.quotient import directed_edges
from go_gym.problem import Problem

TYPES = 200
"""Most common op types that are told apart; the rest share the last number."""
OUTPUTS, DIMS = 6, 4
"""Outputs of an op and dimensions of each that its embedding holds."""
NEIGHBOURS = 6
"""Producers, and as many consumers, that an op's embedding names."""
OP_WIDTH = OUTPUTS * DIMS + 2 * NEIGHBOURS
"""Columns of an op's embedding beside its type's."""
GROUP_OUTPUTS = 4
"""Outputs whose total shape a group's embedding holds: 4 outputs × 4 dimensions are 16 wide."""
SHAPE_WIDTH = GROUP_OUTPUTS * DIMS
BYTES_OF_A_NUMBER = 4


@dataclass(frozen=True, eq=False)
class OpTable:
    """Op embeddings before the network; U units, each shown by its leading op.

    Attributes:
        kind: (U,) int64, number of the op type, below TYPES.
        numbers: (U, OP_WIDTH) float32, output sizes then adjacency, missing ones -1.
    """

    kind: np.ndarray
    numbers: np.ndarray


def op_table(problem: Problem, units: Partition) -> OpTable:
    """The embeddings of the units' leading ops (their first that costs anything)."""
    graph = problem.graph
    leader = leading_ops(graph, units)
    sizes = output_sizes(graph)[leader].reshape(units.count, -1)
    numbers = np.concatenate([scaled(sizes), adjacency(problem, units)], axis=1)
    return OpTable(type_numbers(graph)[leader], numbers.astype(np.float32))


def leading_ops(graph: ComputationGraph, units: Partition) -> np.ndarray:
    """(U,) int64: the first op of each unit that costs anything, else its first."""
    n = graph.num_ops
    rank = np.arange(n) + np.where(graph.is_free, n, 0)
    first = np.full(units.count, 2 * n, dtype=np.int64)
    np.minimum.at(first, units.part_of, rank)
    return first % n


def type_numbers(graph: ComputationGraph) -> np.ndarray:
    """(n,) int64: op types numbered from the most common; those beyond TYPES share the last."""
    counts = np.bincount(graph.op_type, minlength=len(graph.op_types))
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank, TYPES - 1)[graph.op_type]


def output_sizes(graph: ComputationGraph) -> np.ndarray:
    """(n, OUTPUTS, DIMS) float64, missing outputs and dimensions -1.

    Graphs keep the shape of the first output alone: dimensions past the fourth are multiplied
    into it, and each further output is one dimension, its bytes as 4-byte numbers.
    """
    sizes = np.full((graph.num_ops, OUTPUTS, DIMS), -1.0)
    shape = graph.shape.astype(np.float64)
    sizes[:, 0] = shape[:, :DIMS]
    rest = np.where(shape[:, DIMS:] < 0, 1.0, shape[:, DIMS:]).prod(axis=1)
    sizes[:, 0, -1] = np.where(shape[:, DIMS - 1] < 0, -1.0, shape[:, DIMS - 1] * rest)
    producer = graph.tensor_producer
    position = np.arange(graph.num_tensors) - graph.op_tensor_ptr[producer]
    further = (position > 0) & (position < OUTPUTS)
    elements = graph.tensor_bytes[further] // BYTES_OF_A_NUMBER
    sizes[producer[further], position[further], 0] = elements
    return sizes


def adjacency(problem: Problem, units: Partition) -> np.ndarray:
    """(U, 2 × NEIGHBOURS) float64: the first producers, then the first consumers, of each unit.

    Each by its number in breadth-first order, as a fraction of U; missing ones -1.
    """
    source, target, _ = directed_edges(problem, units)
    number = breadth_first_numbers(units.count, source, target)
    table = np.full((units.count, 2 * NEIGHBOURS), -1.0)
    for start, own, other in (
        (0, target, source),
        (NEIGHBOURS, source, target),
    ):
        order = np.lexsort((number[other], own))
        mine, theirs = own[order], other[order]
        column = np.arange(len(mine)) - np.searchsorted(mine, mine)
        kept = column < NEIGHBOURS
        table[mine[kept], start + column[kept]] = number[theirs[kept]] / units.count
    return table


def breadth_first_numbers(units: int, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(units,) int64: position in a breadth-first walk along the edges from units without inputs.

    Args:
        units: how many there are.
        source, target: (e,) int64 units at the ends of each edge, sorted by source.
    """
    targets = target.tolist()
    starts = np.searchsorted(source, np.arange(units + 1)).tolist()
    inputs = np.bincount(target, minlength=units)
    number = [-1] * units
    found = 0
    for root in [*np.flatnonzero(inputs == 0).tolist(), *range(units)]:  # units can form a ring
        if number[root] >= 0:
            continue
        number[root], found = found, found + 1
        queue = deque([root])
        while queue:
            unit = queue.popleft()
            for other in targets[starts[unit] : starts[unit + 1]]:
                if number[other] < 0:
                    number[other], found = found, found + 1
                    queue.append(other)
    return np.array(number, dtype=np.int64)


class GroupEmbeddings:
    """Embeddings of groups of units: what each holds, in columns that do not overlap.

    Attributes:
        types: columns of the op-type counts, TYPES wide.
        shapes: columns of the total output shapes, SHAPE_WIDTH wide.
        neighbours: columns of the 0/1 adjacency, a column a group.
        width: number of columns.
    """

    def __init__(self, problem: Problem, units: Partition, groups: int) -> None:
        graph = problem.graph
        self.groups = groups
        self.types = slice(0, TYPES)
        self.shapes = slice(TYPES, TYPES + SHAPE_WIDTH)
        self.neighbours = slice(TYPES + SHAPE_WIDTH, TYPES + SHAPE_WIDTH + groups)
        self.width = self.neighbours.stop
        self._source, self._target, _ = directed_edges(problem, units)
        keys, counts = np.unique(units.part_of * TYPES + type_numbers(graph), return_counts=True)
        self._unit, self._kind, self._count = keys // TYPES, keys % TYPES, counts
        sizes = np.maximum(output_sizes(graph)[:, :GROUP_OUTPUTS], 0).reshape(-1, SHAPE_WIDTH)
        self._sizes = np.stack(
            [np.bincount(units.part_of, column, units.count) for column in sizes.T]
        )

    def __call__(self, group: np.ndarray) -> np.ndarray:
        """(groups, width) float32 embeddings, given the ``group`` (U,) of each unit."""
        table = np.zeros((self.groups, self.width), dtype=np.float32)
        cells = group[self._unit] * TYPES + self._kind
        counts = np.bincount(cells, self._count, self.groups * TYPES)
        table[:, self.types] = np.log2(1.0 + counts.reshape(self.groups, TYPES))
        totals = np.stack([np.bincount(group, column, self.groups) for column in self._sizes])
        table[:, self.shapes] = scaled(totals.T)
        source, target = group[self._source], group[self._target]
        apart = source != target
        table[source[apart], self.neighbours.start + target[apart]] = 1.0
        return table


def scaled(sizes: np.ndarray) -> np.ndarray:
    """log2(1 + size) / 16, with -1 for what is missing."""
    return np.where(sizes < 0, -1.0, np.log2(1.0 + np.maximum(sizes, 0.0)) / 16.0)
