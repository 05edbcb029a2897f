"""The front door of the simulator: one decision, or many at once."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from weakref import WeakKeyDictionary

import numpy as np

from go_gym.errors import DecisionError
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.engine import run_many
from go_gym.simulator.fused import simulate_kernels
from go_gym.simulator.result import (
    BatchResult,
    ColocationBroken,
    OutOfMemory,
    Result,
    Trace,
    Violation,
)
from go_gym.simulator.tables import Tables, build_tables, contention_code
from go_gym.simulator.work import (
    LAST_MOMENT,
    Work,
    expand_times,
    make_outcome,
    make_work,
    told,
)

SHARE_OPS = 1 << 16
"""Ops of the decisions that a thread takes at once, at most, so that their rows stay in its cache;
of larger graphs it is one decision (our choice)."""


def simulate(
    problem: Problem, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
) -> Result:
    """Simulate one training step of ``problem`` under ``decision``.

    Args:
        problem: graph and cluster.
        decision: placement, priorities unless FIFO, and fusion levels unless nothing is fused.
        trace: keep when every op and transfer starts and finishes.
        limit_ns: stop as soon as the step is known to take longer: an op's start and the longest
            path from there, or the work left on its device, exceed it. The Result then is
            ``over_limit``.

    Returns:
        The Result; running out of memory and a broken co-location make it invalid.

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """
    check_decision(problem, decision)
    if decision.fusion is not None:
        return simulate_kernels(problem, decision, trace, partial(simulate, limit_ns=limit_ns))
    limits = _limits(limit_ns, 1)
    engine, ranked = find_engine(problem), decision.priority is not None
    outcome = make_outcome(1, problem.num_devices)
    if not trace:
        with engine.work(ranked) as work:
            _run(engine, work, [decision], ranked, limits, outcome)
        return _told(problem, engine, outcome, limits)[0]
    work = make_work(engine.tables, engine.contention, ranked, trace=True)
    _run(engine, work, [decision], ranked, limits, outcome)
    result = _told(problem, engine, outcome, limits)[0]
    return result if result.over_limit else replace(result, trace=_trace(engine.tables, work))


def simulate_batch(
    problem: Problem,
    decisions: Sequence[Decision],
    threads: int | None = None,
    *,
    limit_ns: int | Sequence[int] | None = None,
) -> BatchResult:
    """Simulate many decisions, over all cores and without the GIL.

    Args:
        problem: graph and cluster.
        decisions: b decisions.
        threads: how many to use; default one for each core that this process may use.
        limit_ns: see :func:`simulate`; one for all, or one for each.

    Returns:
        The BatchResult, in the order of the decisions, equal to :func:`simulate` on each.

    Raises:
        DecisionError: naming the decision and the op.
    """
    if not isinstance(decisions, Sequence):
        raise DecisionError(f"decisions: {type(decisions).__name__}, expected a list of Decision")
    count = len(decisions)
    limits = _limits(limit_ns, count)
    workers = max(1, min(threads or _cores(), count))
    engine = find_engine(problem)
    ranked = any(getattr(decision, "priority", None) is not None for decision in decisions)
    outcome = make_outcome(count, problem.num_devices)
    shares = deque(_shares(count, max(1, SHARE_OPS // problem.num_ops), workers))
    fused: dict[int, Result] = {}
    faults: dict[int, DecisionError] = {}

    def work() -> None:
        """Take shares from the left, so that those before a faulty one are seen to as well."""
        with engine.work(ranked) as memory:
            while shares:
                try:
                    share = shares.popleft()
                except IndexError:
                    return
                try:
                    rows = _checked(problem, decisions, share)
                    if any(decision.fusion is not None for decision in rows):
                        fused.update(
                            (i, simulate(problem, row, limit_ns=int(limits[i])))
                            for i, row in zip(share, rows, strict=True)
                        )
                    else:
                        part = slice(share.start, share.stop)
                        _run(engine, memory, rows, ranked, limits[part], outcome[part])
                except DecisionError as error:
                    faults[share.start] = error
                    shares.clear()

    helpers = [_pool(workers).submit(work) for _ in range(workers - 1)]
    try:
        work()
    finally:
        shares.clear()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    if faults:
        raise faults[min(faults)]
    if fused:
        return BatchResult.of(
            [
                fused.get(i) or _told(problem, engine, outcome[i : i + 1], limits[i : i + 1])[0]
                for i in range(count)
            ]
        )
    return _told(problem, engine, outcome, limits)


def _limits(limit_ns: int | Sequence[int] | None, count: int) -> np.ndarray:
    """(count,) int64: the limit of each decision, the last moment for none."""
    given = LAST_MOMENT if limit_ns is None else limit_ns
    limits = np.asarray(given)
    if limits.dtype.kind not in "iu" or limits.shape not in ((), (count,)):
        raise DecisionError(f"limit_ns: {limit_ns!r}, expected whole ns, one or {count} of them")
    return np.ascontiguousarray(np.broadcast_to(limits, count), dtype=np.int64)


def _shares(count: int, most: int, workers: int) -> Iterator[range]:
    """Stretches of a batch, of up to ``most`` decisions: ever shorter ones towards the end, so that
    the threads are done with theirs together, and few in all, since what is done between them takes
    turns (guided self-scheduling: Polychronopoulos and Kuck 1987)."""
    start = 0
    while start < count:
        size = min(most, -(-(count - start) // (2 * workers)))
        yield range(start, start + size)
        start += size


def _checked(problem: Problem, decisions: Sequence[Decision], share: range) -> list[Decision]:
    """The decisions of a share; DecisionError, naming the first faulty one, unless all fit."""
    for index in share:
        try:
            check_decision(problem, decisions[index])
        except DecisionError as error:
            raise DecisionError(f"decision {index}: {error}") from None
    return [decisions[index] for index in share]


def _cores() -> int:
    """Cores that this process may use: where several run side by side, each has its own."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="go-gym-simulate")


