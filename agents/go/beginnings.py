"""Whole decisions that a start looks at before its moves: by stretches, and by heuristics."""

from collections.abc import Sequence

import numpy as np

from go_gym.partitions import QuotientGraph
from go_gym.partitions.partition import work_shares
from go_gym.problem import Problem

from ..heuristics.portfolio import heuristic_placements
from .decisions import Choices

EVEN = 4.0
"""How even the stretches are (concentration of a Dirichlet distribution)."""


def heuristic_choices(
    problem: Problem, units: QuotientGraph, decides: Sequence[str], levels: int
) -> list[Choices]:
    """The classical heuristics' placements, and the middle of ``levels`` of everything else."""
    middle = dict.fromkeys(decides, np.full(units.count, levels // 2))
    if "placement" not in decides:
        return [middle]
    first = units.partition.longest(problem.mean_durations)
    placements = heuristic_placements(problem)
    return [{**middle, "placement": placement[first]} for placement in placements]


def stretched_placements(
    problem: Problem, units: QuotientGraph, count: int, random: np.random.Generator
) -> np.ndarray:
    """(count, U) int64 placements: a stretch of the order for each device, of random work.

    The order is the topological one or, for every other, that of the layers, which stay whole.
    """
    d, work = problem.num_devices, units.work
    layer = np.unique(units.layers(problem), return_inverse=True)[1]
    found = np.empty((count, len(work)), dtype=np.int64)
    for i in range(count):
        weight = np.bincount(layer, work) if i % 2 else work
        cuts = np.cumsum(random.dirichlet(np.full(d, EVEN)))[:-1]
        device = random.permutation(d)[np.searchsorted(cuts, work_shares(weight))]
        found[i] = device[layer] if i % 2 else device
    return found
