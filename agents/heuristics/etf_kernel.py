"""Earliest task first under a memory limit, with favourite children if there are; jitted.

Times are int64 ns.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.simulator.transfer import transfer_ns

FOREVER = np.int64(2**62)


class Tables(NamedTuple):
    """What the kernel reads. n ops, t tensors, u uses, g groups, d devices."""

    group_of: np.ndarray  # (n,) int64
    group_bytes: np.ndarray  # (g,) int64, what a group needs where it lies
    capacity: np.ndarray  # (d,) int64 bytes
    is_free: np.ndarray  # (n,) bool
    op_tensor_ptr: np.ndarray
    tensor_use_ptr: np.ndarray
    use_consumer: np.ndarray
    op_use_ptr: np.ndarray
    op_uses: np.ndarray
    use_tensor: np.ndarray
    use_producer: np.ndarray
    tensor_bytes: np.ndarray
    durations: np.ndarray  # (classes, n) int64
    device_class: np.ndarray  # (d,) int64
    link_of: np.ndarray  # (d, d)
    slowness: np.ndarray  # (links,) float64 ns per byte
    latency: np.ndarray  # (links,) int64


@njit(cache=True, nogil=True)
def earliest_task_first(tables, favourite, parent):
    """Always place the ready op that can start first, on the device where it can (m-ETF).

    Ties: lowest op, then lowest device. A group goes whole where its first op is placed, if its
    bytes fit into what is left of the capacity; if they fit nowhere, to the device with most
    memory left. No contention, no insertion. Free ops without placed inputs go along with their
    first consumer.

    With favourite children (m-SCT) a device that has run an op waits for the op's favourite, if
    that has all its inputs placed and can start nowhere sooner: meanwhile it takes urgent ops
    alone, those whose inputs have had the time to arrive on any device.

    Two heaps a device, by (key, op): ops whose inputs are still on their way, by arrival (0), and
    ops that wait for the device alone (1). Ops put off until ``wake`` are in neither.

    Args:
        tables: the problem.
        favourite: (n,) int64, each op's favourite child, -1 for none.
        parent: (n,) int64, whose favourite each op is, -1 for none.

    Returns:
        The groups' devices (g,), -1 where no op costs anything, and start and finish (n,).
    """
    n, d = len(tables.group_of), len(tables.device_class)
    op_use_ptr, op_uses, use_producer = tables.op_use_ptr, tables.op_uses, tables.use_producer
    group_of = tables.group_of
    device_of = np.full(len(tables.group_bytes), -1, dtype=np.int64)
    left = tables.capacity.copy()
    free_at = np.zeros(d, dtype=np.int64)
    last = np.full(d, -1, dtype=np.int64)
    start = np.zeros(n, dtype=np.int64)
    finish = np.zeros(n, dtype=np.int64)
    missing = np.empty(n, dtype=np.int64)
    entries = np.zeros(n, dtype=np.int64)  # of an op, in the heaps; -1 once it is placed
    keys = np.empty((2, d, n), dtype=np.int64)
    ops = np.empty((2, d, n), dtype=np.int64)
    sizes = np.zeros((2, d), dtype=np.int64)
    put_off = np.empty((d, n), dtype=np.int64)
    waiting = np.zeros(d, dtype=np.int64)
    wake = np.full(d, FOREVER, dtype=np.int64)
    stack = np.empty(n, dtype=np.int64)  # ops whose inputs are all there or floating
    height = 0
    for op in range(n):
        missing[op] = op_use_ptr[op + 1] - op_use_ptr[op]
        if missing[op] == 0:
            stack[height] = op
            height += 1
    while True:
        while height > 0:
            height -= 1
            op = stack[height]
            floating = tables.is_free[op] and device_of[group_of[op]] < 0
            for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
                floating &= device_of[group_of[use_producer[op_uses[index]]]] < 0
            if not floating:
                for device in range(d):
                    _push(keys[0, device], ops[0, device], sizes[0], device, 0, op)
                entries[op] = d
                continue
            entries[op] = -1
            height = _release(tables, op, missing, stack, height)
        best, best_op, best_time = -1, -1, FOREVER
        for device in range(d):
            while sizes[0, device] > 0 and keys[0, device, 0] <= free_at[device]:
                op = _pop(keys[0, device], ops[0, device], sizes[0], device)
                _push(keys[1, device], ops[1, device], sizes[1], device, 0, op)
            if sizes[1, device] > 0:
                time, op = free_at[device], ops[1, device, 0]
            elif sizes[0, device] > 0:
                time, op = keys[0, device, 0], ops[0, device, 0]
            else:
                time, op = FOREVER, np.int64(n)
            if waiting[device] > 0 and wake[device] <= time:
                time = wake[device]
                _recall(time, put_off[device], waiting, wake, keys[0, device], ops[0, device],
                        sizes[0], device)  # fmt: skip
                op = ops[0, device, 0]
            if time < best_time or (time == best_time and op < best_op):
                best, best_op, best_time = device, op, time
        if best < 0:
            break
        heap = 1 if sizes[1, best] > 0 else 0
        op, device = _pop(keys[heap, best], ops[heap, best], sizes[heap], best), best
        if entries[op] < 0:
            continue
        entries[op] -= 1
        mine = group_of[op]
        if device_of[mine] >= 0 and device_of[mine] != device:
            if entries[op] == 0:  # it had been found not to fit where its group went in the end
                _push(keys[0, device_of[mine]], ops[0, device_of[mine]], sizes[0],
                      device_of[mine], 0, op)  # fmt: skip
                entries[op] = 1
            continue
        ready = _arrival(tables, device_of, finish, op, device)
        if max(ready, free_at[device]) > best_time:  # it was put in before its inputs were placed
            _push(keys[0, device], ops[0, device], sizes[0], device, ready, op)
            entries[op] += 1
            continue
        if not _may_go(tables, device_of, left, op, device):
            if entries[op] == 0:  # fits nowhere
                device_of[mine] = np.argmax(left)
                left[device_of[mine]] -= tables.group_bytes[mine]
                _push(keys[0, device_of[mine]], ops[0, device_of[mine]], sizes[0],
                      device_of[mine], 0, op)  # fmt: skip
                entries[op] = 1
            continue
        wanted = favourite[last[device]] if last[device] >= 0 else np.int64(-1)
        if (
            wanted >= 0
            and wanted != op
            and not tables.is_free[op]
            and entries[wanted] > 0
            and _is_soonest(tables, device_of, left, free_at, finish, wanted, device)
        ):
            urgent = ready
            for other in range(d if device_of[mine] < 0 else 0):
                urgent = max(urgent, _arrival(tables, device_of, finish, op, other))
            if urgent > best_time:
                put_off[device, waiting[device]] = op
                waiting[device] += 1
                entries[op] += 1
                wake[device] = min(wake[device], urgent)
                continue
        if device_of[mine] < 0:
            device_of[mine] = device
            left[device] -= tables.group_bytes[mine]
        start[op] = best_time
        finish[op] = best_time + tables.durations[tables.device_class[device], op]
        free_at[device] = finish[op]
        entries[op] = -1
        if not tables.is_free[op]:
            last[device] = op
        for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
            other = group_of[use_producer[op_uses[index]]]
            if device_of[other] < 0:
                device_of[other] = device
                left[device] -= tables.group_bytes[other]
        _recall(0, put_off[device], waiting, wake, keys[0, device], ops[0, device], sizes[0],
                device)  # fmt: skip
        if parent[op] >= 0:  # a device that waited for this op need not any more
            other = device_of[group_of[parent[op]]]
            if other >= 0 and other != device and last[other] == parent[op]:
                _recall(best_time, put_off[other], waiting, wake, keys[0, other], ops[0, other],
                        sizes[0], other)  # fmt: skip
        height = _release(tables, op, missing, stack, height)
    return device_of, start, finish


@njit(cache=True, nogil=True)
def _release(tables, op, missing, stack, height):
    """Stack the consumers of ``op`` that miss no other input; returns the stack's height."""
    first, end = tables.op_tensor_ptr[op], tables.op_tensor_ptr[op + 1]
    for use in range(tables.tensor_use_ptr[first], tables.tensor_use_ptr[end]):
        consumer = tables.use_consumer[use]
        missing[consumer] -= 1
        if missing[consumer] == 0:
            stack[height] = consumer
            height += 1
    return height


