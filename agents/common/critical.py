"""The ops, and units of ops, that a step's length hangs on, read from its trace."""

from math import fsum
from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.partitions import QuotientGraph
from go_gym.problem import Problem
from go_gym.simulator import Trace

from .traced import Traced


class Focus(NamedTuple):
    """Units that the step time hangs on: where moves may begin.

    Attributes:
        units: (c,) int64, the same one more than once where several of its ops are critical.
        cumulative: (c,) float64, sums of the shares of the step time that they answer for, to 1.
    """

    units: np.ndarray
    cumulative: np.ndarray

    @classmethod
    def unknown(cls) -> "Focus":
        """Of a step without a trace."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0))

    @classmethod
    def of(cls, units: QuotientGraph, step: Traced) -> "Focus":
        """The units of the critical ops of a traced step."""
        ops, share = critical_ops(step)
        total = fsum(share)
        return cls(units.part_of[ops], np.cumsum(share) / total) if total > 0 else cls.unknown()


def critical_ops(step: Traced) -> tuple[np.ndarray, np.ndarray]:
    """From the op that finishes last back to one that waited for nothing.

    Before each op comes what it waited for: the op that its device ran until then or, if the
    device was idle, the producer of the input that arrived last.

    Returns:
        ops: (m,) int64, the last first; under fusion the parts of each kernel, rising.
        share: (m,) float64 ns, the part of the step time that each answers for: its own time and
            the transfer it waited for (:meth:`Traced.shares_of_ops`).
    """
    placement, trace = step.placement, step.trace
    graph = step.problem.graph
    order = np.lexsort((trace.op_finish, trace.op_start, placement))
    found, share = _walk_back(
        placement,
        order,
        trace.op_start,
        trace.op_finish,
        graph.op_use_ptr,
        graph.op_uses,
        graph.use_producer,
        _arrivals(step.problem, placement, trace),
    )
    return step.shares_of_ops(found, share)


def _arrivals(problem: Problem, placement: np.ndarray, trace: Trace) -> np.ndarray:
    """(u,) int64 ns: when each use's tensor is there."""
    graph, d = problem.graph, problem.num_devices
    destination = placement[graph.use_consumer]
    arrival = trace.op_finish[graph.use_producer].copy()
    remote = np.flatnonzero(placement[graph.use_producer] != destination)
    sent = trace.transfer_tensor * d + trace.transfer_destination
    order = np.argsort(sent)
    wanted = graph.use_tensor[remote] * d + destination[remote]
    arrival[remote] = trace.transfer_finish[order[np.searchsorted(sent[order], wanted)]]
    return arrival


@njit(cache=True, nogil=True)
def _walk_back(placement, order, start, finish, op_use_ptr, op_uses, use_producer, arrival):
    n = len(order)
    position = np.empty(n, dtype=np.int64)
    for i in range(n):
        position[order[i]] = i
    ops, share = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    count = 0
    op = np.argmax(finish)
    while True:
        before = -1
        i = position[op]
        last = order[i - 1] if i > 0 else op
        if i > 0 and placement[last] == placement[op] and finish[last] == start[op]:
            before = last
        if before < 0:
            latest = -1
            for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
                use = op_uses[index]
                if arrival[use] > latest:
                    latest, before = arrival[use], use_producer[use]
        ops[count] = op
        share[count] = finish[op] - (finish[before] if before >= 0 else 0)
        count += 1
        if before < 0 or count == n:
            return ops[:count], share[:count]
        op = before
