"""When ops start and end at the earliest, knowing that between devices transfers take time.

An op v starts at time t only if every ancestor whose output could not arrive from another device
by then runs on v's own device, one after the other. That is the bound of Papadimitriou and
Yannakakis (1990) for unlimited processors, with delays by edge. Theirs lets ops run twice; ops run
once here, so more follows: an ancestor away from v's device waits for transfers of its inputs that
are on it, and an output on its way to v crosses between devices where its path does.
"""

import heapq
from typing import Any

import numpy as np
from numba import njit

from go_gym.cluster.transfer import transfer_ns
from go_gym.problem import Problem

CONE = 128
"""Ancestors of an op that are looked at, the nearest first (our choice: 600 give no more on the
catalogue's graphs). Any number gives a valid bound."""
HALVINGS = 14
"""Of the interval in which an op's earliest start lies; its lower end is a valid bound."""
ROUNDS = 3
"""Passes up and down the ancestors; each finds more that have to be on the op's device."""


def communicating_heads_and_tails(
    problem: Problem, durations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 ns each: before which no op starts, and for how long the step goes on after each.

    Args:
        problem: graph and cluster; a placement that it gives is not looked at.
        durations: (n,) int64 ns, what each op takes at least.
    """
    graph = problem.graph
    n = graph.num_ops
    delay = least_delays(problem)[graph.use_tensor]
    producer, consumer = graph.use_producer.astype(np.int64), graph.use_consumer.astype(np.int64)
    head = _starts(durations, *_inputs(n, consumer, producer, delay))
    backwards = np.ascontiguousarray(durations[::-1])
    tail = _starts(backwards, *_inputs(n, n - 1 - producer, n - 1 - consumer, delay))
    return head, tail[::-1]


def least_delays(problem: Problem) -> np.ndarray:
    """(t,) int64 ns: what moving each tensor takes at least, between any two devices."""
    graph, cluster = problem.graph, problem.cluster
    apart = ~np.eye(cluster.num_devices, dtype=bool)
    links = [cluster.links[i] for i in np.unique(cluster.link_of[apart]).tolist()]
    if not links:
        return np.zeros(graph.num_tensors, dtype=np.int64)
    sizes: Any = graph.tensor_bytes  # arrays give arrays
    delays = [transfer_ns(sizes, link.latency_ns, link.ns_per_byte) for link in links]
    least: np.ndarray = np.min(delays, axis=0)
    return least


def _inputs(
    n: int, op: np.ndarray, source: np.ndarray, delay: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sources of each op and their delays, and where those of each begin."""
    order = np.argsort(op, kind="stable")
    pointers = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(op, minlength=n), out=pointers[1:])
    return pointers, source[order], delay[order]


@njit(cache=True, nogil=True)
def _starts(durations, pointers, source, delay):
    """(n,) the earliest starts, op after op, from those of the ancestors."""
    n = len(durations)
    start = np.zeros(n, dtype=np.int64)
    slot = np.full(n, -1, dtype=np.int64)  # of an ancestor in the cone; -2 while it is queued
    cone = np.empty(CONE, dtype=np.int64)
    path = np.empty(CONE, dtype=np.int64)
    span = np.empty((n, 2), dtype=np.int64)  # durations to an op, and the least delay on the way
    for op in range(n):
        low, several = np.int64(0), False
        for i in range(pointers[op], pointers[op + 1]):
            low = max(low, start[source[i]] + durations[source[i]])
            several |= source[i] != source[pointers[op]]
        start[op] = low
        if not several:  # beside its only producer it waits for nothing else
            continue
        count = _collect(
            op, low, False, cone, slot, span, start, durations, pointers, source, delay
        )
        low = _search(op, low, count, cone, slot, path, start, durations, pointers, source, delay)
        count = _collect(op, low, True, cone, slot, span, start, durations, pointers, source, delay)
        start[op] = _search(
            op, low, count, cone, slot, path, start, durations, pointers, source, delay
        )
    return start


