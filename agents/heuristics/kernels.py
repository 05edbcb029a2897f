"""Insertion-based list scheduling, jitted. Times are int64 ns.

Numba's cache looks at the time stamp of a function's own file only: what calls each other stands
together.

A *timeline* is what a device or a port is still free for: a sorted list of gaps, the last one
without end. Timeline i owns the stretch ``where[i, 0]`` to ``+ where[i, 2]`` (``where[i, 1]`` of
them are used) of the arrays of gap starts and ends; a stretch that is full moves and doubles.
"""

import numpy as np
from numba import njit

from go_gym.simulator.transfer import transfer_ns

NONE, LINK, EGRESS, DUPLEX = 0, 1, 2, 3  # the order of CONTENTION_MODELS
FOREVER = np.int64(2**62)
SORT_LIMIT = 64
"""Inputs of an op up to which they are booked in order of their producers' finish."""


@njit(cache=True, nogil=True)
def list_schedule(
    order,
    group_of,
    given,
    is_free,
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
    contention,
    toll,
):
    """Place ops one by one, in ``order`` (n,), each where it finishes first.

    An op goes into the earliest gap of its device that holds it after its inputs arrived
    (insertion-based policy). Transfers are booked on the ports of the ``contention`` model in the
    earliest gap. A group goes whole to where its first op is placed, or to its ``given`` (g,)
    device (-1: open). Free ops without placed inputs wait for their first consumer and go along.
    With a ``toll``, the device is chosen by finish + toll × port time taken by new transfers.

    Returns the groups' devices (g,), and start and finish of every op (n,).
    """
    n, d, u = len(order), len(device_class), len(op_uses)
    ports = d * d if contention == LINK else (2 * d if contention == DUPLEX else d)
    lines = d + (ports if contention != NONE else 0)  # timelines: devices, then ports
    where = np.full((lines, 3), -1, dtype=np.int64)
    bookings = n + (2 * u if contention != NONE else 0)
    gap_start = np.empty(8 * (bookings + d) + 8, dtype=np.int64)
    gap_end = np.empty(len(gap_start), dtype=np.int64)
    used = np.zeros(1, dtype=np.int64)
    cursor = np.zeros(ports, dtype=np.int64)
    stamp = np.zeros(ports, dtype=np.int64)
    serial = np.int64(0)
    # copies of tensors on other devices, a linked list a tensor
    first_copy = np.full(len(tensor_bytes), -1, dtype=np.int64)
    copies = np.empty((u, 4), dtype=np.int64)  # device, arrival, start, next
    num_copies = 0
    device_of = given.copy()
    start = np.zeros(n, dtype=np.int64)
    finish = np.zeros(n, dtype=np.int64)
    inputs = np.empty(max(1, np.max(np.diff(op_use_ptr))), dtype=np.int64)
    for op in order:
        count = 0
        for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
            use = op_uses[index]
            if device_of[group_of[use_producer[use]]] >= 0:
                inputs[count] = use
                count += 1
        mine = group_of[op]
        if count == 0 and is_free[op] and device_of[mine] < 0:
            continue
        if count <= SORT_LIMIT:
            for i in range(1, count):
                use = inputs[i]
                key = finish[use_producer[use]]
                j = i
                while j > 0 and finish[use_producer[inputs[j - 1]]] > key:
                    inputs[j] = inputs[j - 1]
                    j -= 1
                inputs[j] = use
        low, high = 0, d
        if device_of[mine] >= 0:
            low, high = device_of[mine], device_of[mine] + 1
        best, best_cost = low, np.inf
        for phase in range(2):
            if phase == 1:
                low, high = best, best + 1
            elif high - low == 1:
                continue
            commit = phase == 1
            for device in range(low, high):
                serial += 1
                ready = np.int64(0)
                taken = np.int64(0)
                for i in range(count):
                    use = inputs[i]
                    maker = use_producer[use]
                    source = device_of[group_of[maker]]
                    if source == device:
                        ready = max(ready, finish[maker])
                        continue
                    tensor = use_tensor[use]
                    arrival = np.int64(-1)
                    copy = first_copy[tensor]
                    while copy >= 0:
                        if copies[copy, 0] == device:
                            arrival = copies[copy, 1]
                            break
                        copy = copies[copy, 3]
                    if arrival < 0:
                        link = link_of[source, device]
                        length = transfer_ns(tensor_bytes[tensor], latency[link], slowness[link])
                        begin = finish[maker]
                        if contention == EGRESS and first_copy[tensor] >= 0:
                            sent = first_copy[tensor]  # one transfer serves all
                            begin = copies[sent, 2]
                            arrival = max(begin + length, copies[sent, 1])
                        elif contention == NONE:
                            arrival = begin + length
                        else:
                            # what this very op books, one after the other
                            port = source
                            if contention == LINK:
                                port = source * d + device
                            shared = d + device if contention == DUPLEX else port
                            if not commit and stamp[shared] == serial:
                                begin = max(begin, cursor[shared])
                            begin = _fit(where, gap_start, gap_end, d + port, begin, length)
                            while contention == DUPLEX:
                                other = _fit(where, gap_start, gap_end, d + shared, begin, length)
                                if other == begin:
                                    break
                                begin = _fit(where, gap_start, gap_end, d + port, other, length)
                            arrival = begin + length
                            taken += length
                            cursor[shared] = arrival
                            stamp[shared] = serial
                            if commit:
                                _book(where, gap_start, gap_end, used, d + port, begin, length)
                                if contention == DUPLEX:
                                    _book(
                                        where, gap_start, gap_end, used, d + shared, begin, length
                                    )
                        if commit:
                            copies[num_copies, 0] = device
                            copies[num_copies, 1] = arrival
                            copies[num_copies, 2] = begin
                            copies[num_copies, 3] = first_copy[tensor]
                            first_copy[tensor] = num_copies
                            num_copies += 1
                    ready = max(ready, arrival)
                duration = durations[device_class[device], op]
                begin = _fit(where, gap_start, gap_end, device, ready, duration)
                if commit:
                    start[op] = begin
                    finish[op] = begin + duration
                    _book(where, gap_start, gap_end, used, device, begin, duration)
                else:
                    cost = np.float64(begin + duration) + toll * np.float64(taken)
                    if cost < best_cost:
                        best, best_cost = device, cost
        device_of[mine] = best
        for index in range(op_use_ptr[op], op_use_ptr[op + 1]):
            maker_group = group_of[use_producer[op_uses[index]]]
            if device_of[maker_group] < 0:
                device_of[maker_group] = best
    return device_of, start, finish


