"""What :meth:`Budget.delta` gives: a LocalSearch whose tries a budget pays for."""

from collections.abc import Callable

import numpy as np

from go_gym.problem import Decision
from go_gym.simulator import LocalSearch, Result
from go_gym.simulator.local_search import Devices, Ops, Priority

Pay = Callable[[Callable[[], tuple[Decision, Result]]], Result]
"""What pays for a try, makes it and notes it: the decision tried and its Result."""


class BudgetedSearch(LocalSearch):
    """A :class:`go_gym.simulator.LocalSearch` of which every try costs a call, and is noted.

    Fast are moves of few ops: under FIFO, and under priorities that stay as the decision gives
    them. Other priorities that come with a move, fusion levels and traces take a whole simulation.

    What tries raise is what the search raises, at the cost of a call, and before that BudgetError
    if no call is left.
    """

    def __init__(
        self, pay: Pay, search: LocalSearch, allowed: Callable[[int | None], int | None]
    ) -> None:
        """``allowed`` gives the limit that hides no improvement."""
        self._pay, self._search, self._allowed = pay, search, allowed

    @property
    def decision(self) -> Decision:
        """See :attr:`LocalSearch.decision`."""
        return self._search.decision

    @property
    def result(self) -> Result:
        """See :attr:`LocalSearch.result`."""
        return self._search.result

    @property
    def tried(self) -> Decision:
        """See :attr:`LocalSearch.tried`."""
        return self._search.tried

    def try_move(
        self,
        ops: Ops,
        devices: Devices,
        priority: Priority = None,
        trace: bool = False,
        *,
        limit_ns: int | None = None,
    ) -> Result:
        """See :meth:`LocalSearch.try_move`."""
        limit = self._allowed(limit_ns)
        return self._try(
            lambda: self._search.try_move(ops, devices, priority, trace, limit_ns=limit)
        )

    def try_decision(
        self, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
    ) -> Result:
        """See :meth:`LocalSearch.try_decision`."""
        limit = self._allowed(limit_ns)
        return self._try(lambda: self._search.try_decision(decision, trace, limit_ns=limit))

    def adopt(self) -> Decision:
        """See :meth:`LocalSearch.adopt`; no call."""
        return self._search.adopt()

    def move(self, ops: Ops, devices: Devices) -> Result:
        """See :meth:`LocalSearch.move`."""

        def moved() -> tuple[Decision, Result]:
            result = self._search.move(ops, devices)
            return self._search.decision, result

        return self._pay(moved)

    def starts(self) -> np.ndarray:
        """See :meth:`LocalSearch.starts`; no call."""
        return self._search.starts()

    def _try(self, simulate: Callable[[], Result]) -> Result:
        def tried() -> tuple[Decision, Result]:
            result = simulate()
            return self._search.tried, result

        return self._pay(tried)
