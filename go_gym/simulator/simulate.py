"""The front door of the simulator: one decision, or many at once."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
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
from go_gym.simulator.work import Work, make_outcome, make_work, told

SHARES = 8
"""Shares of a batch for each thread, which takes the next when it is done with one."""


def simulate(problem: Problem, decision: Decision, trace: bool = False) -> Result:
    """Simulate one training step of ``problem`` under ``decision``.

    Args:
        problem: graph and cluster.
        decision: placement, priorities unless FIFO, and fusion levels unless nothing is fused.
        trace: keep when every op and transfer starts and finishes.

    Returns:
        The Result; running out of memory and a broken co-location make it invalid.

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """
    check_decision(problem, decision)
    if decision.fusion is not None:
        return simulate_kernels(problem, decision, trace, simulate)
    engine = find_engine(problem)
    placement, priorities = _rows([decision.placement]), _levels([decision])
    if not trace:
        return _run(problem, engine, placement, priorities)[0]
    work = make_work(engine.tables, engine.contention, priorities is not None, trace=True)
    result = _run(problem, engine, placement, priorities, work)[0]
    return Result(
        step_time_ns=result.step_time_ns,
        violation=result.violation,
        busy_ns=result.busy_ns,
        peak_memory=result.peak_memory,
        bytes_moved=result.bytes_moved,
        trace=_trace(work),
    )


def simulate_batch(
    problem: Problem, decisions: Sequence[Decision], threads: int | None = None
) -> BatchResult:
    """Simulate many decisions, over all cores and without the GIL.

    Args:
        problem: graph and cluster.
        decisions: b decisions.
        threads: how many to use; default one for each core that this process may use.

    Returns:
        The BatchResult, in the order of the decisions, equal to :func:`simulate` on each.

    Raises:
        DecisionError: naming the decision and the op.
    """
    if not decisions:
        return _joined(problem, [])
    workers = max(1, min(threads or _cores(), len(decisions)))
    engine = find_engine(problem)
    size = max(1, len(decisions) // (SHARES * workers))
    todo = deque(range(0, len(decisions), size))
    done: dict[int, BatchResult | DecisionError] = {}

    def work() -> None:
        """Take shares from the left, so that those before a faulty one are seen to as well."""
        while todo:
            try:
                start = todo.popleft()
            except IndexError:
                return
            try:
                done[start] = _share(problem, engine, decisions[start : start + size], start)
            except DecisionError as error:
                done[start] = error
                todo.clear()

    helpers = [_pool(workers).submit(work) for _ in range(workers - 1)]
    try:
        work()
    finally:
        todo.clear()
    for helper in helpers:
        helper.result()
    parts = []
    for _, part in sorted(done.items()):
        if isinstance(part, DecisionError):
            raise part
        parts.append(part)
    return _joined(problem, parts)


def _share(
    problem: Problem, engine: "Engine", decisions: Sequence[Decision], start: int
) -> BatchResult:
    """The results of the decisions from number ``start`` on."""
    for index, decision in enumerate(decisions, start):
        try:
            check_decision(problem, decision)
        except DecisionError as error:
            raise DecisionError(f"decision {index}: {error}") from None
    if any(decision.fusion is not None for decision in decisions):
        return BatchResult.of([simulate(problem, decision) for decision in decisions])
    return _run(problem, engine, _rows([d.placement for d in decisions]), _levels(decisions))


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


def _levels(decisions: Sequence[Decision]) -> np.ndarray | None:
    """(b, n) int64 priorities, None if all decisions are FIFO."""
    if all(decision.priority is None for decision in decisions):
        return None
    none = np.zeros(len(decisions[0].placement), dtype=np.int64)
    return _rows([none if d.priority is None else d.priority for d in decisions])


def _rows(columns: Sequence[np.ndarray | Sequence[int]]) -> np.ndarray:
    """Columns stacked as rows, without a copy where there is one only: memory that is new to the
    process costs as much as a tenth of a simulation, and lets threads wait for each other."""
    return np.ascontiguousarray(columns[0])[None] if len(columns) == 1 else np.stack(columns)


def _run(
    problem: Problem,
    engine: Engine,
    placements: np.ndarray,
    priorities: np.ndarray | None,
    work: Work | None = None,
) -> BatchResult:
    for given in (placements, priorities):
        if given is not None:
            given.setflags(write=False)  # one type, and so one compilation, however they came
    tables, outcome = engine.tables, make_outcome(len(placements), problem.num_devices)
    with nullcontext(work) if work else engine.work(priorities is not None) as memory:
        run_many(tables, memory, engine.contention, placements, priorities, outcome)
    step, busy, peak, moved, faults = told(tables, outcome)
    violations = tuple(violation_of(problem, *row) for row in faults.tolist())
    valid = np.array([violation is None for violation in violations])
    return BatchResult(step, valid, violations, busy, peak, moved)


def violation_of(problem: Problem, time: int, device: int, stray: int) -> Violation | None:
    if stray >= 0:
        leader = int(problem.colocation_leader[stray])
        return ColocationBroken(stray, problem.graph.op_names[stray], leader)
    if time >= 0:
        return OutOfMemory(device, problem.cluster.devices[device].name, time)
    return None


def _joined(problem: Problem, parts: list[BatchResult]) -> BatchResult:
    none = np.empty((0, problem.num_devices), dtype=np.int64)
    flat = np.empty(0, dtype=np.int64)
    return BatchResult(
        step_time_ns=np.concatenate([flat, *(part.step_time_ns for part in parts)]),
        valid=np.concatenate([flat, *(part.valid for part in parts)]).astype(bool),
        violations=tuple(violation for part in parts for violation in part.violations),
        busy_ns=np.concatenate([none, *(part.busy_ns for part in parts)]),
        peak_memory=np.concatenate([none, *(part.peak_memory for part in parts)]),
        bytes_moved=np.concatenate([flat, *(part.bytes_moved for part in parts)]),
    )


def _trace(work: Work) -> Trace:
    made = work.transfers[work.transfers["tensor"] >= 0]
    made = made[np.lexsort((made["to"], made["tensor"], made["start"]))]
    return Trace(
        op_start=work.op_times[0],
        op_finish=work.op_times[1],
        transfer_tensor=made["tensor"].copy(),
        transfer_source=made["source"].copy(),
        transfer_destination=made["to"].copy(),
        transfer_start=made["start"].copy(),
        transfer_finish=made["finish"].copy(),
    )
