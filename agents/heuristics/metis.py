"""METIS as an agent."""

from go_gym.agent import EXACT, Budget
from go_gym.baselines.metis import metis_placement
from go_gym.problem import Decision, Problem


class Metis:
    """METIS on the graph of co-location groups."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """:func:`metis_placement`; no simulator call, the seed plays no part."""
        return Decision(placement=metis_placement(problem))
