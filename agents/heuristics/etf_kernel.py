"""Earliest task first under a memory limit, jitted. Times are int64 ns."""

import numpy as np
from numba import njit

FOREVER = np.int64(2**62)


@njit(cache=True, nogil=True)
def earliest_task_first(
    group_of,
    group_bytes,
    capacity,
    is_free,
    op_tensor_ptr,
    tensor_use_ptr,
    use_consumer,
    op_use_ptr,
    op_uses,
    use_tensor,
    use_producer,
    tensor_bytes,
    durations,
    device_class,
    link_of,
    slowness,
    latency,
):
    """Always place the ready op that can start first, on the device where it can (m-ETF).

    Ties: lowest op, then lowest device. A group goes whole where its first op is placed, if its
    ``group_bytes`` (g,) fit into what is left of ``capacity`` (d,); if they fit nowhere, to the
    device with most memory left. No contention, no insertion. Free ops without placed inputs go
    along with their first consumer.

    Two heaps a device, by (key, op): ops whose inputs are still on their way, by arrival (0), and
    ops that wait for the device alone (1).

    Returns the groups' devices (g,), -1 where no op costs anything, and start and finish (n,).
    """
    n, d = len(group_of), len(device_class)
    device_of = np.full(len(group_bytes), -1, dtype=np.int64)
    left = capacity.copy()
    free_at = np.zeros(d, dtype=np.int64)
    start = np.zeros(n, dtype=np.int64)
    finish = np.zeros(n, dtype=np.int64)
    missing = np.empty(n, dtype=np.int64)
    entries = np.zeros(n, dtype=np.int64)  # of an op, in the heaps; -1 once it is placed
    keys = np.empty((2, d, n), dtype=np.int64)
    ops = np.empty((2, d, n), dtype=np.int64)
    sizes = np.zeros((2, d), dtype=np.int64)
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
            floating = is_free[op] and device_of[group_of[op]] < 0
            for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
                floating &= device_of[group_of[use_producer[op_uses[index]]]] < 0
            if not floating:
                for device in range(d):
                    _push(keys[0, device], ops[0, device], sizes[0], device, 0, op)
                entries[op] = d
                continue
            entries[op] = -1
            for use in range(
                tensor_use_ptr[op_tensor_ptr[op]], tensor_use_ptr[op_tensor_ptr[op + 1]]
            ):
                missing[use_consumer[use]] -= 1
                if missing[use_consumer[use]] == 0:
                    stack[height] = use_consumer[use]
                    height += 1
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
                continue
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
            continue
        ready = np.int64(0)
        needed = group_bytes[mine] if device_of[mine] < 0 else np.int64(0)
        for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
            use = op_uses[index]
            source = device_of[group_of[use_producer[use]]]
            if source < 0:
                continue
            arrival = finish[use_producer[use]]
            if source != device:
                link = link_of[source, device]
                arrival += latency[link] + np.int64(
                    np.rint(np.float64(tensor_bytes[use_tensor[use]]) * slowness[link])
                )
            ready = max(ready, arrival)
        if max(ready, free_at[device]) > best_time:  # it was put in before its inputs were placed
            _push(keys[0, device], ops[0, device], sizes[0], device, ready, op)
            entries[op] += 1
            continue
        if device_of[mine] < 0 and needed > left[device]:
            if entries[op] == 0:  # fits nowhere
                device_of[mine] = np.argmax(left)
                left[device_of[mine]] -= needed
                _push(keys[0, device_of[mine]], ops[0, device_of[mine]], sizes[0],
                      device_of[mine], 0, op)  # fmt: skip
                entries[op] = 1
            continue
        device_of[mine] = device
        left[device] -= needed
        start[op] = max(ready, free_at[device])
        finish[op] = start[op] + durations[device_class[device], op]
        free_at[device] = finish[op]
        entries[op] = -1
        for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
            other = group_of[use_producer[op_uses[index]]]
            if device_of[other] < 0:
                device_of[other] = device
                left[device] -= group_bytes[other]
        for use in range(tensor_use_ptr[op_tensor_ptr[op]], tensor_use_ptr[op_tensor_ptr[op + 1]]):
            missing[use_consumer[use]] -= 1
            if missing[use_consumer[use]] == 0:
                stack[height] = use_consumer[use]
                height += 1
    return device_of, start, finish


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
