"""The best of the classical heuristics: what an agent must beat to be worth its search."""

from go_gym.agent import EXACT, Budget
from go_gym.baselines.placements import human_expert
from go_gym.problem import Decision, Problem

from .portfolio import heuristic_placements


class BestHeuristic:
    """The classical heuristics' placements, simulated; the best of them (our choice as the harder
    baseline: no single rule leads on every graph)."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """A simulator call for each of :func:`.portfolio.heuristic_placements`, as far as the
        budget goes; without any valid one among them, or without calls, the human expert's."""
        placements = heuristic_placements(problem)[: budget.remaining]
        if placements:
            budget.evaluate_batch([Decision(each) for each in placements])
        return budget.best or Decision(human_expert(problem))