@njit(cache=True, nogil=True)
def _arrival(tables, device_of, finish, op, device):
    """When the last input of ``op`` is on ``device``; floating ones are there at once."""
    ready = np.int64(0)
    for index in range(tables.op_use_ptr[op], tables.op_use_ptr[op + 1]):
        use = tables.op_uses[index]
        producer = tables.use_producer[use]
        source = device_of[tables.group_of[producer]]
        if source < 0:
            continue
        arrival = finish[producer]
        if source != device:
            link = tables.link_of[source, device]
            size = tables.tensor_bytes[tables.use_tensor[use]]
            arrival += transfer_ns(size, tables.latency[link], tables.slowness[link])
        ready = max(ready, arrival)
    return ready


@njit(cache=True, nogil=True)
def _may_go(tables, device_of, left, op, device):
    group = tables.group_of[op]
    if device_of[group] >= 0:
        return device_of[group] == device
    return tables.group_bytes[group] <= left[device]


@njit(cache=True, nogil=True)
def _is_soonest(tables, device_of, left, free_at, finish, op, device):
    """Whether ``op`` may go to ``device``, and can start nowhere sooner."""
    if not _may_go(tables, device_of, left, op, device):
        return False
    here = max(free_at[device], _arrival(tables, device_of, finish, op, device))
    for other in range(len(free_at)):
        if other == device or not _may_go(tables, device_of, left, op, other):
            continue
        if max(free_at[other], _arrival(tables, device_of, finish, op, other)) < here:
            return False
    return True


@njit(cache=True, nogil=True)
def _recall(time, put_off, waiting, wake, keys, ops, sizes, device):
    """Put the ops that were put off back into the heap of those on their way, from ``time`` on."""
    for index in range(waiting[device]):
        _push(keys, ops, sizes, device, time, put_off[index])
    waiting[device] = 0
    wake[device] = FOREVER


# Heaps of (key, op) of their own: those of go_gym.simulator.heap, of three keys, take a fifth more
# of the whole pass.


@njit(cache=True, nogil=True)
def _push(keys, ops, sizes, device, key, op):
    i = sizes[device]
    sizes[device] += 1
    while i > 0:
        parent = (i - 1) // 2
        if keys[parent] < key or (keys[parent] == key and ops[parent] <= op):
            break
        keys[i], ops[i] = keys[parent], ops[parent]
        i = parent
    keys[i], ops[i] = key, op


@njit(cache=True, nogil=True)
def _pop(keys, ops, sizes, device):
    """Remove the least entry; returns its op."""
    top = ops[0]
    sizes[device] -= 1
    size = sizes[device]
    key, op = keys[size], ops[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            keys[right] < keys[child] or (keys[right] == keys[child] and ops[right] < ops[child])
        ):
            child = right
        if keys[child] > key or (keys[child] == key and ops[child] > op):
            break
        keys[i], ops[i] = keys[child], ops[child]
        i = child
    keys[i], ops[i] = key, op
    return top
