"""Strict orders: the place of each op in its device's sequence, and what waits for ever."""

import numpy as np
from numba import njit

from go_gym.problem import Decision, Problem
from go_gym.simulator.result import OrderStuck
from go_gym.simulator.tables import Tables

STRICT = -2
"""As the moment of a device (see ``work.py``), which runs by priorities leave at -1: the device
starts its ops in sequence, and counts those begun in ``moment_start``."""


def set_strict(device: np.ndarray, strict: bool) -> None:
    """Say of fresh devices, DEVICE_STATE records, whether they keep to a strict order."""
    device["moment"] = STRICT if strict else -1


def positions(tables: Tables, decision: Decision) -> np.ndarray:
    """(n,) int64: minus the place of each op among those of its device that take time."""
    return _positions(
        tables.durations, tables.device_class, np.asarray(decision.placement),
        np.asarray(decision.order),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _positions(durations, device_class, placement, order):
    n = len(order)
    sequence = np.empty(n, dtype=np.int64)
    for op in range(n):
        sequence[order[op]] = op
    begun = np.zeros(len(device_class), dtype=np.int64)
    levels = np.zeros(n, dtype=np.int64)
    for i in range(n):
        op = sequence[i]
        device = placement[op]
        if durations[device_class[device], op] > 0:
            levels[op] = -begun[device]
            begun[device] += 1
    return levels


def find_stuck(problem: Problem, decision: Decision) -> OrderStuck | None:
    """The ops that wait for each other under the order of ``decision``, None if all can run.

    From the first op that never runs, each waits for the next: the op before it on its device if
    that never runs, else the first maker of an input that does not. The cycle in which that ends is
    told from its lowest op on.
    """
    graph, placement = problem.graph, np.asarray(decision.placement)
    sequence = np.argsort(np.asarray(decision.order))
    before = _before(problem.durations, problem.device_class, placement, sequence)
    inputs = (graph.op_use_ptr, graph.op_uses, graph.use_producer)
    outputs = (graph.op_tensor_ptr, graph.tensor_use_ptr, graph.use_consumer)
    cycle = _cycle(before, *inputs, *outputs)
    if len(cycle) == 0:
        return None
    ops = tuple(np.roll(cycle, -int(cycle.argmin())).tolist())
    return OrderStuck(ops, tuple(graph.op_names[op] for op in ops))


@njit(cache=True, nogil=True)
def _before(durations, device_class, placement, sequence):
    """(n,) int64: the op before each on its device, of those that take time; -1 for none."""
    before = np.full(len(sequence), -1, dtype=np.int64)
    last = np.full(len(device_class), -1, dtype=np.int64)
    for op in sequence:
        device = placement[op]
        if durations[device_class[device], op] > 0:
            before[op] = last[device]
            last[device] = op
    return before


@njit(cache=True, nogil=True)
def _cycle(before, op_use_ptr, op_uses, use_producer, op_tensor_ptr, tensor_use_ptr, use_consumer):
    """(k,) int64: ops each of which waits for the next, the last for the first; none if all can
    run (Kahn 1962)."""
    n = len(before)
    after = np.full(n, -1, dtype=np.int64)
    missing = np.zeros(n, dtype=np.int64)
    for op in range(n):
        missing[op] += op_use_ptr[op + 1] - op_use_ptr[op]
        if before[op] >= 0:
            after[before[op]] = op
            missing[op] += 1
    stack = np.empty(n, dtype=np.int64)
    height = 0
    for op in range(n):
        if missing[op] == 0:
            stack[height] = op
            height += 1
    runs = np.zeros(n, dtype=np.bool_)
    while height > 0:
        height -= 1
        op = stack[height]
        runs[op] = True
        for use in range(tensor_use_ptr[op_tensor_ptr[op]], tensor_use_ptr[op_tensor_ptr[op + 1]]):
            user = use_consumer[use]
            missing[user] -= 1
            if missing[user] == 0:
                stack[height] = user
                height += 1
        if after[op] >= 0:
            missing[after[op]] -= 1
            if missing[after[op]] == 0:
                stack[height] = after[op]
                height += 1
    at = 0
    while at < n and runs[at]:
        at += 1
    if at == n:
        return stack[:0].copy()
    place = np.full(n, -1, dtype=np.int64)
    while place[at] < 0:
        place[at] = height
        stack[height] = at
        height += 1
        waits = before[at]
        if waits < 0 or runs[waits]:
            for i in range(op_use_ptr[at], op_use_ptr[at + 1]):
                waits = use_producer[op_uses[i]]
                if not runs[waits]:
                    break
        at = waits
    return stack[place[at] : height].copy()