@dataclass(frozen=True, eq=False)
class Engine:
    """What simulations of one problem share: its tables, and working memory to be used again."""

    tables: Tables
    contention: int
    spare: tuple[list[Work], list[Work]] = field(default_factory=lambda: ([], []))

    @contextmanager
    def work(self, priorities: bool) -> Iterator[Work]:
        """Working memory for one thread; new memory costs as much as a tenth of a simulation."""
        spare = self.spare[priorities]
        try:
            work = spare.pop()
        except IndexError:
            work = make_work(self.tables, self.contention, priorities, trace=False)
        yield work
        spare.append(work)


_engines: WeakKeyDictionary[Problem, Engine] = WeakKeyDictionary()


def find_engine(problem: Problem) -> Engine:
    """The Engine of ``problem``, made once; kept beside it, so that copies of it stay small."""
    engine = _engines.get(problem)
    if engine is None:
        engine = _engines[problem] = Engine(build_tables(problem), contention_code(problem))
    return engine


def _rows(columns: Sequence[np.ndarray | Sequence[int]]) -> np.ndarray:
    """Columns stacked as rows, without a copy where there is one only: memory that is new to the
    process costs as much as a tenth of a simulation, and lets threads wait for each other."""
    rows = np.ascontiguousarray(columns[0])[None] if len(columns) == 1 else np.stack(columns)
    rows.setflags(write=False)  # one type, and so one compilation, however they came
    return rows


def _run(
    engine: Engine,
    work: Work,
    decisions: Sequence[Decision],
    ranked: bool,
    limits: np.ndarray,
    outcome: np.ndarray,
) -> None:
    """Simulate ``decisions``, by their priorities if ``ranked``; a row of ``outcome`` for each."""
    placements, levels = _rows([decision.placement for decision in decisions]), None
    if ranked:
        none = np.zeros(placements.shape[1], dtype=np.int64)
        levels = _rows([none if d.priority is None else d.priority for d in decisions])
    run_many(engine.tables, work, engine.contention, placements, levels, limits, outcome)


def _told(problem: Problem, engine: Engine, outcome: np.ndarray, limits: np.ndarray) -> BatchResult:
    """What each row of ``outcome`` says, of runs under ``limits``."""
    step, busy, peak, moved, faults = told(engine.tables, outcome)
    over = step > limits
    step[over] = limits[over] + 1
    faults[over, :2] = -1  # memory is not known to the end
    violations = tuple(violation_of(problem, *row) for row in faults.tolist())
    valid = np.array([violation is None for violation in violations], dtype=bool)
    return BatchResult(step, valid, violations, busy, peak, moved, over)


def violation_of(problem: Problem, time: int, device: int, stray: int) -> Violation | None:
    """What an engine's numbers say was violated: an op off its group, else memory; None if
    nothing."""
    if stray >= 0:
        leader = int(problem.colocation_leader[stray])
        return ColocationBroken(stray, problem.graph.op_names[stray], leader)
    if time >= 0:
        return OutOfMemory(device, problem.cluster.devices[device].name, time)
    return None


def _trace(tables: Tables, work: Work) -> Trace:
    expand_times(tables, work)
    made = work.transfers[: int(work.state["sent"][0])]
    made = made[np.lexsort((made["to"], made["tensor"], made["start"]))]
    return Trace(
        op_start=work.op_times[0],
        op_finish=work.op_times[1],
        transfer_tensor=made["tensor"].astype(np.int64),
        transfer_source=made["source"].astype(np.int64),
        transfer_destination=made["to"].astype(np.int64),
        transfer_start=made["start"].copy(),
        transfer_finish=made["finish"].copy(),
    )
