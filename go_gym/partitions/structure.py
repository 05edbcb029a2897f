"""Partitions of units by the structure of their graph: what a move or a sample changes together."""

from collections.abc import Sequence
from math import fsum

import numpy as np

from go_gym.partitions.coarsen import heavy_edges, nested_hierarchy
from go_gym.partitions.hierarchy import Hierarchy, different
from go_gym.partitions.metis import metis_parts
from go_gym.partitions.partition import Partition, equal_work, work_shares
from go_gym.partitions.quotient import QuotientGraph, undirected_edges
from go_gym.partitions.rules import edge_zeroed_partition
from go_gym.problem import Problem

GRAINS = (4.0, 16.0)
"""Uses whose transfer takes more than this times the work at both ends join (our choice)."""
MOST_WINDOWS = 64
"""Finest cut of the topological order into stretches of equal work (our choice)."""
STRETCHES = (1, 2, 4, 8, 32)
"""Into how many stretches of equal work layers are cut (our choice)."""
METIS_PARTS = 64
"""The finest level that METIS makes; it fails on parts of few vertices."""


def structural_partitions(problem: Problem, units: QuotientGraph) -> tuple[Partition, ...]:
    """Partitions of the units that the graph suggests, different ones only, in no order of size.

    Layers; layers by phase; kinds of op within a layer; stretches of the topological order, and
    layers by phase and stretch; ops held together by transfers that never pay; nested levels down
    to single units. A unit's longest op stands for it.
    """
    graph = problem.graph
    ops = units.partition.longest(problem.mean_durations)
    layer, phase, kind = graph.layer[ops], graph.phase[ops], graph.op_type[ops]
    # units without work, which come last, are a stretch of their own
    window = (work_shares(units.work) * MOST_WINDOWS).astype(np.int64)
    return different(
        [
            Partition.by_labels(layer),
            Partition.by_labels(layer, phase),
            Partition.by_labels(layer, kind),
            *(Partition.by_labels(window // coarse) for coarse in (8, 1)),
            *(Partition.by_labels(layer, phase, window // coarse) for coarse in (8, 2)),
            *(Partition.by_labels(_held_together(problem, grain)[ops]) for grain in GRAINS),
            *nested_hierarchy(problem, units),
        ]
    )


def dense_hierarchy(problem: Problem, units: QuotientGraph, parts: Sequence[int]) -> Hierarchy:
    """The structural partitions and more, from coarse to fine; all of it is our choice.

    More are partitions into about so many ``parts``: METIS's, equal in work, up to METIS_PARTS;
    beyond, by heavy edges; and the layers of the model cut into stretches of the topological
    order.
    """
    levels = list(structural_partitions(problem, units))
    layer = units.layers(problem)
    weight = (
        units.work + fsum(units.work) / units.count
    )  # METIS fails on many vertices of no weight
    edges = undirected_edges(problem, units.partition)
    for count in parts:
        if 1 < count < units.count / 2:
            if count <= METIS_PARTS and 8 * count <= units.count:
                levels.append(Partition.by_labels(metis_parts(edges, weight, count)))
            else:
                levels.append(heavy_edges(units, count, layer))
    for cuts in STRETCHES:
        levels.append(Partition.by_labels(layer, equal_work(units.work, cuts)))
    return Hierarchy.of(levels)


def _held_together(problem: Problem, grain: float) -> np.ndarray:
    """(n,) int64: ops united where a transfer takes over ``grain`` times the work at its ends."""
    graph = problem.graph
    work = problem.mean_durations
    delay = problem.mean_delays[graph.use_tensor]
    ends = work[graph.use_producer] + work[graph.use_consumer]
    return edge_zeroed_partition(problem, delay > grain * ends).part_of
