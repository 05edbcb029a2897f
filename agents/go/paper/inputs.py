"""What the published network sees of a graph: op types, output shapes, adjacency."""

import zlib
from dataclasses import dataclass

import numpy as np
import torch

from go_gym.graph import ComputationGraph
from go_gym.graph.columns import SHAPE_DIMS
from go_gym.partitions import QuotientGraph
from go_gym.problem import Problem

OWN_FEATURES = 2


@dataclass(frozen=True)
class PaperInputs:
    """A graph of n ops as tensors: R units in topological order, e edges between them.

    Attributes:
        op_types: (n,) int64 hashed types, ops sorted by unit.
        type_offsets: (R,) int64, where each unit's ops begin.
        rows: (R, features) float32, see :func:`input_rows`.
        producers, consumers: (e,) int64 neighbours of each unit, in CSR order.
        producer_lengths, consumer_lengths: (R,) int64.
    """

    op_types: torch.Tensor
    type_offsets: torch.Tensor
    rows: torch.Tensor
    producers: torch.Tensor
    producer_lengths: torch.Tensor
    consumers: torch.Tensor
    consumer_lengths: torch.Tensor


def paper_inputs(
    problem: Problem, units: QuotientGraph, buckets: int, neighbours: int
) -> PaperInputs:
    """The tensors of a problem whose ops are decided by ``units``."""
    count = units.count
    types = hashed_types(problem.graph, buckets)[units.partition.order]
    by_target = np.lexsort((units.source, units.target))

    def long(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values.astype(np.int64))

    return PaperInputs(
        op_types=long(types),
        type_offsets=long(units.partition.pointers[:-1]),
        rows=torch.as_tensor(input_rows(problem, units, neighbours)),
        producers=long(units.source[by_target]),
        producer_lengths=long(np.bincount(units.target, minlength=count)),
        consumers=long(units.target),
        consumer_lengths=long(np.bincount(units.source, minlength=count)),
    )


def input_rows(problem: Problem, units: QuotientGraph, neighbours: int) -> np.ndarray:
    """(R, SHAPE_DIMS + OWN_FEATURES + 2 · neighbours) float32, beside the op types.

    The output shape of the unit's longest op, as logarithms; how many ops it has and how many
    bytes they give, which ops decided as one need; adjacency: the numbers of its first producers
    and consumers in topological order, as shares of R, -1 where there are fewer.
    """
    graph, count = problem.graph, units.count
    shape = np.maximum(graph.shape[units.partition.longest(problem.mean_durations)], 0)
    given = np.bincount(units.part_of[graph.tensor_producer], graph.tensor_bytes, count)
    own = np.stack([units.partition.sizes, given], axis=1)
    columns = [
        np.log2(1.0 + shape) / 8,
        np.log2(1.0 + own) / 16,
        _first_neighbours(units.target, units.source, count, neighbours),
        _first_neighbours(units.source, units.target, count, neighbours),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _first_neighbours(own: np.ndarray, other: np.ndarray, count: int, most: int) -> np.ndarray:
    """(count, most) float64: the lowest ``other`` of each ``own``, as shares of ``count``."""
    order = np.lexsort((other, own))
    mine, theirs = own[order], other[order]
    column = np.arange(len(mine)) - np.searchsorted(mine, mine)
    kept = column < most
    table = np.full((count, most), -1.0)
    table[mine[kept], column[kept]] = theirs[kept] / count
    return table


def feature_count(neighbours: int) -> int:
    """Columns of :func:`input_rows`."""
    return SHAPE_DIMS + OWN_FEATURES + 2 * neighbours


def hashed_types(graph: ComputationGraph, buckets: int) -> np.ndarray:
    """(n,) int64: each op's type as CRC-32 modulo ``buckets``, the same on every machine."""
    table = np.array([zlib.crc32(name.encode()) % buckets for name in graph.op_types])
    return table[graph.op_type]
