"""Delta simulation: what changes when few ops move, without simulating everything again.

The run of the decision at hand is kept at checkpoints. After a move, the run goes on from the last
checkpoint before anything of the schedule can change (``early.py``): what moved ops use was made
before, and is there held or sent otherwise than it was. It stops at the first checkpoint from which
the schedule is the old one, shifted in time, and only memory differs, by bytes that can be told
(``rest.py``). A move that is adopted replaces the checkpoints in between; for that the run goes on
from before the first transfer that changes, and stops where nothing differs.
"""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.delta.checkpoints import (
    FIGURES_TOLD,
    Wiring,
    make_base,
    make_checkpoints,
    make_wiring,
)
from go_gym.simulator.delta.moving import ADOPT, RECORD, TRY
from go_gym.simulator.delta.rerun import NO_ROOM, UNMOVED, bind, rerun
from go_gym.simulator.local_search import Devices, Mover, Ops, Priority
from go_gym.simulator.result import Result
from go_gym.simulator.simulate import find_engine, simulate, violation_of
from go_gym.simulator.work import make_work

CHECKPOINTS = 64
"""At most so many (our choice); a run goes on from and stops at the nearest."""
MAX_BYTES = 2**27
"""Memory for the checkpoints of one decision; larger graphs get fewer of them."""
ENTRIES = 0.5
"""First guess at what a checkpoint keeps of each kind (ready ops, tensors, their uses), as a share
of the number of ops; memory that is not used costs nothing."""
PATIENCE = 3
"""Tries with priorities that nothing is recorded for until that is done, which takes as long as
two or three simulations (our choice)."""

KEPT = 12
"""About so many of the checkpoints that an adopted move passes are kept (our choice)."""
WORTH = 0.95
"""Where tries, and adoptions of what was tried, typically take more of a run a try than that, tries
are simulated in full (our choice),"""
PROBE = 50
"""but for one in so many, which tells whether that is still so."""
ADOPTION = 1.3
"""What an adoption takes, as a multiple of its try (about, as measured)."""
TYPICAL_RATE = 0.1
"""Weight of the last try in what is typical of them (our choice)."""

_NO_OPS = np.empty(0, dtype=np.int64)
_wirings: WeakKeyDictionary[Problem, Wiring] = WeakKeyDictionary()


