"""The cross-entropy method over groups of ops (Rubinstein 1999), refined from coarse to fine."""

from dataclasses import dataclass

import numpy as np

from go_gym.agent import Budget
from go_gym.partitions import Hierarchy, Partition
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import Decision, Problem

from .agent import SearchAgent
from .costs import costs
from .encoding import Encoding
from .starts import starting_points


@dataclass(frozen=True)
class CrossEntropySettings:
    """How the distribution is learned; all our choice but the method itself.

    Attributes:
        samples: decisions an iteration, fewer where there are few units.
        elite: share of them that the distribution moves towards.
        rate: how far it moves each time.
        flips: parts that a sample of a fresh distribution changes, on average; twice as many after
            all levels brought no improvement.
        patience: iterations without an improvement before the next finer level.
    """

    samples: int = 50
    elite: float = 0.1
    rate: float = 0.5
    flips: float = 4.0
    patience: int = 3


class Distribution:
    """Independent values for the parts of each column: (parts, values) float64 each."""

    def __init__(self, encoding: Encoding, level: Partition, centre: np.ndarray, flips: float):
        # parts are divided where the centre already differs within them
        self.partition = Partition.by_labels(level.part_of, *centre)
        first = self.partition.order[self.partition.pointers[:-1]]
        keep = max(1.0 / max(encoding.values), 1.0 - flips / (self.partition.count * len(centre)))
        self.chances = []
        for row, values in zip(centre, encoding.values, strict=True):
            table = np.full((len(first), values), (1.0 - keep) / max(values - 1, 1))
            table[np.arange(len(first)), row[first]] = keep if values > 1 else 1.0
            self.chances.append(table)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, columns, parts) int64."""
        drawn = []
        for table in self.chances:
            below = np.cumsum(table, axis=1)[:, :-1]
            drawn.append((rng.random((count, len(table), 1)) > below).sum(axis=2))
        return np.stack(drawn, axis=1)

    def genome(self, drawn: np.ndarray) -> np.ndarray:
        """(columns, units) int64 of one draw (columns, parts)."""
        return drawn[:, self.partition.part_of]

    def learn(self, elite: np.ndarray, rate: float) -> None:
        """Move towards the values of ``elite`` (e, columns, parts); no value dies out."""
        least = 1.0 / (self.partition.count * len(self.chances))
        for row, table in enumerate(self.chances):
            values = table.shape[1]
            seen = (elite[:, row, :, None] == np.arange(values)).mean(axis=0)
            table += rate * (seen - table)
            floor = min(least / values, 0.5 / values)
            table *= 1.0 - floor * values
            table += floor


class CrossEntropy(SearchAgent):
    """Cross-entropy method over parts of the graph, from coarse to fine."""

    settings = CrossEntropySettings()

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Sample until the budget is spent; the best that was evaluated."""
        random, settings = np.random.default_rng(seed), self.settings
        encoding = Encoding(problem, smallest_units(problem), scheduled=self.scheduled)
        if not budget.remaining:
            return encoding.decision(encoding.neutral())
        partitions = structural_partitions(problem, encoding.units)
        genomes, known = starting_points(encoding, partitions, budget, random, self.from_best)
        best, best_cost = genomes[0], float(known[0])
        hierarchy = Hierarchy.of(partitions)
        level, waited, flips = 0, 0, settings.flips
        at_last_cycle = np.inf
        distribution = Distribution(encoding, hierarchy[0], best, settings.flips)
        while budget.remaining:
            samples = min(settings.samples, max(20, 2 * encoding.units.count), budget.remaining)
            drawn = distribution.draw(samples, random)
            tried = [distribution.genome(each) for each in drawn]
            found = costs(problem, budget.evaluate_batch(encoding.decisions(tried)))
            order = np.argsort(found, kind="stable")
            if found[order[0]] < best_cost:
                best, best_cost, waited = tried[order[0]], float(found[order[0]]), 0
            else:
                waited += 1
            if waited >= settings.patience:
                level, waited = (level + 1) % len(hierarchy), 0
                if level == 0:
                    flips = settings.flips if best_cost < at_last_cycle else 2 * flips
                    at_last_cycle = best_cost
                distribution = Distribution(encoding, hierarchy[level], best, flips)
            else:
                elite = order[: max(1, round(settings.elite * len(order)))]
                distribution.learn(drawn[elite], settings.rate)
        return budget.best or encoding.decision(best)
