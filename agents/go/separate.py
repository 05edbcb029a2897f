"""GO for one task after another, the comparison of the paper's joint policy."""

from go_gym.agent import Budget
from go_gym.problem import Decision, Problem

from ..common.separate import one_after_another
from .agent import GO


class SeparateGO:
    """GO for placement, then for priorities, then for fusion, a third of the calls each."""

    version = "5"
    tasks = ("joint",)
    ran_on = ""

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Three searches, see :func:`one_after_another`."""
        agent = GO()
        decision = one_after_another(agent, problem, budget, seed)
        self.ran_on = agent.ran_on
        return decision
