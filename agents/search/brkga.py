"""BRKGA: a biased random-key genetic algorithm (Gonçalves and Resende 2011)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from go_gym.agent import Budget
from go_gym.partitions import Partition
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import Decision, Problem

from .agent import SearchAgent
from .costs import costs
from .encoding import Encoding
from .starts import heuristic_genomes, random_genomes


@dataclass(frozen=True)
class BRKGASettings:
    """Of Gonçalves and Resende's recommended ranges (their table 1), but for what is said.

    Attributes:
        population: chromosomes.
        elite: share that survives and gives one parent of each child.
        mutants: share of newcomers a generation.
        bias: chance that a child takes a key from its elite parent.
        mutations: parts changed in a child, on average (our choice: the published algorithm has
            mutants alone, which are of no use once the population is good).
        patience: generations without an improvement after which the population starts anew
            (Toso and Resende 2015); the budget keeps the best.
    """

    population: int = 60
    elite: float = 0.2
    mutants: float = 0.05
    bias: float = 0.7
    mutations: float = 1.5
    patience: int = 10


class Brkga(SearchAgent):
    """BRKGA over placements and, where the task decides them, priorities and fusion.

    A chromosome has a key in [0, 1) for each unit and column; key × values, rounded down, is the
    value. Departures from the paper: a child inherits whole parts of a partition of the units,
    drawn anew for each child, since thousands of single keys would take for ever to agree; and a
    few parts of a child are changed.
    """

    settings = BRKGASettings()

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Evolve until the budget is spent; the best that was evaluated."""
        random, settings = np.random.default_rng(seed), self.settings
        encoding = Encoding(problem, smallest_units(problem), scheduled=self.scheduled)
        if not budget.remaining:
            return encoding.decision(encoding.neutral())
        partitions = structural_partitions(problem, encoding.units)
        size = min(settings.population, budget.remaining)
        genomes = heuristic_genomes(encoding)[:size] if self.from_best else []
        genomes += random_genomes(encoding, partitions, size - len(genomes), random)
        keys = [keys_of(encoding, genome, random) for genome in genomes]
        found = self._costs(encoding, budget, keys)
        elites = max(1, round(settings.elite * size))
        newcomers = round(settings.mutants * size)
        least, waited = np.inf, 0
        while budget.remaining:
            order = np.argsort(found, kind="stable")
            keys, found = [keys[i] for i in order], found[order]
            waited = 0 if found[0] < least else waited + 1
            least = found[0]
            anew = waited >= settings.patience
            if anew:
                least, waited = np.inf, 0
            surviving = 0 if anew else elites
            wanted = size - surviving
            drawn = (wanted if anew else newcomers) + 1
            made = [
                keys_of(encoding, genome, random)
                for genome in random_genomes(encoding, partitions, drawn, random)[1:]
            ]
            while len(made) < wanted:
                strong = keys[random.integers(elites)]
                weak = keys[random.integers(len(keys))]
                made.append(self._child(partitions, strong, weak, random))
            made = made[: budget.remaining]
            found = np.concatenate([found[:surviving], self._costs(encoding, budget, made)])
            keys = keys[:surviving] + made
        best = keys[int(np.argmin(found))]
        return budget.best or encoding.decision(genome_of(encoding, best))

    def _child(
        self,
        partitions: Sequence[Partition],
        strong: np.ndarray,
        weak: np.ndarray,
        random: np.random.Generator,
    ) -> np.ndarray:
        """Parts of one partition from either parent, then a few of any partition anew."""
        partition = partitions[int(random.integers(len(partitions)))]
        taken = random.random((len(strong), partition.count)) < self.settings.bias
        child = np.where(taken[:, partition.part_of], strong, weak)
        for _ in range(random.poisson(self.settings.mutations)):
            partition = partitions[int(random.integers(len(partitions)))]
            members = partition.members(int(random.integers(partition.count)))
            child[random.integers(len(child)), members] = random.random()
        return child

    @staticmethod
    def _costs(encoding: Encoding, budget: Budget, keys: list[np.ndarray]) -> np.ndarray:
        decisions = [encoding.decision(genome_of(encoding, each)) for each in keys]
        return costs(encoding.problem, budget.evaluate_batch(decisions))


def genome_of(encoding: Encoding, keys: np.ndarray) -> np.ndarray:
    """(columns, units) int64 that ``keys`` (columns, units) in [0, 1) stand for."""
    return (keys * np.array(encoding.values)[:, None]).astype(np.int64)


def keys_of(encoding: Encoding, genome: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Keys that stand for ``genome``, anywhere within each value's stretch."""
    values = np.array(encoding.values)[:, None]
    return np.minimum((genome + random.random(genome.shape)) / values, np.nextafter(1.0, 0.0))