@njit(cache=True, nogil=True)
def _first_gap(where, gap_end, line, end):
    """The first gap of a timeline that ends at ``end`` or later."""
    low = where[line, 0]
    high = low + where[line, 1] - 1
    while low < high:
        middle = (low + high) // 2
        if gap_end[middle] >= end:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True)
def _fit(where, gap_start, gap_end, line, earliest, length):
    """The earliest time from ``earliest`` on at which the timeline is free for ``length``."""
    if where[line, 0] < 0:
        return earliest
    gap = _first_gap(where, gap_end, line, earliest + length)
    while max(gap_start[gap], earliest) + length > gap_end[gap]:
        gap += 1
    return max(gap_start[gap], earliest)


@njit(cache=True, nogil=True)
def _book(where, gap_start, gap_end, used, line, start, length):
    """Take ``length`` from ``start`` on out of the gap that holds it."""
    if length == 0:
        return
    if where[line, 0] < 0:
        where[line, 0] = used[0]
        where[line, 1] = 1
        where[line, 2] = 4
        gap_start[used[0]] = 0
        gap_end[used[0]] = FOREVER
        used[0] += 4
    gap = _first_gap(where, gap_end, line, start + length)
    before = start > gap_start[gap]
    after = start + length < gap_end[gap]
    if before and after:
        base, count = where[line, 0], where[line, 1]
        if count == where[line, 2]:
            moved = used[0]
            gap_start[moved : moved + count] = gap_start[base : base + count]
            gap_end[moved : moved + count] = gap_end[base : base + count]
            used[0] += 2 * count
            gap += moved - base
            where[line, 0] = moved
            where[line, 2] = 2 * count
            base = moved
        for i in range(base + count, gap, -1):
            gap_start[i] = gap_start[i - 1]
            gap_end[i] = gap_end[i - 1]
        where[line, 1] += 1
        gap_end[gap] = start
        gap_start[gap + 1] = start + length
    elif before:
        gap_end[gap] = start
    elif after:
        gap_start[gap] = start + length
    else:
        last = where[line, 0] + where[line, 1] - 1
        for i in range(gap, last):
            gap_start[i] = gap_start[i + 1]
            gap_end[i] = gap_end[i + 1]
        where[line, 1] -= 1
