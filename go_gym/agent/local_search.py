"""What :meth:`Budget.delta` gives: a decision that a search improves move by move."""

from collections.abc import Callable, Sequence

import numpy as np

from go_gym.problem import Decision
from go_gym.simulator import Mover, Result

Pay = Callable[[Callable[[], tuple[Decision, Result]]], Result]
"""What pays for a try, makes it and notes it: the decision tried and its Result."""


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

    def __init__(self, pay: Pay, mover: Mover) -> None:
        self._pay, self._mover = pay, mover

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
        return self._try(lambda: self._mover.try_move(ops, devices, priority, trace))

    def try_decision(self, decision: Decision, trace: bool = False) -> Result:
        """As :meth:`try_move`, given the changed decision; what it moved is found out here."""
        return self._try(lambda: self._mover.try_decision(decision, trace))

    def adopt(self) -> Decision:
        """Go on from the last try, at no call; DecisionError if there was none since a move."""
        return self._mover.adopt()

    def move(
        self, ops: Sequence[int] | np.ndarray, devices: int | Sequence[int] | np.ndarray
    ) -> Result:
        """:meth:`try_move` and :meth:`adopt` at once, which is faster than one after the other."""

        def moved() -> tuple[Decision, Result]:
            result = self._mover.move(ops, devices)
            return self._mover.decision, result

        return self._pay(moved)

    def starts(self) -> np.ndarray:
        """(n,) int64 ns: when each op starts under the decision as it stands; no call."""
        return self._mover.starts()

    def _try(self, simulate: Callable[[], Result]) -> Result:
        def tried() -> tuple[Decision, Result]:
            result = simulate()
            return self._mover.tried, result

        return self._pay(tried)
