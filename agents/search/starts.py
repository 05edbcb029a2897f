"""Where a search starts: from nothing, or from the best of the classical heuristics."""

import numpy as np

from go_gym.agent import Budget
from go_gym.fusion.greedy import default_fusion
from go_gym.partitions.partition import work_shares

from ..heuristics.portfolio import heuristic_placements
from .space import Space

SAMPLES = 50
"""Random genomes that a search from nothing looks at first (our choice)."""


def heuristic_genomes(space: Space) -> list[np.ndarray]:
    """:func:`heuristic_placements` without boosts, and with default fusion as well as without."""
    given = space.problem.placement
    placements = heuristic_placements(space.problem) if given is None else [np.asarray(given)]
    found = []
    for placement in placements:
        found.append(space.neutral(placement))
        if "fusion" in space.columns:
            found.append(space.neutral(placement, default_fusion(space.problem, placement)))
    return found


def random_genomes(space: Space, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Genomes at random: a value for each part of a partition, coarse ones as often as fine.

    The first is :meth:`Space.neutral`, every other second has devices by stretches of the
    topological order.
    """
    found = [space.neutral()]
    shares = work_shares(space.units.work)
    while len(found) < count:
        genome = space.neutral()
        for row, column in enumerate(space.columns):
            if column == "placement" and len(found) % 2:
                cuts = rng.random(space.values[row] - 1)
                devices = rng.permutation(space.values[row])
                genome[row] = devices[np.searchsorted(np.sort(cuts), shares)]
            else:
                partition = space.partitions[rng.integers(len(space.partitions))]
                drawn = rng.integers(0, space.values[row], partition.count)
                genome[row] = drawn[partition.part_of]
        found.append(genome)
    return found[:count]


def starting_points(
    space: Space, budget: Budget, rng: np.random.Generator, from_best: bool
) -> tuple[list[np.ndarray], np.ndarray]:
    """Evaluated genomes and their costs (b,), best first; at most a tenth of the budget, or one.

    Args:
        space: the genomes.
        budget: pays for each.
        rng: draws the random ones.
        from_best: start from the heuristics instead of random genomes.
    """
    if from_best:
        genomes = heuristic_genomes(space)
        genomes = genomes[: budget.remaining]
    else:
        genomes = random_genomes(space, max(1, min(SAMPLES, budget.remaining // 10)), rng)
    results = budget.evaluate_batch(space.decisions(genomes))
    costs = space.costs(results)
    order = np.argsort(costs, kind="stable")
    return [genomes[i] for i in order], costs[order]
