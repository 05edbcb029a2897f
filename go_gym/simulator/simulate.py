"""The front door of the simulator: one decision, or many at once."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import groupby
from weakref import WeakKeyDictionary

import numpy as np

from go_gym.errors import DecisionError
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.engine import run_many
from go_gym.simulator.fused import simulate_kernels
from go_gym.simulator.order import find_stuck, positions
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
    keep_order,
    last_moment,
    make_outcome,
    make_work,
    read_outcome,
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
        decision: placement, priorities or a strict order unless FIFO, and fusion levels unless
            nothing is fused.
        trace: keep when every op and transfer starts and finishes.
        limit_ns: stop as soon as the step is known to take longer: an op's start and the longest
            path from there, or the work left on its device, exceed it. The Result then is
            ``over_limit``.

    Returns:
        The Result; running out of memory, a broken co-location and an order that can never
        proceed make it invalid.

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """
    check_decision(problem, decision)
    if decision.fusion is not None:
        return simulate_kernels(problem, decision, trace, partial(simulate, limit_ns=limit_ns))
    limits = _limits(limit_ns, 1)
    engine, ranked = find_engine(problem), _ranked(decision)
    outcome = make_outcome(1, problem.num_devices)
    if not trace:
        with engine.work(ranked) as work:
            _run(engine, work, [decision], ranked, limits, outcome)
        return _results(problem, engine, [decision], outcome, limits)[0]
    work = make_work(engine.tables, engine.contention, ranked, trace=True)
    _run(engine, work, [decision], ranked, limits, outcome)
    result = _results(problem, engine, [decision], outcome, limits)[0]
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
    ranked = any(_ranked(decision) for decision in decisions)
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
                fused.get(i)
                or _results(
                    problem, engine, decisions[i : i + 1], outcome[i : i + 1], limits[i : i + 1]
                )[0]
                for i in range(count)
            ]
        )
    return _results(problem, engine, decisions, outcome, limits)


def _ranked(decision: Decision) -> bool:
    """Do the ready queues go by more than first come, first served?"""
    given = (getattr(decision, label, None) for label in ("priority", "order"))
    return any(column is not None for column in given)


def _limits(limit_ns: int | Sequence[int] | None, count: int) -> np.ndarray:
    """(count,) int64: the limit of each decision, the last moment for none."""
    given = LAST_MOMENT if limit_ns is None else limit_ns
    limits = np.asarray(given)
    if limits.dtype.kind not in "iu" or limits.shape not in ((), (count,)):
        raise DecisionError(f"limit_ns: {limit_ns!r}, expected whole ns, one or {count} of them")
    column = np.broadcast_to(limits, count).astype(np.int64)
    column.setflags(write=False)  # one type, and so one compilation, however they came
    return column


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
        """Working memory for one thread; new memory has to be touched first."""
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
    process has to be touched first, and lets threads wait for each other."""
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
    """Simulate ``decisions``, by their priorities or orders if ``ranked``; a row of ``outcome``
    for each."""
    if ranked:
        begin = 0
        for strict, alike in groupby(decisions, key=lambda decision: decision.order is not None):
            rows = list(alike)
            part = slice(begin, begin + len(rows))
            begin += len(rows)
            keep_order(work, strict)
            placements = _rows([decision.placement for decision in rows])
            levels = _rows([_levels(engine.tables, decision) for decision in rows])
            run_many(
                engine.tables, work, engine.contention, placements, levels, limits[part],
                outcome[part],
            )  # fmt: skip
        return
    placements = _rows([decision.placement for decision in decisions])
    run_many(engine.tables, work, engine.contention, placements, None, limits, outcome)


def _levels(tables: Tables, decision: Decision) -> np.ndarray | Sequence[int]:
    """(n,) int64: what the heaps of ready ops go by."""
    if decision.order is not None:
        return positions(tables, decision)
    if decision.priority is not None:
        return decision.priority
    return np.zeros(len(decision.placement), dtype=np.int64)


def _results(
    problem: Problem,
    engine: Engine,
    decisions: Sequence[Decision],
    outcome: np.ndarray,
    limits: np.ndarray,
) -> BatchResult:
    """What each row of ``outcome`` says, of runs of ``decisions`` under ``limits``."""
    step, busy, peak, moved, faults = read_outcome(engine.tables, outcome)
    over = step > limits
    step[over] = limits[over] + 1
    faults[over, :2] = -1  # memory is not known to the end
    violations = tuple(violation_of(problem, *row) for row in faults.tolist())
    ordered = [i for i, decision in enumerate(decisions) if decision.order is not None]
    stuck = [i for i in ordered if not over[i] and _stopped(engine.tables, decisions[i], busy[i])]
    if stuck:
        step[stuck] = last_moment(engine.tables, outcome)[stuck]
        found = {i: find_stuck(problem, decisions[i]) for i in stuck}
        violations = tuple(
            first if isinstance(first, ColocationBroken) else found.get(i, first)
            for i, first in enumerate(violations)
        )
    valid = np.array([violation is None for violation in violations], dtype=bool)
    return BatchResult(step, valid, violations, busy, peak, moved, over)


def _stopped(tables: Tables, decision: Decision, busy: np.ndarray) -> bool:
    """Was some op never started? Then devices were ``busy`` (d,) less ns than their ops take."""
    rows = tables.device_class[np.asarray(decision.placement)]
    return bool(tables.durations[rows, np.arange(len(rows))].sum() != busy.sum())


def violation_of(problem: Problem, time: int, device: int, misplaced: int) -> Violation | None:
    """What an engine's numbers say was violated: an op off its group, else memory; None if
    nothing."""
    if misplaced >= 0:
        leader = int(problem.colocation_leader[misplaced])
        return ColocationBroken(misplaced, problem.graph.op_names[misplaced], leader)
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
