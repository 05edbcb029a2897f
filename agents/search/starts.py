"""Where a search starts: from nothing, or from the best of the classical heuristics."""

from collections.abc import Sequence

import numpy as np

from go_gym.agent import Budget
from go_gym.fusion.greedy import default_fusion
from go_gym.partitions import Partition
from go_gym.partitions.partition import work_shares

from ..heuristics.portfolio import heuristic_placements, placements_on_fewer
from .costs import costs
from .encoding import Encoding

SAMPLES = 50
"""Random genomes that a search from nothing looks at first (our choice)."""


def heuristic_genomes(encoding: Encoding) -> list[np.ndarray]:
    """:func:`heuristic_placements`, and on fewer devices, with neutral priorities and fusion.

    Where that is no fusion, with the default one as well.
    """
    problem = encoding.problem
    if problem.placement is None:
        placements = [*heuristic_placements(problem), *placements_on_fewer(problem)]
    else:
        placements = [np.asarray(problem.placement)]
    found = []
    for placement in placements:
        found.append(encoding.neutral(placement))
        if "fusion" in encoding.columns and not encoding.ranks.around_default:
            fusion = default_fusion(problem, placement)
            found.append(encoding.neutral(placement, fusion))
    return found


def random_genomes(
    encoding: Encoding,
    partitions: Sequence[Partition],
    count: int,
    random: np.random.Generator,
) -> list[np.ndarray]:
    """Genomes at random: a value for each part of one of ``partitions`` of the units.

    The first is :meth:`Encoding.neutral`, every other second has devices by stretches of the
    topological order.
    """
    found = [encoding.neutral()]
    shares = work_shares(encoding.units.work)
    while len(found) < count:
        genome = encoding.neutral()
        for row, column in enumerate(encoding.columns):
            values = encoding.values[row]
            if column == "placement" and len(found) % 2:
                cuts = np.sort(random.random(values - 1))
                genome[row] = by_stretches(shares, cuts, random)
            else:
                partition = partitions[int(random.integers(len(partitions)))]
                drawn = random.integers(0, values, partition.count)
                genome[row] = drawn[partition.part_of]
        found.append(genome)
    return found[:count]


def by_stretches(shares: np.ndarray, cuts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n,) int64: a device for each stretch of an order, the devices shuffled.

    Args:
        shares: (n,) where each item lies in the order (:func:`work_shares`).
        cuts: (devices - 1,) where one stretch ends and the next begins, rising.
        random: shuffles.
    """
    return random.permutation(len(cuts) + 1)[np.searchsorted(cuts, shares)]


def starting_points(
    encoding: Encoding,
    partitions: Sequence[Partition],
    budget: Budget,
    random: np.random.Generator,
    from_best: bool,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Evaluated genomes and their costs (b,), best first; at most a tenth of the budget, or one.

    Args:
        encoding, partitions: of :func:`random_genomes`.
        budget: pays for each.
        random: draws the random ones.
        from_best: start from the heuristics instead of random genomes.
    """
    if from_best:
        genomes = heuristic_genomes(encoding)[: budget.remaining]
    else:
        count = max(1, min(SAMPLES, budget.remaining // 10))
        genomes = random_genomes(encoding, partitions, count, random)
    found = costs(encoding.problem, budget.evaluate_batch(encoding.decisions(genomes)))
    order = np.argsort(found, kind="stable")
    return [genomes[i] for i in order], found[order]
