"""Simulating a decision with fusion: its kernels go through a simulator as any graph does."""

from collections.abc import Callable

import numpy as np

from go_gym.fusion.fused import Fused, fuse
from go_gym.problem import Decision, Problem
from go_gym.simulator.result import ColocationBroken, Result, Trace, Violation

Simulate = Callable[[Problem, Decision, bool], Result]


def simulate_kernels(problem: Problem, decision: Decision, trace: bool, run: Simulate) -> Result:
    """The result of ``run`` on the kernels of ``decision``, told of the original problem.

    Co-location is that of the ops. In the trace an op starts and finishes with its kernel (one
    that several kernels compute with the one that it is the root of, else the first of them), and
    tensors have their original numbers.
    """
    fused = fuse(problem, decision)
    result = run(fused.problem, fused.decision, trace)
    return Result(
        step_time_ns=result.step_time_ns,
        violation=_broken(problem, decision) or result.violation,
        busy_ns=result.busy_ns,
        peak_memory=result.peak_memory,
        bytes_moved=result.bytes_moved,
        over_limit=result.over_limit,
        trace=None if result.trace is None else _told_of_ops(problem, fused, result.trace),
    )


def _broken(problem: Problem, decision: Decision) -> Violation | None:
    place, leader = np.asarray(decision.placement), problem.colocation_leader
    strays = np.flatnonzero(place != place[leader])
    if len(strays) == 0:
        return None
    op = int(strays[0])
    return ColocationBroken(op, problem.graph.op_names[op], int(leader[op]))


def _told_of_ops(problem: Problem, fused: Fused, trace: Trace) -> Trace:
    kernel = fused.kernel_of(problem.graph)
    return Trace(
        op_start=trace.op_start[kernel],
        op_finish=trace.op_finish[kernel],
        transfer_tensor=fused.tensor_of[trace.transfer_tensor],
        transfer_source=trace.transfer_source,
        transfer_destination=trace.transfer_destination,
        transfer_start=trace.transfer_start,
        transfer_finish=trace.transfer_finish,
    )


def trace_of_kernels(fused: Fused, trace: Trace) -> Trace:
    """The trace of the kernels themselves, from one that was told of their ops."""
    roots = fused.plan.roots
    return Trace(
        op_start=trace.op_start[roots],
        op_finish=trace.op_finish[roots],
        transfer_tensor=np.searchsorted(fused.tensor_of, trace.transfer_tensor),
        transfer_source=trace.transfer_source,
        transfer_destination=trace.transfer_destination,
        transfer_start=trace.transfer_start,
        transfer_finish=trace.transfer_finish,
    )
