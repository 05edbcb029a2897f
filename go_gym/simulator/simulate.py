"""The front door of the simulator: one decision, or many at once."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from go_gym.errors import DecisionError
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.engine import Work, make_work, run_many
from go_gym.simulator.result import (
    BatchResult,
    ColocationBroken,
    OutOfMemory,
    Result,
    Trace,
    Violation,
)
from go_gym.simulator.tables import Tables, build_tables, contention_code


def simulate(problem: Problem, decision: Decision, trace: bool = False) -> Result:
    """Simulate one training step of ``problem`` under ``decision``.

    Args:
        problem: graph and cluster.
        decision: placement, and priorities unless FIFO.
        trace: keep when every op and transfer starts and finishes.

    Returns:
        The Result; running out of memory and a broken co-location make it invalid.

    Raises:
        DecisionError: naming the op, if the decision has not the problem's shape and range.
    """
    check_decision(problem, decision)
    _refuse_fusion(decision)
    tables, contention = _tables(problem), contention_code(problem)
    priorities = _levels(problem, [decision])
    work = make_work(tables, contention, len(priorities) > 0, trace)
    batch = _run(problem, work, np.asarray(decision.placement)[None], priorities)
    result = batch[0]
    if not trace:
        return result
    return Result(
        step_time_ns=result.step_time_ns,
        violation=result.violation,
        busy_ns=result.busy_ns,
        peak_memory=result.peak_memory,
        bytes_moved=result.bytes_moved,
        trace=_trace(problem, tables, work),
    )


def simulate_batch(
    problem: Problem, decisions: Sequence[Decision], threads: int | None = None
) -> BatchResult:
    """Simulate many decisions, over all cores and without the GIL.

    Args:
        problem: graph and cluster.
        decisions: b decisions.
        threads: how many to use; default one a core.

    Returns:
        The BatchResult, in the order of the decisions, equal to :func:`simulate` on each.

    Raises:
        DecisionError: naming the decision and the op.
    """
    for index, decision in enumerate(decisions):
        try:
            check_decision(problem, decision)
            _refuse_fusion(decision)
        except DecisionError as error:
            raise DecisionError(f"decision {index}: {error}") from None
    if not decisions:
        return _joined(problem, [])
    tables, contention = _tables(problem), contention_code(problem)
    workers = max(1, min(threads or os.cpu_count() or 1, len(decisions)))
    bounds = np.linspace(0, len(decisions), workers + 1).astype(int)

    def part(worker: int) -> BatchResult:
        chosen = decisions[bounds[worker] : bounds[worker + 1]]
        priorities = _levels(problem, chosen)
        work = make_work(tables, contention, len(priorities) > 0, trace=False)
        return _run(problem, work, np.stack([d.placement for d in chosen]), priorities)

    if workers == 1:
        return part(0)
    return _joined(problem, list(_pool(workers).map(part, range(workers))))


def _refuse_fusion(decision: Decision) -> None:
    if decision.fusion is not None:
        raise DecisionError("fusion: simulating fused graphs is not built yet; expected None")


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="go-gym-simulate")


def _tables(problem: Problem) -> Tables:
    """The engine's tables, built once a problem and kept with it."""
    tables: Tables | None = problem.__dict__.get("_engine_tables")
    if tables is None:
        tables = problem.__dict__["_engine_tables"] = build_tables(problem)
    return tables


def _levels(problem: Problem, decisions: Sequence[Decision]) -> np.ndarray:
    """(b, n) int64 priorities, or (0, n) if all decisions are FIFO."""
    if all(decision.priority is None for decision in decisions):
        return np.empty((0, problem.num_ops), dtype=np.int64)
    none = np.zeros(problem.num_ops, dtype=np.int64)
    return np.stack([none if d.priority is None else d.priority for d in decisions])


def _run(
    problem: Problem, work: Work, placements: np.ndarray, priorities: np.ndarray
) -> BatchResult:
    count, devices = len(placements), problem.num_devices
    step = np.empty(count, dtype=np.int64)
    busy, peak = np.empty((count, devices), np.int64), np.empty((count, devices), np.int64)
    figures = np.empty((count, 4), dtype=np.int64)
    contention = contention_code(problem)
    run_many(_tables(problem), work, contention, placements, priorities, step, busy, peak, figures)
    violations = tuple(_violation(problem, *row) for row in figures[:, 1:].tolist())
    valid = np.array([violation is None for violation in violations])
    return BatchResult(step, valid, violations, busy, peak, figures[:, 0])


def _violation(problem: Problem, time: int, device: int, stray: int) -> Violation | None:
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


def _trace(problem: Problem, tables: Tables, work: Work) -> Trace:
    start, finish = work.slot_times
    slots = np.flatnonzero(finish >= 0)
    device = work.op["device"]
    tensor = tables.uses["tensor"][slots].astype(np.int64)
    destination = work.use["device"][slots].astype(np.int64)
    order = np.lexsort((destination, tensor, start[slots]))
    source = device[tables.tensors["producer"][tensor]].astype(np.int64)
    return Trace(
        op_start=work.op_times[0],
        op_finish=work.op_times[1],
        transfer_tensor=tensor[order],
        transfer_source=source[order],
        transfer_destination=destination[order],
        transfer_start=start[slots][order],
        transfer_finish=finish[slots][order],
    )
