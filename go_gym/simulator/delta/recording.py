"""The recorded run of a decision, its checkpoints, and the runs of moves that start from it."""

from dataclasses import replace

import numpy as np

from go_gym.problem import Decision, Problem
from go_gym.simulator.delta.arrays import OUTCOME, make_arrays, make_index
from go_gym.simulator.delta.checkpoints import make_checkpoints
from go_gym.simulator.delta.rerun import ADOPT, RECORD, TRY, UNMOVED, bind, rerun
from go_gym.simulator.result import ColocationBroken, Result
from go_gym.simulator.simulate import find_engine, violation_of
from go_gym.simulator.work import LAST_MOMENT, make_work

CHECKPOINTS = 64
"""At most so many (our choice); a run resumes from and rejoins at the nearest."""
MAX_BYTES = 2**27
"""Memory for the checkpoints of one decision, about; larger graphs get fewer of them."""
SAVED, SAVED_OF_MOVE = 24, 6
"""About so many of the checkpoints that an adopted move passes are saved: more where moves are
tried, since each try gains by them, than where every move is adopted (our choice)."""


class Recording:
    """A run of ``decision``, to begin with, that moves are simulated as changes of.

    Args:
        problem: graph and cluster.
        decision: placement, and priorities unless FIFO; without fusion.

    Attributes:
        ranked: are there priorities?
        placement: (n,) int64, read-only to others: the recorded run's.
        result: likewise.
        reused: the checkpoints from which the last run resumed, and at which it rejoined the
            recorded one, None where it did not.
    """

    def __init__(self, problem: Problem, decision: Decision) -> None:
        self.problem = problem
        self.ranked = decision.priority is not None
        engine = find_engine(problem)
        self._contention = engine.contention
        work = make_work(engine.tables, engine.contention, self.ranked, trace=False, times=True)
        untimed = work._replace(op_times=work.op_times[:, :0].copy())
        size = 4 * problem.num_ops + 12 * problem.graph.num_tensors
        size += 72 * len(work.port) + 96 * problem.num_devices
        self._count = min(CHECKPOINTS, max(1, MAX_BYTES // size))
        arrays = make_arrays(problem, engine.tables, np.asarray(decision.placement), self._count)
        self._run = arrays[0]
        self.placement = self._run.placement
        self._outcome = np.zeros(1, dtype=OUTCOME)
        points = make_checkpoints(work, self._count)
        self._parts = bind(
            engine.tables, work, untimed, make_index(problem, engine.tables), *arrays, points
        )
        self.record(decision)

    def record(self, decision: Decision) -> None:
        """Record another decision instead, in the same memory, if that is ranked as well or not."""
        self._level = np.array(decision.priority)[None] if self.ranked else None
        self.result = self._simulate(*self.difference(decision), RECORD)

    def difference(self, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
        """Ops that a decision has elsewhere than the recorded run, and where: both (k,) int64."""
        placement = np.asarray(decision.placement)
        ops = np.flatnonzero(placement != self.placement)
        return ops, placement[ops]

    def attempt(self, ops: np.ndarray, devices: np.ndarray, limit_ns: int | None = None) -> Result:
        """The result with ``ops`` (k,) int64 on ``devices``, (k,) or (1,) for all."""
        return self._simulate(
            ops, devices, TRY, limit=LAST_MOMENT if limit_ns is None else limit_ns
        )

    def adopt(self, ops: np.ndarray, devices: np.ndarray, saved: int = SAVED) -> Result:
        """As :meth:`attempt`; the run is the recorded one from now on, with about ``saved`` new
        checkpoints."""
        save_every = 1 + int(self.share() * self._count) // saved
        self.result = self._simulate(ops, devices, ADOPT, save_every)
        return self.result

    def starts(self) -> np.ndarray:
        """(n,) int64 ns: when each op starts in the recorded run."""
        return self._run.start.copy()

    def share(self) -> float:
        """How much of a whole run the last one took."""
        resumed, rejoined = self.reused
        last = self._count if rejoined is None else rejoined
        return (last - (-1 if resumed is None else resumed)) / (self._count + 1)

    def _simulate(
        self,
        ops: np.ndarray,
        devices: np.ndarray,
        purpose: int,
        save_every: int = 1,
        limit: int = LAST_MOMENT,
    ) -> Result:
        busy = np.empty(self.problem.num_devices, dtype=np.int64)
        peak = np.empty_like(busy)
        resumed, rejoined = rerun(
            self._parts, self._contention, self._level, ops, devices, purpose, save_every, limit,
            busy, peak, self._outcome,
        )  # fmt: skip
        if resumed == UNMOVED:
            return self.result if self.result.step_time_ns <= limit else _over(self.result, limit)
        self.reused = (resumed if resumed >= 0 else None, rejoined if rejoined >= 0 else None)
        step, moved, *fault = self._outcome[0].item()
        result = Result(step, violation_of(self.problem, *fault), busy, peak, moved)
        return result if step <= limit else _over(result, limit)


def _over(result: Result, limit: int) -> Result:
    """The result of a try that takes longer than its limit."""
    apart = result.violation if isinstance(result.violation, ColocationBroken) else None
    return replace(result, step_time_ns=limit + 1, violation=apart, over_limit=True)
