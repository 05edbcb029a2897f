"""BRKGA: a biased random-key genetic algorithm (Gonçalves and Resende 2011)."""

from dataclasses import dataclass

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.problem import TASKS, Decision, Problem

from .space import Space
from .starts import heuristic_genomes, random_genomes


@dataclass(frozen=True)
class Settings:
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


class Brkga:
    """BRKGA over placements and, where the task decides them, priorities and fusion.

    A chromosome has a key in [0, 1) for each unit and column; key × values, rounded down, is the
    value. Departures from the paper: a child inherits whole parts of a partition of the units,
    drawn anew for each child, since thousands of single keys would take for ever to agree; and a
    few parts of a child are changed.
    """

    version = "1"
    reproducible = EXACT
    tasks: tuple[str, ...] = TASKS
    from_best = False
    scheduled = False
    settings = Settings()

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Evolve until the budget is spent; the best that was evaluated."""
        rng = np.random.default_rng(seed)
        space, settings = Space(problem, self.scheduled), self.settings
        if not budget.remaining:
            return space.decision(space.neutral())
        size = min(settings.population, budget.remaining)
        genomes = heuristic_genomes(space)[:size] if self.from_best else []
        genomes += random_genomes(space, size - len(genomes), rng)
        keys = [self._keys(space, genome, rng) for genome in genomes]
        costs = self._costs(space, budget, keys)
        elites = max(1, round(settings.elite * size))
        newcomers = round(settings.mutants * size)
        least, waited = np.inf, 0
        while budget.remaining:
            order = np.argsort(costs, kind="stable")
            keys, costs = [keys[i] for i in order], costs[order]
            waited = 0 if costs[0] < least else waited + 1
            least = costs[0]
            anew = waited >= settings.patience
            if anew:
                least, waited = np.inf, 0
            kept = 0 if anew else elites
            wanted = size - kept
            made = [
                self._keys(space, genome, rng)
                for genome in random_genomes(space, (wanted if anew else newcomers) + 1, rng)[1:]
            ]
            while len(made) < wanted:
                strong = keys[rng.integers(elites)]
                weak = keys[rng.integers(len(keys))]
                made.append(self._child(space, strong, weak, rng))
            made = made[: budget.remaining]
            costs = np.concatenate([costs[:kept], self._costs(space, budget, made)])
            keys = keys[:kept] + made
        return budget.best or space.decision(self._genome(space, keys[int(np.argmin(costs))]))

    def _child(self, space: Space, strong, weak, rng: np.random.Generator) -> np.ndarray:
        """Parts of one partition from either parent, then a few of any partition anew."""
        partitions = space.partitions
        partition = partitions[rng.integers(len(partitions))]
        taken = rng.random((len(strong), partition.count)) < self.settings.bias
        child = np.where(taken[:, partition.part_of], strong, weak)
        for _ in range(rng.poisson(self.settings.mutations)):
            partition = partitions[rng.integers(len(partitions))]
            members = partition.members(int(rng.integers(partition.count)))
            child[rng.integers(len(child)), members] = rng.random()
        return child

    def _costs(self, space: Space, budget: Budget, keys: list[np.ndarray]) -> np.ndarray:
        decisions = [space.decision(self._genome(space, each)) for each in keys]
        return space.costs(budget.evaluate_batch(decisions))

    @staticmethod
    def _genome(space: Space, keys: np.ndarray) -> np.ndarray:
        return (keys * np.array(space.values)[:, None]).astype(np.int64)

    @staticmethod
    def _keys(space: Space, genome: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Keys that stand for ``genome``, anywhere within each value's stretch."""
        values = np.array(space.values)[:, None]
        return np.minimum((genome + rng.random(genome.shape)) / values, np.nextafter(1.0, 0.0))


class BrkgaFromBest(Brkga):
    """BRKGA whose first population holds the classical heuristics' placements."""

    version = "2"  # m-ETF, one of the starts, loses no op any more
    from_best = True