class Recording:
    """The run of a placement under fixed priorities, its checkpoints, and runs that start there.

    The decision at hand may be ahead of this base by moves that were adopted, while tries would
    take nearly whole runs anyway and are not made here.

    Args:
        problem: graph and cluster.
        decision: the first base; without fusion.

    Attributes:
        placement: (n,) int64, read-only to others: that of the base.
        reused: numbers of the checkpoints that the last run went on from and stopped at, None
            where there was none to use.
    """

    def __init__(self, problem: Problem, decision: Decision) -> None:
        self.problem = problem
        self.reused: tuple[int | None, int | None] = (None, None)
        engine = self._engine = find_engine(problem)
        if problem not in _wirings:
            _wirings[problem] = make_wiring(problem, engine.tables)
        self._wiring = _wirings[problem]
        ranked = decision.priority is not None
        self._level: np.ndarray | None = None
        if ranked:
            self._level = np.array(decision.priority)[None]
        work = self._work = make_work(engine.tables, engine.contention, ranked, trace=True)
        self._quiet = work._replace(
            op_times=work.op_times[:, :0].copy(), transfers=work.transfers[:0]
        )
        self._told = np.empty(FIGURES_TOLD, dtype=np.int64)
        size = 4 * problem.num_ops + 12 * problem.graph.num_tensors
        size += 72 * len(self._work.port) + 96 * problem.num_devices
        self._count = min(CHECKPOINTS, max(1, MAX_BYTES // size))
        self._base = make_base(self._work, self._count)
        self._base.trial[:] = decision.placement
        self.placement = self._base.place
        self._capacity = 1 + int(ENTRIES * problem.num_ops)
        self._make_room()
        self._ahead: tuple[np.ndarray, np.ndarray] | None = None  # ops, devices
        self._adopted = False  # was the last try?
        self._tries, self._elsewhere = 0, 0  # made here, and simulated in full
        self._typical = 0.0  # share of a whole run that a try takes
        self._adopting = 0.0  # share of tries that are adopted
        self._known = self._record()

    def result(self) -> Result:
        """The base's."""
        return self._known

    def useful(self) -> bool:
        """Is the next try to be made here?"""
        weight = max(TYPICAL_RATE, 1 / (1 + self._tries))
        self._adopting += weight * (self._adopted - self._adopting)
        self._adopted = False
        if not self._worth():
            self._elsewhere += 1
            if self._elsewhere % PROBE:
                self.reused = (None, None)
                return False
        self._catch_up()
        return True

    def tried(self, ops: np.ndarray, devices: np.ndarray) -> Result:
        """The result with ``ops`` (k,) int64 on ``devices``, where that is useful."""
        result = self._run(ops, devices, TRY)
        if result is not self._known:
            self._tries += 1
            weight = max(TYPICAL_RATE, 1 / self._tries)
            self._typical += weight * (self._share() - self._typical)
        return result

    def adopt(self, ops: np.ndarray, devices: np.ndarray) -> None:
        """The decision is now the base with ``ops`` on ``devices``."""
        self._adopted = True
        self._ahead = ops, devices
        if self._worth():
            self._catch_up()

    def move(self, ops: np.ndarray, devices: np.ndarray) -> Result:
        """The result with ``ops`` on ``devices``, and the decision is the base."""
        self._catch_up()
        return self._run(ops, devices, ADOPT)

    def starts(self) -> np.ndarray:
        """(n,) int64 ns: when each op starts, where the decision stands."""
        self._catch_up()
        return self._base.start.copy()

    def _worth(self) -> bool:
        return self._typical * (1 + ADOPTION * self._adopting) < WORTH

    def _share(self) -> float:
        """How much of a whole run the last one took."""
        start, stop = self.reused
        last = self._count if stop is None else stop
        return (last - (-1 if start is None else start)) / (self._count + 1)

    def _catch_up(self) -> None:
        if self._ahead is not None:
            self._run(*self._ahead, ADOPT)
            self._ahead = None

    def _run(self, ops: np.ndarray, devices: np.ndarray, purpose: int) -> Result:
        every = 1 if purpose == TRY else 1 + int(self._share() * self._count) // KEPT
        start, stop, result = self._call(ops, devices, purpose, every)
        if start == UNMOVED:
            return self._known
        if result is None:
            return self._record()
        self.reused = (start if start >= 0 else None, stop if stop >= 0 else None)
        if purpose != TRY:
            self._known = result
        return result

    def _record(self) -> Result:
        """Run what is tried from the beginning to the end and make it the base."""
        self.reused = (None, None)
        result = self._call(_NO_OPS, _NO_OPS, RECORD, 1)[2]
        while result is None:
            self._capacity *= 4
            self._make_room()
            result = self._call(_NO_OPS, _NO_OPS, RECORD, 1)[2]
        self._known = result
        return result

    def _make_room(self) -> None:
        self._points = make_checkpoints(
            self._engine.tables, self._work, self._count, self._capacity
        )
        tables, parts = self._engine.tables, (self._wiring, self._base, self._points)
        self._bound = [bind((tables, work, *parts)) for work in (self._quiet, self._work)]

    def _call(
        self, ops: np.ndarray, devices: np.ndarray, purpose: int, every: int
    ) -> tuple[int, int, Result | None]:
        busy = np.empty(self.problem.num_devices, dtype=np.int64)
        peak = np.empty_like(busy)
        start, stop = rerun(
            self._bound[purpose != TRY], self._engine.contention, self._level, ops, devices,
            purpose, every, busy, peak, self._told,
        )  # fmt: skip
        if start in (UNMOVED, NO_ROOM):
            return start, stop, None
        step, moved, *fault = self._told.tolist()
        return start, stop, Result(step, violation_of(self.problem, *fault), busy, peak, moved)


class DeltaSimulator(Mover):
    """A decision and its result, for moves of few ops at a time.

    Every result equals :func:`go_gym.simulate` of the changed decision in every field. Priorities
    stay as the decision gives them: those that follow a rule are not derived anew after a move.
    What a few moved ops do not explain is simulated in full: other priorities than before,
    traces, and decisions with fusion levels, since a move may change what can be fused.

    Arguments, attributes and errors are those of :class:`Mover`, which simulates each move whole.
    """

    def __init__(self, problem: Problem, decision: Decision) -> None:
        self._recording: Recording | None = None
        self._tries = 0  # without a recording of the decision's priorities
        super().__init__(problem, decision, partial(simulate, problem))

    def _first(self) -> Result:
        if self.decision.fusion is not None:
            return super()._first()
        self._recording = Recording(self.problem, self.decision)
        return self._recording.result()

    def __getstate__(self) -> dict[str, Any]:
        """Without the recording, which knows where its arrays lie: a copy makes its own."""
        return {**self.__dict__, "_recording": None, "_tries": PATIENCE}

    @property
    def reused(self) -> tuple[int | None, int | None]:
        """Numbers of the checkpoints that the last run went on from and stopped at, None where
        there was none to use."""
        return self._recording.reused if self._recording else (None, None)

    def try_move(
        self, ops: Ops, devices: Devices, priority: Priority = None, trace: bool = False
    ) -> Result:
        """See :meth:`Mover.try_move`."""
        recording = self._ready()
        if recording is None or priority is not None or trace or not recording.useful():
            moved = self._moved(*self._columns(ops, devices), priority)
            return super().try_decision(moved, trace)
        columns = self._columns(ops, devices)
        result = recording.tried(*columns)
        self._last = columns, result
        return result

    def try_decision(self, decision: Decision, trace: bool = False) -> Result:
        """See :meth:`Mover.try_decision`."""
        recording = self._ready()
        known = recording is not None and not trace and _alike(self.decision, decision)
        if recording is None or not known or not recording.useful():
            return super().try_decision(decision, trace)
        check_decision(self.problem, decision)
        result = recording.tried(*self._difference(recording, decision))
        self._last = decision, result
        return result

    def adopt(self) -> Decision:
        """See :meth:`Mover.adopt`."""
        before, decision = self.decision, super().adopt()
        recording = self._recording
        if recording is not None and _alike(before, decision):
            recording.adopt(*self._difference(recording, decision))
        elif recording is not None:
            self._recording, self._tries = None, 0
        return decision

    def move(self, ops: Ops, devices: Devices) -> Result:
        """See :meth:`Mover.move`."""
        recording = self._ready()
        if recording is None:
            return super().move(ops, devices)
        columns = self._columns(ops, devices)
        self.result = recording.move(*columns)
        self.decision, self._last = self._moved(*columns), None
        return self.result

    def starts(self) -> np.ndarray:
        """See :meth:`Mover.starts`."""
        recording = self._ready()
        return super().starts() if recording is None else recording.starts()

    def _ready(self) -> Recording | None:
        """The recording of the decision at hand, made once enough tries follow new priorities."""
        if self._recording is None and self.decision.fusion is None:
            self._tries += 1
            if self._tries > PATIENCE:
                self._recording = Recording(self.problem, self.decision)
        return self._recording

    def _difference(
        self, recording: Recording, decision: Decision
    ) -> tuple[np.ndarray, np.ndarray]:
        placement = np.asarray(decision.placement)
        ops = np.flatnonzero(placement != recording.placement)
        return ops, placement[ops]


def _alike(one: Decision, other: Decision) -> bool:
    """Do both order their ops by the same priorities, and fuse nothing?"""
    a, b = one.priority, other.priority
    same = a is b or (a is not None and b is not None and np.array_equal(a, b))
    return same and one.fusion is None and other.fusion is None
