"""A decision in the course of moves: the LocalSearch protocol, and moves that are simulated whole.

``delta/`` has the other simulator of moves, :class:`go_gym.simulator.DeltaSimulator`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from go_gym.errors import DecisionError
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.result import Result

Ops = Sequence[int] | np.ndarray
Devices = int | Sequence[int] | np.ndarray
Priority = Sequence[int] | np.ndarray | None


class LocalSearch(Protocol):
    """A decision and its result, for moves that are tried, and adopted or not.

    A try changes nothing until it is adopted, and gives the Result that a simulation of the changed
    decision gives, in every field.
    """

    @property
    def decision(self) -> Decision:
        """The decision as it stands after what was adopted."""
        ...

    @property
    def result(self) -> Result:
        """Its Result."""
        ...

    @property
    def tried(self) -> Decision:
        """The decision of the last try; raises DecisionError if there was none since a move."""
        ...

    def try_move(
        self,
        ops: Ops,
        devices: Devices,
        priority: Priority = None,
        trace: bool = False,
        *,
        limit_ns: int | None = None,
    ) -> Result:
        """The Result if ``ops`` (k,) were on ``devices``: one for all, or one each, as in a swap.

        Other priorities than the decision's, if given, come with the move. A try that is known to
        take longer than ``limit_ns`` may be broken off; it cannot be adopted.

        Raises:
            DecisionError: for an op or device that is none, or another number of devices than ops.
        """
        ...

    def try_decision(
        self, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
    ) -> Result:
        """As :meth:`try_move`, given what the decision would then be.

        Raises:
            DecisionError: naming the op, if it has not the problem's shape and range.
        """
        ...

    def adopt(self) -> Decision:
        """Make the last try the decision; raises DecisionError if there was none since a move."""
        ...

    def move(self, ops: Ops, devices: Devices) -> Result:
        """:meth:`try_move` and :meth:`adopt` at once, which may be faster."""
        ...

    def starts(self) -> np.ndarray:
        """(n,) int64 ns: when each op starts under the decision as it stands."""
        ...


class FullSimulator:
    """The LocalSearch that runs every move whole.

    Args:
        problem: graph and cluster.
        decision: where to start from.
        run: checks a decision and gives its Result; with a trace if the second argument is True.
        known: the Result of ``decision``, if it is known already.

    Attributes:
        problem: as given.

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """

    def __init__(
        self,
        problem: Problem,
        decision: Decision,
        run: Callable[[Decision, bool], Result],
        known: Result | None = None,
    ) -> None:
        check_decision(problem, decision)
        self.problem, self.decision = problem, decision
        self._run = run
        self._last: tuple[Decision | tuple[np.ndarray, np.ndarray], Result] | None = None
        self.result = self._first() if known is None else known

    def _first(self) -> Result:
        return self._run(self.decision, False)

    def _run_within(self, decision: Decision, trace: bool, limit_ns: int | None) -> Result:
        """The result of a try; what measures cannot be broken off."""
        return self._run(decision, trace)

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
        moved = self._moved(*self._columns(ops, devices), priority)
        return self.try_decision(moved, trace, limit_ns=limit_ns)

    def try_decision(
        self, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
    ) -> Result:
        """See :meth:`LocalSearch.try_decision`."""
        result = self._run_within(decision, trace, limit_ns)
        self._last = decision, result
        return result

    @property
    def tried(self) -> Decision:
        """See :attr:`LocalSearch.tried`."""
        if self._last is None:
            raise DecisionError("nothing was tried since the last move")
        tried, result = self._last
        if not isinstance(tried, Decision):
            tried = self._moved(*tried)
            self._last = tried, result
        return tried

    def adopt(self) -> Decision:
        """See :meth:`LocalSearch.adopt`."""
        tried = self.tried
        assert self._last is not None
        if self._last[1].over_limit:
            raise DecisionError("the last try was broken off at its limit: try it without one")
        self.decision = tried
        self.result, self._last = self._last[1], None
        return self.decision

    def move(self, ops: Ops, devices: Devices) -> Result:
        """See :meth:`LocalSearch.move`."""
        result = self.try_move(ops, devices)
        self.adopt()
        return result

    def starts(self) -> np.ndarray:
        """See :meth:`LocalSearch.starts`."""
        trace = self.result.trace or self._run(self.decision, True).trace
        assert trace is not None
        return trace.op_start

    def _columns(self, ops: Ops, devices: Devices) -> tuple[np.ndarray, np.ndarray]:
        """Both as (k,) int64, devices perhaps as (1,) for all."""
        n, d = self.problem.num_ops, self.problem.num_devices
        moved = np.asarray(ops)
        if moved.ndim != 1 or not _within(moved, n):
            raise DecisionError(f"ops: {ops}, expected numbers from 0 to {n - 1}")
        if type(devices) is int and 0 <= devices < d:  # what most moves are, in half the time
            return np.array(moved, dtype=np.int64), np.array([devices])
        to = np.asarray(devices)
        if to.shape not in ((), moved.shape) or not _within(to, d):
            raise DecisionError(f"devices: {devices}, expected one or {moved.size} of 0 to {d - 1}")
        return np.array(moved, dtype=np.int64), np.array(to, dtype=np.int64, ndmin=1)

    def _moved(self, ops: np.ndarray, devices: np.ndarray, priority: Priority = None) -> Decision:
        placement = np.array(self.decision.placement)
        placement[ops] = devices
        placement.setflags(write=False)
        if priority is None:
            priority = self.decision.priority
        order = self.decision.order if priority is None else None
        return Decision(placement, priority, self.decision.fusion, order)


FEW = 32
"""Up to so many numbers are compared faster one by one."""


def _within(values: np.ndarray, limit: int) -> bool:
    """Are all of them whole numbers from 0 to below ``limit``?"""
    if values.size == 0:
        return True
    if values.dtype.kind not in "iu":
        return False
    numbers = values.ravel().tolist() if values.size <= FEW else [values.min(), values.max()]
    return min(numbers) >= 0 and max(numbers) < limit
