"""Delta simulation: what changes when few ops move, without simulating everything again.

The run of the decision at hand is kept at checkpoints. After a move, the run goes on from the last
checkpoint before the first event that can change: the earliest end of a producer of what moved
ops use. It stops at the first checkpoint from which the rest is the old run, shifted in time.
"""

from collections.abc import Sequence

import numpy as np

from go_gym.errors import DecisionError
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.checkpoints import attempt, make_checkpoints, record
from go_gym.simulator.result import Result
from go_gym.simulator.simulate import find_engine, simulate, violation_of
from go_gym.simulator.work import FIGURES, SCALARS, make_work

CHECKPOINTS = 48
"""At most so many (our choice); a run goes on from and stops at the nearest."""
MAX_BYTES = 2**27
"""Memory for the checkpoints of one decision; larger graphs get fewer of them."""
ENTRIES = 256
"""First guess at what a checkpoint keeps of each kind: ready ops, copies of tensors, their uses."""

Ops = Sequence[int] | np.ndarray
Devices = int | Sequence[int] | np.ndarray
Priority = np.ndarray | Sequence[int] | None

PATIENCE = 3
"""Tries after a move until new checkpoints are kept: that takes as long as three simulations (our
choice). Until then runs are compared with the one before the move, which is as exact."""


