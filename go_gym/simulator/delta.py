"""Delta simulation: what changes when few ops move, without simulating everything again."""

from collections.abc import Sequence

import numpy as np

from go_gym.problem import Decision, Problem
from go_gym.simulator.result import Result
from go_gym.simulator.simulate import simulate


class DeltaSimulator:
    """A decision and its result, for moves of few ops at a time.

    Every result equals :func:`go_gym.simulate` of the changed decision in every field. Priorities
    stay as the decision gives them: those that follow a rule are not derived anew after a move.

    Args:
        problem: graph and cluster.
        decision: where to start from.

    Attributes:
        problem: as given.
        decision: the decision as it stands after the moves so far.
        result: its Result (without a trace).

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """

    def __init__(self, problem: Problem, decision: Decision) -> None:
        self.problem = problem
        self.decision = decision
        self.result = simulate(problem, decision)

    def try_move(self, ops: Sequence[int] | np.ndarray, devices: int | Sequence[int]) -> Result:
        """The result if ``ops`` were on ``devices`` (one for all, or one each); nothing changes.

        Raises:
            DecisionError: naming the op, for a device that the cluster has not.
        """
        return simulate(self.problem, self._moved(ops, devices))

    def move(self, ops: Sequence[int] | np.ndarray, devices: int | Sequence[int]) -> Result:
        """As :meth:`try_move`, and the decision is changed."""
        decision = self._moved(ops, devices)
        self.result = simulate(self.problem, decision)
        self.decision = decision
        return self.result

    def _moved(self, ops: Sequence[int] | np.ndarray, devices: int | Sequence[int]) -> Decision:
        placement = np.array(self.decision.placement)
        placement[np.asarray(ops, dtype=np.int64)] = devices
        return Decision(placement, self.decision.priority)