@njit(cache=True, nogil=True)
def _collect(op, low, late, cone, slot, span, start, durations, pointers, source, delay):
    """Put up to CONE ancestors into ``cone``, by falling number, and give how many.

    The nearest; or, if ``late``, those alone whose output, were it to cross between devices where
    that is cheapest on some path, would come after ``low``.
    """
    heap = [np.int64(0)]
    heap.clear()
    count, consumer = 0, op
    while True:
        for i in range(pointers[consumer], pointers[consumer + 1]):
            producer = source[i]
            length, crosses = np.int64(0), delay[i]
            if consumer != op:
                length = span[consumer, 0] + durations[consumer]
                crosses = min(crosses, span[consumer, 1])
            if late and start[producer] + durations[producer] + length + crosses <= low:
                continue
            if slot[producer] == -1:
                slot[producer] = -2
                heapq.heappush(heap, -producer)
                span[producer, 0], span[producer, 1] = length, crosses
            elif length + crosses > span[producer, 0] + span[producer, 1]:
                span[producer, 0], span[producer, 1] = length, crosses
        if len(heap) == 0 or count == CONE:
            break
        consumer = -heapq.heappop(heap)
        slot[consumer], cone[count] = count, consumer
        count += 1
    for ancestor in heap:
        slot[-ancestor] = -1
    return count


@njit(cache=True, nogil=True)
def _search(op, low, count, cone, slot, path, start, durations, pointers, source, delay):
    """The earliest start of ``op`` from ``low`` on that its cone allows; the cone is left."""
    path[:count] = -1
    for i in range(pointers[op], pointers[op + 1]):
        if slot[source[i]] >= 0:
            path[slot[source[i]]] = 0
    for a in range(count):
        for i in range(pointers[cone[a]], pointers[cone[a] + 1]):
            b = slot[source[i]]
            if b >= 0:
                path[b] = max(path[b], path[a] + durations[cone[a]])
    far = np.empty(count, dtype=np.int64)
    away = np.empty(count, dtype=np.int64)
    local = np.empty(count, dtype=np.bool_)
    high = low
    for step in range(HALVINGS + 1):
        time = low if step == 0 else (low + high) // 2
        possible, latest = _possible(
            op, time, cone, slot, path, far, away, local, start, durations, pointers, source, delay
        )
        if step == 0:
            if possible:
                high = low
                break
            high = max(latest, low + 1)  # then nothing has to be on its device
        elif possible:
            high = time
        else:
            low = time
        if high - low <= 1:
            break
    for a in range(count):
        slot[cone[a]] = -1
    return low if high == low else low + 1


@njit(cache=True, nogil=True)
def _possible(
    op, time, cone, slot, path, far, away, local, start, durations, pointers, source, delay
):
    """Can ``op`` start at ``time``? And when the last output of the cone arrives from elsewhere.

    ``local``: has to be on op's device. ``far``: from an ancestor's end to op's start, if it is
    not. ``away``: its earliest start, if it is not. ``path``: durations between it and op.
    """
    count = len(far)
    local[:] = False
    latest = np.int64(0)
    for turn in range(ROUNDS):
        changed = False
        far[:] = -1
        for i in range(pointers[op], pointers[op + 1]):
            a = slot[source[i]]
            if a >= 0:
                far[a] = max(far[a], delay[i])
        for a in range(count):  # consumers before producers
            consumer = cone[a]
            arrives = (away[a] if turn > 0 else start[consumer]) + durations[consumer] + far[a]
            latest = max(latest, arrives) if turn == 0 else latest
            if not local[a] and arrives > time:
                local[a] = changed = True
            for i in range(pointers[consumer], pointers[consumer + 1]):
                b = slot[source[i]]
                if b >= 0:  # it crosses before the consumer, or later if that is away too
                    crosses = delay[i] + path[a]
                    rest = crosses if local[a] else min(crosses, far[a])
                    far[b] = max(far[b], durations[consumer] + rest)
        for a in range(count - 1, -1, -1):  # producers before consumers
            consumer = cone[a]
            away[a] = start[consumer]
            for i in range(pointers[consumer], pointers[consumer + 1]):
                producer = source[i]
                b = slot[producer]
                if b >= 0:
                    arrives = start[producer] + durations[producer] + delay[i]
                    if not local[b]:
                        arrives = min(arrives, away[b] + durations[producer])
                    away[a] = max(away[a], arrives)
            if not local[a] and away[a] + durations[consumer] + far[a] > time:
                local[a] = changed = True
        if not changed:
            break
    return _one_machine_ends(cone[:count][local], start, durations) <= time, latest


@njit(cache=True, nogil=True)
def _one_machine_ends(ops, start, durations):
    """When a single machine has done ``ops`` at the earliest, from their earliest starts on."""
    order = np.argsort(start[ops])
    total, ends = np.int64(0), np.int64(0)
    for position in order[::-1]:
        total += durations[ops[position]]
        ends = max(ends, start[ops[position]] + total)
    return ends