class DeltaSimulator:
    """A decision and its result, for moves of few ops at a time.

    Every result equals :func:`go_gym.simulate` of the changed decision in every field. Priorities
    stay as the decision gives them: those that follow a rule are not derived anew after a move.
    What a few moved ops do not explain is simulated in full: other priorities than before, and
    decisions with fusion levels, since a move may change what can be fused.

    Args:
        problem: graph and cluster.
        decision: where to start from.

    Attributes:
        problem: as given.
        decision: the decision as it stands after the moves so far.
        result: its Result (without a trace).
        reused: numbers of the checkpoints that the last move or try went on from and stopped at,
            None where there was none to use.

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """

    def __init__(self, problem: Problem, decision: Decision) -> None:
        check_decision(problem, decision)
        self.problem = problem
        self.decision = decision
        self.reused: tuple[int | None, int | None] = (None, None)
        self._tried: tuple[Decision, Result] | None = None  # not adopted
        self._tries = 0  # since the last move,
        self._resume: int | None = None  # and the checkpoint that it went on from
        self._recorded: Decision | None = None
        if decision.fusion is None:
            self._record()
            self.result = self._known
        else:
            self.result = simulate(problem, decision)

    def try_move(
        self,
        ops: Ops,
        devices: Devices,
        priority: Priority = None,
        trace: bool = False,
    ) -> Result:
        """The result if ``ops`` were on ``devices`` (one for all, or one each).

        Nothing changes until :meth:`adopt`. Other priorities than the decision's, if given, come
        with the move; they and a ``trace`` take a whole simulation.

        Raises:
            DecisionError: for an op or device that is none, or another number of devices than ops.
        """
        return self.try_decision(self._moved(ops, devices, priority), trace)

    def try_decision(self, decision: Decision, trace: bool = False) -> Result:
        """As :meth:`try_move`, given what the decision would then be.

        Raises:
            DecisionError: naming the op, if it has not the problem's shape and range.
        """
        check_decision(self.problem, decision)
        result = self._try(decision, trace)
        self._tried = decision, result
        return result

    @property
    def tried(self) -> Decision:
        """The decision of the last try; raises DecisionError if there was none since a move."""
        return self._last()[0]

    def adopt(self) -> Decision:
        """Make the last try the decision; raises DecisionError if there was none since a move."""
        self.decision, self.result = self._last()
        self._tried = None
        self._resume, self._tries = self.reused[0], 0
        return self.decision

    def move(self, ops: Ops, devices: Devices) -> Result:
        """:meth:`try_move` and :meth:`adopt`."""
        self.try_move(ops, devices)
        self.adopt()
        return self.result

    def _last(self) -> tuple[Decision, Result]:
        if self._tried is None:
            raise DecisionError("nothing was tried since the last move")
        return self._tried

    def _moved(self, ops: Ops, devices: Devices, priority: Priority) -> Decision:
        ops, devices = np.asarray(ops), np.asarray(devices)
        n, d = self.problem.num_ops, self.problem.num_devices
        if ops.ndim != 1 or not _whole_numbers(ops, n):
            raise DecisionError(f"ops: {ops}, expected numbers from 0 to {n - 1}")
        if devices.shape not in ((), ops.shape) or not _whole_numbers(devices, d):
            raise DecisionError(f"devices: {devices}, expected one or {len(ops)} of 0 to {d - 1}")
        placement = np.array(self.decision.placement)
        placement[ops.astype(np.int64)] = devices
        placement.setflags(write=False)
        if priority is None:
            priority = self.decision.priority
        return Decision(placement, priority, self.decision.fusion)

    def _try(self, decision: Decision, trace: bool) -> Result:
        self.reused = (None, None)
        if trace or decision.fusion is not None:
            return simulate(self.problem, decision, trace)
        ours = self.decision
        self._tries += 1
        if self._recorded is not ours and self._tries > PATIENCE and _like(ours, decision):
            self._record()
        if self._recorded is None or not _like(self._recorded, decision):
            return simulate(self.problem, decision)
        placement = np.asarray(decision.placement)
        ops = np.flatnonzero(placement != self._recorded.placement)
        if not len(ops):
            return self._known
        outcome, engine = self._outcome(), self._engine
        with engine.work(len(self._level) > 0) as work:
            start, stop = attempt(
                engine.tables, work, engine.contention, placement, self._level, self._points,
                self._base, ops, self._mark, *outcome,
            )  # fmt: skip
        self.reused = (start if start >= 0 else None, stop if stop >= 0 else None)
        return self._told(outcome)

    def _record(self) -> None:
        """Simulate the decision at hand and keep checkpoints, those before the moves staying."""
        first = 0 if self._resume is None else self._resume + 1
        if self._recorded is None or not _like(self._recorded, self.decision):
            self._prepare()
            first = 0
        placement, outcome = np.asarray(self.decision.placement), self._outcome()
        engine = self._engine
        while not record(
            engine.tables, self._work, engine.contention, placement, self._level, self._points,
            first, *outcome,
        ):  # fmt: skip
            self._capacity *= 4
            first = 0
            self._points = make_checkpoints(engine.tables, self._work, self._count, self._capacity)
        step, busy, _, figures = outcome
        self._base = (*self._inputs, self._work.op_times[1], busy, figures, step)
        self._recorded, self._known = self.decision, self._told(outcome)

    def _prepare(self) -> None:
        """Room for recordings with the priorities at hand."""
        problem, priority = self.problem, self.decision.priority
        graph, engine = problem.graph, find_engine(problem)
        n, d, u = problem.num_ops, problem.num_devices, graph.num_uses
        self._engine = engine
        self._level = np.empty((0, n), dtype=np.int64)
        if priority is not None:
            self._level = np.asarray(priority)[None]
        self._level.setflags(write=False)
        self._work = make_work(
            engine.tables, engine.contention, priority is not None, False, times=True
        )
        size = 4 * n + 8 * graph.num_tensors + 32 * len(self._work.port) + 96 * d
        self._count = min(CHECKPOINTS, max(1, MAX_BYTES // size))
        self._capacity = ENTRIES * self._count
        self._mark = np.empty(n + d + u, dtype=np.int64)
        self._inputs = (graph.op_use_ptr, graph.use_producer[graph.op_uses].astype(np.int64))
        self._points = make_checkpoints(engine.tables, self._work, self._count, self._capacity)

    def _outcome(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        d = self.problem.num_devices
        return (
            np.empty(1, np.int64),
            np.empty(d, np.int64),
            np.empty(d, np.int64),
            np.empty(SCALARS - FIGURES, np.int64),
        )

    def _told(self, outcome: tuple[np.ndarray, ...]) -> Result:
        step, busy, peak, figures = outcome
        moved, *fault = figures.tolist()
        return Result(int(step[0]), violation_of(self.problem, *fault), busy, peak, moved)


def _like(one: Decision, other: Decision) -> bool:
    """Do both order their ops by the same priorities?"""
    a, b = one.priority, other.priority
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _whole_numbers(values: np.ndarray, limit: int) -> bool:
    """Are all of them whole numbers from 0 to below ``limit``?"""
    if not values.size:
        return True
    return bool(values.dtype.kind in "iu" and values.min() >= 0 and values.max() < limit)
