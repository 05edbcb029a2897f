"""Delta simulation: what changes when few ops move, without simulating everything again."""

from functools import partial
from typing import Any

import numpy as np

from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.delta.recording import SAVED_OF_MOVE, Recording
from go_gym.simulator.local_search import Devices, FullSimulator, Ops, Priority
from go_gym.simulator.result import Result
from go_gym.simulator.simulate import simulate

PATIENCE = 3
"""Tries with priorities that nothing is recorded for until that is done, which takes as long as
two or three simulations (our choice)."""
WORTH = 0.95
"""Where tries, and adoptions of what was tried, typically take more of a run a try than that, tries
are simulated in full (our choice),"""
PROBE = 50
"""but for one in so many, which tells whether that is still so."""
ADOPTION = 1.3
"""What an adoption takes, as a multiple of its try (about, as measured)."""
RECENT = 0.1
"""Weight of the last try in what is typical of them (our choice)."""


class Payoff:
    """Are tries faster by delta simulation? From the share of a whole run that they took lately."""

    def __init__(self) -> None:
        self._tries, self._in_full = 0, 0
        self._share, self._adopting = 0.0, 0.0  # typical share, and how many are adopted
        self._adopted = False  # was the last?

    def pays(self) -> bool:
        """Are they, adoptions included?"""
        return self._share * (1 + ADOPTION * self._adopting) < WORTH

    def next_try(self) -> bool:
        """Is the next try to be made by delta simulation?"""
        weight = max(RECENT, 1 / (1 + self._tries))
        self._adopting += weight * (self._adopted - self._adopting)
        self._adopted = False
        self._in_full += not self.pays()
        return self.pays() or self._in_full % PROBE == 0

    def tried(self, share: float) -> None:
        """It has taken that share of a whole run."""
        self._tries += 1
        self._share += max(RECENT, 1 / self._tries) * (share - self._share)

    def adopted(self) -> None:
        """It is the decision now."""
        self._adopted = True


class DeltaSimulator(FullSimulator):
    """A decision and its result, for moves of few ops at a time.

    Every result equals :func:`go_gym.simulate` of the changed decision in every field. Priorities
    stay as the decision gives them: those that follow a rule are not derived anew after a move.
    What a few moved ops do not explain is simulated in full: other priorities than before,
    traces, decisions in a strict order, and those with fusion levels, since a move may change
    what can be fused.

    The decision at hand may be ahead of the recorded run by moves that were adopted, while tries
    would take nearly whole runs anyway and are simulated in full.

    Arguments, attributes and errors are those of :class:`FullSimulator`, with :func:`simulate`.
    """

    def __init__(self, problem: Problem, decision: Decision) -> None:
        self._recording: Recording | None = None
        self._spare: Recording | None = None  # one of other priorities
        self._ahead: tuple[np.ndarray, np.ndarray] | None = None  # ops, devices
        self._tries = 0  # without a recording of the decision's priorities
        super().__init__(problem, decision, partial(simulate, problem))

    def _first(self) -> Result:
        if not _recordable(self.decision):
            return super()._first()
        return self._record().result

    def __getstate__(self) -> dict[str, Any]:
        """Without the recording, which is large: a copy makes its own."""
        forgotten = dict.fromkeys(("_recording", "_spare", "_ahead"))
        return {**self.__dict__, **forgotten, "_tries": PATIENCE}

    @property
    def reused(self) -> tuple[int | None, int | None]:
        """The checkpoints from which the last run resumed and at which it rejoined the recorded
        one, None where it did not."""
        return self._recording.reused if self._recording else (None, None)

    def try_move(
        self,
        ops: Ops,
        devices: Devices,
        priority: Priority = None,
        trace: bool = False,
        *,
        limit_ns: int | None = None,
    ) -> Result:
        """See :meth:`FullSimulator.try_move`."""
        recording = None
        if priority is None and not trace:
            recording = self._for_try()
        if recording is None:
            moved = self._moved(*self._columns(ops, devices), priority)
            return super().try_decision(moved, trace, limit_ns=limit_ns)
        columns = self._columns(ops, devices)
        result = self._attempt(recording, *columns, limit_ns)
        self._last = columns, result
        return result

    def try_decision(
        self, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
    ) -> Result:
        """See :meth:`FullSimulator.try_decision`."""
        recording = None
        if not trace and _alike(self.decision, decision):
            recording = self._for_try()
        if recording is None:
            return super().try_decision(decision, trace, limit_ns=limit_ns)
        check_decision(self.problem, decision)
        result = self._attempt(recording, *recording.difference(decision), limit_ns)
        self._last = decision, result
        return result

    def adopt(self) -> Decision:
        """See :meth:`FullSimulator.adopt`."""
        before, decision = self.decision, super().adopt()
        recording = self._recording
        if recording is not None and _alike(before, decision):
            self._payoff.adopted()
            self._ahead = recording.difference(decision)
            if self._payoff.pays():
                self._catch_up(recording)
        elif recording is not None:
            self._spare, self._recording, self._ahead, self._tries = recording, None, None, 0
        return decision

    def move(self, ops: Ops, devices: Devices) -> Result:
        """See :meth:`FullSimulator.move`."""
        recording = self._ready()
        if recording is None:
            return super().move(ops, devices)
        columns = self._columns(ops, devices)
        self._catch_up(recording)
        self.result = recording.adopt(*columns, SAVED_OF_MOVE)
        self.decision, self._last = self._moved(*columns), None
        return self.result

    def starts(self) -> np.ndarray:
        """See :meth:`FullSimulator.starts`."""
        recording = self._ready()
        if recording is None:
            return super().starts()
        self._catch_up(recording)
        return recording.starts()

    def _record(self) -> Recording:
        recording, ranked = self._spare, self.decision.priority is not None
        if recording is not None and recording.ranked == ranked:
            recording.record(self.decision)
        else:
            recording = Recording(self.problem, self.decision)
        self._payoff, self._recording = Payoff(), recording
        self._spare = self._ahead = None
        return recording

    def _ready(self) -> Recording | None:
        """The recording, made once enough tries follow new priorities."""
        if self._recording is None and _recordable(self.decision):
            self._tries += 1
            if self._tries > PATIENCE:
                return self._record()
        return self._recording

    def _for_try(self) -> Recording | None:
        """The recording of the decision at hand, if the next try is to be made from it."""
        recording = self._ready()
        if recording is None or not self._payoff.next_try():
            return None
        self._catch_up(recording)
        return recording

    def _catch_up(self, recording: Recording) -> None:
        if self._ahead is not None:
            recording.adopt(*self._ahead)
            self._ahead = None

    def _run_within(self, decision: Decision, trace: bool, limit_ns: int | None) -> Result:
        return simulate(self.problem, decision, trace, limit_ns=limit_ns)

    def _attempt(
        self, recording: Recording, ops: np.ndarray, devices: np.ndarray, limit_ns: int | None
    ) -> Result:
        result = recording.attempt(ops, devices, limit_ns)
        if result is not recording.result:
            self._payoff.tried(recording.share())
        return result


def _alike(one: Decision, other: Decision) -> bool:
    """Do both order their ops by the same priorities, and fuse nothing?"""
    a, b = one.priority, other.priority
    same = a is b or (a is not None and b is not None and np.array_equal(a, b))
    return same and _recordable(one) and _recordable(other)


def _recordable(decision: Decision) -> bool:
    """Are runs of it simulated from a recorded one? Not those of kernels, nor in a strict order."""
    return decision.fusion is None and decision.order is None
