"""The front door of the simulator: one decision, or many at once."""

import os
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
from go_gym.simulator.work import Work, make_work

PARTS = 4
"""Shares of a batch for each thread, so that none waits long for the slowest."""


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
    placement = np.asarray(decision.placement)[None]
    priorities = _levels(problem, [decision])
    if not trace:
        return _run(problem, engine, placement, priorities)[0]
    work = make_work(engine.tables, engine.contention, len(priorities) > 0, trace=True)
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
    for index, decision in enumerate(decisions):
        try:
            check_decision(problem, decision)
        except DecisionError as error:
            raise DecisionError(f"decision {index}: {error}") from None
    if not decisions:
        return _joined(problem, [])
    workers = max(1, min(threads or _cores(), len(decisions)))
    if any(decision.fusion is not None for decision in decisions):
        each = _pool(workers).map(lambda decision: simulate(problem, decision), decisions)
        return BatchResult.of(list(each))
    engine = find_engine(problem)
    parts = 1 if workers == 1 else min(PARTS * workers, len(decisions))
    bounds = np.linspace(0, len(decisions), parts + 1).astype(int)

    def run(part: int) -> BatchResult:
        chosen = decisions[bounds[part] : bounds[part + 1]]
        placements = np.stack([np.asarray(decision.placement) for decision in chosen])
        return _run(problem, engine, placements, _levels(problem, chosen))

    if workers == 1:
        return run(0)
    return _joined(problem, list(_pool(workers).map(run, range(parts))))


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


def _levels(problem: Problem, decisions: Sequence[Decision]) -> np.ndarray:
    """(b, n) int64 priorities, or (0, n) if all decisions are FIFO."""
    if all(decision.priority is None for decision in decisions):
        return np.empty((0, problem.num_ops), dtype=np.int64)
    none = np.zeros(problem.num_ops, dtype=np.int64)
    return np.stack([none if d.priority is None else d.priority for d in decisions])


def _run(
    problem: Problem,
    engine: Engine,
    placements: np.ndarray,
    priorities: np.ndarray,
    work: Work | None = None,
) -> BatchResult:
    for given in (placements, priorities):
        given.setflags(write=False)  # one type, and so one compilation, however they came
    count, devices = len(placements), problem.num_devices
    step = np.empty(count, dtype=np.int64)
    busy, peak = np.empty((count, devices), np.int64), np.empty((count, devices), np.int64)
    figures = np.empty((count, 4), dtype=np.int64)
    with nullcontext(work) if work else engine.work(len(priorities) > 0) as memory:
        run_many(
            engine.tables, memory, engine.contention, placements, priorities, step, busy, peak,
            figures,
        )  # fmt: skip
    violations = tuple(violation_of(problem, *row) for row in figures[:, 1:].tolist())
    valid = np.array([violation is None for violation in violations])
    return BatchResult(step, valid, violations, busy, peak, figures[:, 0])


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
