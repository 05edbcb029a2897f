"""Strict orders: the place of each op in its device's sequence, and what waits for ever."""

from collections.abc import Collection

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


def find_stuck(
    problem: Problem, decision: Decision, done: Collection[int] | None = None
) -> OrderStuck | None:
    """The ops that wait for each other under the order of ``decision``, None if all can run.

    ``done`` are the ops that a simulation has finished; without it they are worked out. From the
    first op that never runs, each waits for the next: the maker of an input, else the op before it
    on its device. The cycle in which that ends is told from its lowest op on.
    """
    graph, place = problem.graph, np.asarray(decision.placement)
    makers = graph.tensor_producer[graph.use_tensor].tolist()
    needs: list[set[int]] = [set() for _ in range(graph.num_ops)]
    for maker, user in zip(makers, graph.use_consumer.tolist(), strict=True):
        needs[user].add(maker)
    before: dict[int, int] = {}
    last: dict[int, int] = {}
    for op in np.argsort(np.asarray(decision.order), kind="stable").tolist():
        device = int(place[op])
        if problem.durations_on(device)[op] > 0:
            if device in last:
                before[op] = last[device]
            last[device] = op
    finished = _runnable(needs, before) if done is None else set(done)
    if len(finished) == graph.num_ops:
        return None
    op = min(set(range(graph.num_ops)) - finished)
    path: dict[int, int] = {}
    while op not in path:
        path[op] = len(path)
        waits = [maker for maker in sorted(needs[op]) if maker not in finished]
        op = waits[0] if waits else before[op]
    cycle = [each for each, at in path.items() if at >= path[op]]
    first = cycle.index(min(cycle))
    cycle = cycle[first:] + cycle[:first]
    return OrderStuck(tuple(cycle), tuple(graph.op_names[each] for each in cycle))


def _runnable(needs: list[set[int]], before: dict[int, int]) -> set[int]:
    """All ops that can run (Kahn 1962)."""
    waits = [set(makers) for makers in needs]
    for op, previous in before.items():
        waits[op].add(previous)
    missing = [len(each) for each in waits]
    after: list[list[int]] = [[] for _ in needs]
    for op, each in enumerate(waits):
        for previous in each:
            after[previous].append(op)
    free = [op for op, count in enumerate(missing) if count == 0]
    done = set(free)
    while free:
        for op in after[free.pop()]:
            missing[op] -= 1
            if missing[op] == 0:
                free.append(op)
                done.add(op)
    return done
