"""What :meth:`Budget.delta` gives: a decision that a search improves move by move."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from go_gym.problem import Decision
from go_gym.simulator import Mover, Result


class Account(Protocol):
    """What pays for tries: a :class:`go_gym.agent.budget.Budget`."""

    used: int

    def take(self, calls: int) -> None:
        """Count ``calls``; raises BudgetError if there are fewer left."""

    def note(self, decision: Decision, result: Result, calls: int) -> None:
        """Keep what call number ``calls`` gave in the curve, and the decision if it is the best."""


class Moves:
    """A decision that a search improves move by move: what :meth:`Budget.delta` gives.

    A try changes nothing until it is adopted. Exact and fast are moves of few ops: under FIFO,
    and under priorities that stay as the decision gives them. Other priorities that come with a
    move, fusion levels and traces are as exact, and take a whole simulation.

    Attributes:
        decision: as it stands after what was adopted.
        result: its Result.
        tried: the decision of the last try.
    """

    def __init__(self, budget: Account, mover: Mover) -> None:
        self._budget, self._mover = budget, mover

    @property
    def decision(self) -> Decision:
        """The decision that moves begin from."""
        return self._mover.decision

    @property
    def result(self) -> Result:
        """Its result."""
        return self._mover.result

    @property
    def tried(self) -> Decision:
        """The decision that the last :meth:`try_move` looked at."""
        return self._mover.tried

    def try_move(
        self,
        ops: Sequence[int] | np.ndarray,
        devices: int | Sequence[int] | np.ndarray,
        priority: Sequence[int] | np.ndarray | None = None,
        trace: bool = False,
    ) -> Result:
        """The Result if ``ops`` (k,) were on ``devices``: one for all, or one each, as in a swap.

        ``priority`` (n,) replaces the decision's. Raises BudgetError if no call is left, and
        DecisionError, which costs a call as that of :meth:`Budget.evaluate`, for a bad move.
        """
        self._budget.take(1)
        return self._noted(self._mover.try_move(ops, devices, priority, trace))

    def try_decision(self, decision: Decision, trace: bool = False) -> Result:
        """As :meth:`try_move`, given the changed decision; what it moved is found out here."""
        self._budget.take(1)
        return self._noted(self._mover.try_decision(decision, trace))

    def adopt(self) -> Decision:
        """Go on from the last try, at no call; DecisionError if there was none since a move."""
        return self._mover.adopt()

    def move(
        self, ops: Sequence[int] | np.ndarray, devices: int | Sequence[int] | np.ndarray
    ) -> Result:
        """:meth:`try_move` and :meth:`adopt` at once, which is faster than one after the other."""
        self._budget.take(1)
        result = self._mover.move(ops, devices)
        self._budget.note(self.decision, result, self._budget.used)
        return result

    def starts(self) -> np.ndarray:
        """(n,) int64 ns: when each op starts under the decision as it stands; no call."""
        return self._mover.starts()

    def _noted(self, result: Result) -> Result:
        self._budget.note(self.tried, result, self._budget.used)
        return result
