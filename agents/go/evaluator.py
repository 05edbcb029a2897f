"""The simulator calls of a round."""

from collections.abc import Sequence

import numpy as np

from go_gym.agent import Budget
from go_gym.simulator import Result

from ..common.step_view import StepView, step_view
from ..common.traced import traced
from ..search.encoding import Encoding
from .scales import Scales


class Evaluator:
    """Simulates genomes and says what they are worth.

    Args:
        encoding: the genomes.
        scales: rewards of the problem.
        budget: its calls are used.
        calls: how many the round may use; fewer if the budget has fewer.

    Attributes:
        results: of the round so far.
    """

    def __init__(self, encoding: Encoding, scales: Scales, budget: Budget, calls: int) -> None:
        self.encoding, self.scales, self.budget = encoding, scales, budget
        self.calls = min(calls, budget.remaining)
        self.results: list[Result] = []

    @property
    def left(self) -> int:
        """Calls that the round may still use."""
        return self.calls - len(self.results)

    def rewards(self, genomes: Sequence[np.ndarray]) -> np.ndarray:
        """(B,) float64 of ``genomes``, a call each."""
        batch = self.budget.evaluate_batch(self.encoding.decisions(genomes))
        self.results.extend(batch)
        return self.scales.rewards(batch)

    def look(self, genome: np.ndarray) -> StepView:
        """A decision as its trace shows it; takes a call."""
        decision = self.encoding.decision(genome)
        result = self.budget.evaluate(decision, trace=True)
        self.results.append(result)
        assert result.trace is not None
        step = traced(self.encoding.problem, decision, result.trace)
        return step_view(self.encoding.units, step)

    def look_again(self, genome: np.ndarray) -> StepView:
        """The decision that was simulated last, as its trace shows it; takes no call."""
        step = traced(self.encoding.problem, self.encoding.decision(genome), self.budget.trace())
        return step_view(self.encoding.units, step)
