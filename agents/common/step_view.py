"""What the traced simulation of a decision says of each unit and device."""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.partitions import QuotientGraph

from .critical import Focus
from .traced import Traced

BINS = 256
"""Into how many parts a step is cut to see when devices are idle."""


class StepView(NamedTuple):
    """A step as its trace shows it; times in ns, float64.

    Attributes:
        step: the step time, at least 1.
        focus: the critical units.
        share: (U,) of the step time that each answers for, together one; zeros where unknown.
        start, finish: (U,) when the first op of each begins and the last one ends.
        slack: (U,) by how much the unit could end later without a later end of the step, each
            device's order and each transfer's time as they were.
        idle: (D, BINS + 1): how many of the first b parts of the step each device was idle.
    """

    step: float
    focus: Focus
    share: np.ndarray
    start: np.ndarray
    finish: np.ndarray
    slack: np.ndarray
    idle: np.ndarray

    @classmethod
    def unknown(cls, units: int, devices: int) -> "StepView":
        """Of a step without a trace: no unit is told from another."""
        zeros = np.zeros(units)
        idle = np.zeros((devices, BINS + 1))
        return cls(1.0, Focus.unknown(), zeros, zeros, zeros, zeros, idle)


def step_view(units: QuotientGraph, step: Traced) -> StepView:
    """The view of a traced step; under fusion a unit begins and ends with its ops' kernels."""
    of_op, count, trace = units.part_of, units.count, step.trace
    focus = Focus.of(units, step)
    start, finish, slack = _of_units(
        of_op, count, step.of_op, trace.op_start, trace.op_finish, slacks(step)
    )
    length = max(float(finish.max()), 1.0)
    return StepView(
        length,
        focus,
        np.bincount(focus.units, np.diff(focus.cumulative, prepend=0.0), count),
        start,
        finish,
        slack,
        _idle(step.placement, trace.op_start, trace.op_finish, length, step.problem.num_devices),
    )


def idle_shares(view: StepView) -> np.ndarray:
    """(U, D) float64: how much of the time from its start to its finish each device is idle."""
    low = np.minimum((view.start / view.step * BINS).astype(np.int64), BINS - 1)
    high = np.clip(np.ceil(view.finish / view.step * BINS).astype(np.int64), low + 1, BINS)
    return ((view.idle[:, high] - view.idle[:, low]) / (high - low)).T


def slacks(step: Traced) -> np.ndarray:
    """(k,) float64 ns that each op or kernel could end later, other things as in the trace.

    One must end before the next one of its device begins, and before each consumer does, less
    what the transfer took.
    """
    problem, placement, trace = step.problem, step.placement, step.trace
    graph = problem.graph
    order = np.lexsort((trace.op_finish, trace.op_start))  # stable: ties in topological order
    took = np.zeros((graph.num_tensors, problem.num_devices))
    ends = trace.op_finish[graph.tensor_producer[trace.transfer_tensor]]
    took[trace.transfer_tensor, trace.transfer_destination] = trace.transfer_finish - ends
    remote = took[graph.use_tensor, placement[graph.use_consumer]]
    return _slack(
        order,
        placement,
        trace.op_start.astype(np.float64),
        trace.op_finish.astype(np.float64),
        graph.op_use_ptr,
        graph.op_uses,
        graph.use_producer,
        remote,
        problem.num_devices,
    )


@njit(cache=True, nogil=True)
def _of_units(unit_of_op, count, ran, start, finish, slack):
    """First start, last end and least slack of the ops of each unit, from those of what ran."""
    first, last, least = np.full(count, np.inf), np.zeros(count), np.full(count, np.inf)
    for op in range(len(unit_of_op)):
        unit, by = unit_of_op[op], ran[op]
        first[unit] = min(first[unit], start[by])
        last[unit] = max(last[unit], finish[by])
        least[unit] = min(least[unit], slack[by])
    return first, last, least


@njit(cache=True, nogil=True)
def _slack(order, placement, start, finish, op_use_ptr, op_uses, use_producer, took, devices):
    latest = np.full(len(order), finish.max())  # end of each op
    following = np.full(devices, finish.max())  # latest start of the device's next op
    for i in range(len(order) - 1, -1, -1):
        op = order[i]
        end = min(latest[op], following[placement[op]])
        latest[op] = end
        begin = end - (finish[op] - start[op])
        following[placement[op]] = begin
        for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
            use = op_uses[index]
            producer = use_producer[use]
            latest[producer] = min(latest[producer], begin - took[use])
    return np.maximum(latest - finish, 0.0)


@njit(cache=True, nogil=True)
def _idle(placement, start, finish, step, devices):
    busy = np.zeros((devices, BINS))
    width = step / BINS
    for op in range(len(placement)):
        low, high = start[op] / width, finish[op] / width
        a, b = int(low), min(int(high), BINS - 1)
        for part in range(a, b + 1):
            busy[placement[op], part] += min(high, part + 1.0) - max(low, float(part))
    idle = np.zeros((devices, BINS + 1))
    for device in range(devices):
        for part in range(BINS):
            idle[device, part + 1] = idle[device, part] + max(1.0 - busy[device, part], 0.0)
    return idle
