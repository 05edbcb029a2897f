"""A hybrid of ours: GO for half of the calls, then simulated annealing from its best."""

from pathlib import Path

import numpy as np

from go_gym.agent import Budget
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import TASKS, Decision, Problem

from ..search.annealing import AnnealingSettings, anneal
from ..search.encoding import Encoding
from .agent import GO
from .training import Training


class RefinedGO(GO):
    """GO's best placement, refined by annealing over groups and single ops."""

    Options = None

    def __init__(self, checkpoint: str | Path | None = None) -> None:
        super().__init__(checkpoint=checkpoint)
        self.tasks = TASKS[:1]

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The best that either of the two evaluated; GO's answer if nothing was valid."""
        answer = super().solve(problem, budget, seed)
        if budget.best is None or not budget.remaining:
            return answer
        encoding = Encoding(problem, smallest_units(problem))
        partitions = structural_partitions(problem, encoding.units)
        start = encoding.neutral(np.asarray(budget.best.placement))
        step_time = budget.best_step_time_ns
        assert step_time is not None  # there is a best
        random = np.random.default_rng(seed)
        anneal(encoding, partitions, budget, random, start, float(step_time), AnnealingSettings())
        return budget.best

    def spend(self, training: Training, budget: Budget) -> None:
        """Train for half of the calls."""
        training.calls = (budget.remaining + 1) // 2
        training.run([budget], folder=self.checkpoint)
