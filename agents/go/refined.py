"""A hybrid of ours: GO for half of the calls, then simulated annealing from its best."""

import numpy as np

from go_gym.agent import Budget
from go_gym.problem import Decision, Problem

from ..search.annealing import Schedule, anneal
from ..search.space import Space
from .agent import GO
from .training import Training


class RefinedGO(GO):
    """GO's best placement, refined by annealing over groups and single ops."""

    tasks = ("placement",)

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The best that either of the two evaluated; GO's answer if nothing was valid."""
        answer = super().solve(problem, budget, seed)
        if budget.best is None or not budget.remaining:
            return answer
        space = Space(problem)
        start = space.neutral(np.asarray(budget.best.placement))
        step_time = budget.best_step_time_ns
        assert step_time is not None  # there is a best
        rng = np.random.default_rng(seed)
        anneal(space, budget, rng, start, float(step_time), Schedule())
        return budget.best

    def _run(self, training: Training, budget: Budget) -> None:
        training.calls = (budget.remaining + 1) // 2
        training.run([budget], folder=self.checkpoint)
