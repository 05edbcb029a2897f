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

PATIENCE = 3
"""Tries after a move until new checkpoints are kept: that takes as long as three simulations (our
choice). Until then runs are compared with the one before the move, which is as exact."""


class DeltaSimulator:
    """A decision and its result, for moves of few ops at a time.

    Every result equals :func:`go_gym.simulate` of the changed decision in every field. Priorities
    stay as the decision gives them: those that follow a rule are not derived anew after a move.
    Decisions with fusion levels are simulated in full, since a move may change what can be fused.

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
        self._tries = 0  # since the last move,
        self._resume: int | None = None  # and the checkpoint that it went on from
        if decision.fusion is not None:
            self.result = simulate(problem, decision)
            return
        graph, engine = problem.graph, find_engine(problem)
        n, d, u = problem.num_ops, problem.num_devices, graph.num_uses
        self._engine = engine
        self._level = np.empty((0, n), dtype=np.int64)
        if decision.priority is not None:
            self._level = np.asarray(decision.priority)[None]
        self._level.setflags(write=False)
        self._work = make_work(
            engine.tables, engine.contention, decision.priority is not None, False, times=True
        )
        size = 4 * n + 8 * graph.num_tensors + 32 * len(self._work.port) + 96 * d
        self._count = min(CHECKPOINTS, max(1, MAX_BYTES // size))
        self._capacity = ENTRIES * self._count
        self._mark = np.empty(n + d + u, dtype=np.int64)
        self._inputs = (graph.op_use_ptr, graph.use_producer[graph.op_uses].astype(np.int64))
        self._points = make_checkpoints(engine.tables, self._work, self._count, self._capacity)
        self._record(0)
        self.result = self._known

    def try_move(self, ops: Ops, devices: Devices) -> Result:
        """The result if ``ops`` were on ``devices`` (one for all, or one each); nothing changes.

        Raises:
            DecisionError: for an op or device that is none, or another number of devices than ops.
        """
        return self._try(self._moved(ops, devices))

    def move(self, ops: Ops, devices: Devices) -> Result:
        """As :meth:`try_move`, and the decision is changed."""
        decision = self._moved(ops, devices)
        self.result = self._try(decision)
        self.decision = decision
        self._resume, self._tries = self.reused[0], 0
        return self.result

    def _moved(self, ops: Ops, devices: Devices) -> Decision:
        ops, devices = np.asarray(ops), np.asarray(devices)
        n, d = self.problem.num_ops, self.problem.num_devices
        if ops.ndim != 1 or not _whole_numbers(ops, n):
            raise DecisionError(f"ops: {ops}, expected numbers from 0 to {n - 1}")
        if devices.shape not in ((), ops.shape) or not _whole_numbers(devices, d):
            raise DecisionError(f"devices: {devices}, expected one or {len(ops)} of 0 to {d - 1}")
        placement = np.array(self.decision.placement)
        placement[ops.astype(np.int64)] = devices
        placement.setflags(write=False)
        return Decision(placement, self.decision.priority, self.decision.fusion)

    def _try(self, decision: Decision) -> Result:
        self.reused = (None, None)
        if decision.fusion is not None:
            return simulate(self.problem, decision)
        self._tries += 1
        if self.decision is not self._recorded and self._tries > PATIENCE:
            self._record(0 if self._resume is None else self._resume + 1)
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

    def _record(self, first: int) -> None:
        """Simulate the decision at hand, keeping checkpoints from ``first`` on."""
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


def _whole_numbers(values: np.ndarray, limit: int) -> bool:
    """Are all of them whole numbers from 0 to below ``limit``?"""
    if not values.size:
        return True
    return bool(values.dtype.kind in "iu" and values.min() >= 0 and values.max() < limit)
