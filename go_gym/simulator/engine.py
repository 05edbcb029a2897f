"""The Numba engine: the specification of ``reference.py``, fast.

What makes it fast: a binary heap over running ops and transfers only,
and none for what takes no time; first come first served ready queues in one array, so that only
ops that became ready at the same moment are ever sorted; small packed records; and unsigned
indices (``U``), which spare Numba's check for negative ones.

A *slot* is the copy of a tensor on a device other than its producer's, and the transfer that
brings it. Slots are taken from a pool and given back when the copy is freed, so that those in use
stay in the cache. Under egress contention one transfer, named by its first slot, brings all copies
of a tensor.
"""

import numpy as np
from numba import njit

from go_gym.simulator.tables import NONE
from go_gym.simulator.work import (
    DEVICES,
    DONE,
    DUPLEX,
    EGRESS,
    ENDING,
    EVENTS,
    FIGURES,
    FREE,
    LINK,
    MOVED,
    NOW,
    OOM_DEVICE,
    OOM_TIME,
    PORTS,
    SCALARS,
    SLOTS,
    SPARE,
    STRAY,
)

U = np.uint64
LOW, HIGH = U(0xFFFFFFFF), U(32)  # halves of a word of the program
IDLE = NONE
LAST_MOMENT = np.iinfo(np.int64).max

# Without Numba's reference counting, which takes four fifths of the time where helpers are handed
# ten arrays each; jitted code here allocates nothing, and Numba refuses to compile it if it did.
jit = njit(_nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
jit_entry = njit(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True)  # type: ignore[call-overload]


@jit_entry
def run_many(tables, work, contention, placements, priorities, step, busy, peak, figures):
    """Simulate each row of ``placements`` (b, n); results go into the last four arguments.

    ``priorities`` is (b, n), or (0, n) for FIFO. ``step`` (b,), ``busy`` and ``peak`` (b, d);
    ``figures`` (b, 4): bytes moved, time and device of the first lack of memory (-1 if none),
    first op away from its co-location group (-1 if none).
    """
    by_level = priorities.shape[0] > 0
    for row in range(placements.shape[0]):
        level = priorities[U(row if by_level else 0) :]
        begin(tables, work, placements[U(row)], level)
        advance(tables, work, contention, level, LAST_MOMENT)
        step[row] = work.scalars[NOW]
        tell(work, tables.capacity, busy[U(row)], peak[U(row)], figures[U(row)])


@jit
def tell(work, capacity, busy, peak, figures):
    for i in range(len(busy)):
        dev = work.device[U(i)]
        busy[U(i)] = dev.busy
        peak[U(i)] = dev.peak + capacity[U(i)] - dev.room
    for i in range(len(figures)):
        figures[U(i)] = work.scalars[U(FIGURES + i)]


@jit
def begin(tables, work, placement, level):
    """The state before anything has started."""
    _, _, _, sources, parameters, followers, _, _, _, capacity = tables
    ops, _, _, _, queue, heap, devices, ports, device_list, _, _, _, scalars, _, transfers = work
    for i in range(SCALARS):
        scalars[U(i)] = -1 if i > MOVED else 0
    scalars[SPARE] = NONE
    for i in range(len(devices)):
        dev = devices[U(i)]
        dev.base = 0
        dev.moment = -1
        dev.moment_start = 0
        dev.memory = 0
        dev.peak = 0
        dev.room = capacity[U(i)]
        dev.busy = 0
        dev.running = IDLE
        dev.touched = 0
        dev.seen = NONE
    for i in range(len(ports)):
        port = ports[U(i)]
        port.head = NONE
        port.tail = NONE
        port.busy = 0
        port.listed = 0
        port.incoming_busy = 0
        port.waiting = NONE
        port.waiting_for = NONE
    for i in range(len(transfers)):
        transfers[U(i)].tensor = -1
    for i in range(len(ops)):
        here = U(placement[U(i)])
        op = ops[U(i)]
        op.device = np.uint32(here)
        op.missing = op.inputs
        devices[here].base += 1
    settle(devices, scalars, parameters, followers, placement)
    offset = np.int64(0)
    for i in range(len(devices)):
        dev = devices[U(i)]
        size = dev.base
        dev.base = offset
        dev.head = offset
        dev.tail = offset
        offset += size
        if dev.room < 0 and scalars[OOM_TIME] < 0:
            scalars[OOM_TIME] = 0
            scalars[OOM_DEVICE] = i
    for i in range(len(sources)):
        _make_ready(ops, devices, device_list, scalars, queue, heap, level, sources[U(i)])


@jit
def settle(devices, scalars, parameters, followers, placement):
    """What the placement alone decides: room beside the parameters, the first stray op."""
    for i in range(len(parameters)):
        devices[U(placement[U(parameters[U(i), U(0)])])].room -= parameters[U(i), U(1)]
    for i in range(len(followers)):
        if placement[U(followers[U(i), U(0)])] != placement[U(followers[U(i), U(1)])]:
            scalars[STRAY] = followers[U(i), U(0)]
            return


@jit
def advance(tables, work, contention, level, enough):
    """From one moment to the next, until ``enough`` ops have ended or nothing is left to happen."""
    program, _, _, _, _, _, link_of, links, class_of, _ = tables
    (
        ops,
        tensors,
        use_state,
        slots,
        queue,
        heap,
        devices,
        ports,
        device_list,
        port_list,
        events,
        ending,
        scalars,
        op_times,
        transfers,
    ) = work
    d = len(devices)
    timing = op_times.shape[1] > 0
    tracing = len(transfers) > 0
    while True:
        now = scalars[NOW]
        # starts: ops
        count = scalars[DEVICES]
        scalars[DEVICES] = 0
        for i in range(count):
            here = U(device_list[U(i)])
            dev = devices[here]
            dev.touched = 0
            if dev.running != IDLE or dev.head == dev.tail:
                continue
            if len(heap) > 0:
                chosen = _pop_highest(heap, dev)
            else:
                chosen = queue[U(dev.head)]
                dev.head += 1
            packet = U(ops[chosen].packet)
            duration = np.int64(program[packet - U(1) - U(class_of[here])])
            dev.running = chosen
            dev.busy += duration
            _allocate(devices, scalars, here, np.int64(program[packet]))
            if timing:
                op_times[U(0), U(chosen)] = now
            _push_event(events, ending, scalars, duration, np.int64(here))
        # starts: transfers
        count = scalars[PORTS]
        scalars[PORTS] = 0
        for i in range(count):
            slot = port_list[U(i)]
            if contention != FREE:
                where = U(slot)
                ports[where].listed = 0
                if contention == DUPLEX:
                    if ports[where].incoming_busy != 0 or ports[where].waiting == NONE:
                        continue
                    best = ports[where].waiting
                    rival = ports[best].waiting_next
                    while rival != NONE:
                        if _earlier(slots, ports[rival].head, ports[best].head):
                            best = rival
                        rival = ports[rival].waiting_next
                    _stop_waiting(ports, U(best))
                    ports[where].incoming_busy = 1
                    where = U(best)
                elif ports[where].busy != 0 or ports[where].head == NONE:
                    continue
                slot = ports[where].head
                after = slots[slot].next
                ports[where].head = after
                if after == NONE:
                    ports[where].tail = NONE
                else:
                    slots[after].previous = NONE
                ports[where].busy = 1
            longest = np.int64(0)
            copy = slot
            while copy != NONE:
                moving = slots[copy]
                link = links[link_of[moving.source, moving.device]]
                time = link.latency + np.int64(np.rint(np.float64(moving.size) * link.ns_per_byte))
                longest = max(longest, time)
                _allocate(devices, scalars, U(moving.device), moving.size)
                scalars[MOVED] += moving.size
                if tracing:
                    traced = transfers[moving.use]
                    traced.tensor = moving.tensor
                    traced.source = moving.source
                    traced.to = moving.device
                    traced.start = now
                copy = moving.next_copy
            _push_event(events, ending, scalars, longest, np.int64(slot) + d)
        # what ends next: things that took no time, else the next moment's
        if scalars[ENDING] == 0:
            if scalars[EVENTS] == 0 or scalars[DONE] >= enough:
                return
            now = events[U(1)].time
            scalars[NOW] = now
            while scalars[EVENTS] > 0 and events[U(1)].time == now:
                ending[U(scalars[ENDING])] = _pop_event(events, scalars)
                scalars[ENDING] += 1
        # completions
        count = scalars[ENDING]
        scalars[ENDING] = 0
        for i in range(count):
            code = ending[U(i)]
            if code < d:
                here = U(code)
                dev = devices[here]
                op = U(dev.running)
                dev.running = IDLE
                scalars[DONE] += 1
                if dev.touched == 0:
                    _touch(devices, device_list, scalars, here)
                if timing:
                    op_times[U(1), op] = now
                at = U(ops[op].packet)
                counts = program[at + U(1)]
                tensor = program[at + U(2)]
                at += U(3)
                for _ in range(counts & LOW):
                    _release(
                        tensors, use_state, slots, devices, scalars, here,
                        program[at] & LOW, program[at] >> HIGH,
                    )  # fmt: skip
                    at += U(1)
                for _ in range(counts >> HIGH):
                    held = np.int32(0)
                    first = NONE
                    use = program[at] & LOW
                    last = at + (program[at] >> HIGH)
                    while at < last:
                        at += U(1)
                        consumer = program[at] & LOW
                        hold = np.int32(program[at] >> HIGH)
                        user = ops[consumer]
                        if user.device == here:
                            held += hold
                            user.missing -= np.uint32(1)
                            if user.missing == 0:
                                _make_ready(
                                    ops, devices, device_list, scalars, queue, heap, level,
                                    np.uint32(consumer),
                                )  # fmt: skip
                        else:
                            slot = _use_elsewhere(
                                use_state, slots, devices, scalars, use, np.uint32(consumer), hold,
                                tensor, here, user.device,
                            )  # fmt: skip
                            if slot != NONE:
                                slots[slot].size = tensors[tensor].size
                                if contention == EGRESS and first != NONE:
                                    slots[slot].next_copy = slots[first].next_copy
                                    slots[first].next_copy = slot
                                else:
                                    held += np.int32(1)
                                    first = slot
                                    if contention == FREE:
                                        port_list[U(scalars[PORTS])] = slot
                                        scalars[PORTS] += 1
                                    else:
                                        where = here
                                        if contention == LINK:
                                            where = here * U(d) + U(user.device)
                                        _request(
                                            slots, ports, port_list, scalars, contention, where,
                                            slot,
                                        )  # fmt: skip
                        use += U(1)
                    at += U(1)
                    made = tensors[tensor]
                    made.device = np.uint32(here)
                    made.holders = held
                    if held == 0:  # nobody wants it
                        made.holders = 1
                        _release(tensors, use_state, slots, devices, scalars, here, tensor, U(NONE))
                    tensor += U(1)
            else:
                slot = np.uint32(code - d)
                source = U(slots[slot].source)
                if contention != FREE:
                    where = source
                    if contention == LINK:
                        where = source * U(d) + U(slots[slot].device)
                    port = ports[where]
                    port.busy = 0
                    if contention == DUPLEX:
                        there = U(slots[slot].device)
                        ports[there].incoming_busy = 0
                        if ports[there].waiting != NONE:
                            _list_port(ports, port_list, scalars, there)
                    if port.head != NONE:
                        _look_at_port(slots, ports, port_list, scalars, contention, where)
                _release(
                    tensors, use_state, slots, devices, scalars, source, U(slots[slot].tensor),
                    U(NONE),
                )  # fmt: skip
                while slot != NONE:
                    if tracing:
                        transfers[slots[slot].use].finish = now
                    reader = slots[slot].use
                    while reader != NONE:
                        waiting = use_state[reader].consumer
                        user = ops[waiting]
                        user.missing -= np.uint32(1)
                        if user.missing == 0:
                            _make_ready(
                                ops, devices, device_list, scalars, queue, heap, level, waiting
                            )
                        reader = use_state[reader].next
                    slot = slots[slot].next_copy


@jit
def _allocate(devices, scalars, here, size):
    dev = devices[here]
    dev.memory += size
    if dev.memory > dev.peak:
        dev.peak = dev.memory
        if dev.memory > dev.room:
            first = scalars[OOM_TIME]
            now = scalars[NOW]
            if first < 0 or (first == now and np.int64(here) < scalars[OOM_DEVICE]):
                scalars[OOM_TIME] = now
                scalars[OOM_DEVICE] = np.int64(here)


@jit
def _release(tensors, use_state, slots, devices, scalars, here, tensor, use):
    """One fewer needs a tensor on device ``here``; the last one frees it, and what it views."""
    while tensors[tensor].device == here:
        freed = tensors[tensor]
        left = freed.holders - np.int32(1)
        freed.holders = left
        if left != 0:
            return
        devices[here].memory -= freed.local_size
        if freed.alias == NONE:
            return
        tensor = U(freed.alias)
        use = U(freed.alias_use)
    slot = use_state[use].slot
    copy = slots[slot]
    copy.holders -= np.int32(1)
    if copy.holders == 0:
        devices[here].memory -= copy.size
        copy.next = np.uint32(scalars[SPARE])
        scalars[SPARE] = slot


# -- events


@jit
def _push_event(events, ending, scalars, duration, code):
    if duration == 0:
        ending[U(scalars[ENDING])] = code
        scalars[ENDING] += 1
    else:
        scalars[EVENTS] += 1
        _rise_event(events, U(scalars[EVENTS]), scalars[NOW] + duration, code)


@jit
def _rise_event(events, i, time, code):
    while i > U(1):
        above = events[i >> U(1)]
        if above.time <= time:
            break
        events[i].time = above.time
        events[i].code = above.code
        i >>= U(1)
    events[i].time = time
    events[i].code = code


@jit
def _pop_event(events, scalars):
    """Close the gap at the top from below, then let the last entry rise from where it ends."""
    top = events[U(1)].code
    size = U(scalars[EVENTS])
    scalars[EVENTS] -= 1
    time = events[size].time
    code = events[size].code
    events[size].time = LAST_MOMENT  # spares a check below
    i = U(1)
    child = U(2)
    while child < size:
        child += U(events[child + U(1)].time < events[child].time)
        below = events[child]
        events[i].time = below.time
        events[i].code = below.code
        i = child
        child = i << U(1)
    _rise_event(events, i, time, code)
    return top


# -- ready queues


@jit
def _touch(devices, device_list, scalars, here):
    devices[here].touched = 1
    device_list[U(scalars[DEVICES])] = np.uint32(here)
    scalars[DEVICES] += 1


@jit
def _make_ready(ops, devices, device_list, scalars, queue, heap, level, op):
    here = U(ops[op].device)
    dev = devices[here]
    now = scalars[NOW]
    i = dev.tail
    dev.tail = i + 1
    if len(heap) > 0:
        _sift_up(heap, dev.base, i - dev.base, -level[U(0), op], now, op)
    else:
        if dev.moment != now:
            dev.moment = now
            dev.moment_start = i
        low = max(dev.moment_start, dev.head)
        while i > low and queue[U(i - 1)] > op:
            queue[U(i)] = queue[U(i - 1)]
            i -= 1
        queue[U(i)] = op
    if dev.running == IDLE and dev.touched == 0:
        _touch(devices, device_list, scalars, here)


@jit
def _before(entry, level, time, op):
    """Does ``entry`` come before (level, time, op)?"""
    if entry.level != level:
        return entry.level < level
    if entry.time != time:
        return entry.time < time
    return entry.op < op


@jit
def _put(heap, i, level, time, op):
    entry = heap[U(i)]
    entry.level = level
    entry.time = time
    entry.op = op


@jit
def _sift_up(heap, base, i, level, time, op):
    while i > 0:
        parent = (i - 1) >> 1
        above = heap[U(base + parent)]
        if _before(above, level, time, op):
            break
        _put(heap, base + i, above.level, above.time, above.op)
        i = parent
    _put(heap, base + i, level, time, op)


@jit
def _pop_highest(heap, dev):
    """Close the gap at the top from below, then let the last entry rise from where it ends."""
    base = dev.base
    size = dev.tail - base - 1
    dev.tail = base + size
    last = heap[U(base + size)]
    top = heap[U(base)].op
    i = np.int64(0)
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size:
            left = heap[U(base + child)]
            right = heap[U(base + child + 1)]
            child += np.int64(
                (right.level < left.level)
                | (
                    (right.level == left.level)
                    & (
                        (right.time < left.time)
                        | ((right.time == left.time) & (right.op < left.op))
                    )
                )
            )
        risen = heap[U(base + child)]
        _put(heap, base + i, risen.level, risen.time, risen.op)
        i = child
    _sift_up(heap, base, i, last.level, last.time, last.op)
    return top


# -- transfer queues


@jit
def _use_elsewhere(
    use_state, slots, devices, scalars, use, consumer, hold, tensor, here, there
):  # fmt: skip
    """Book a use on device ``there``; returns the slot if it is the first one there, else NONE."""
    use_state[use].next = NONE
    use_state[use].consumer = consumer
    dev = devices[there]
    if dev.seen == tensor:
        use_state[use].slot = dev.seen_slot
        use_state[dev.seen_tail].next = np.uint32(use)
        dev.seen_tail = np.uint32(use)
        slots[dev.seen_slot].holders += hold
        return NONE
    if scalars[SPARE] == NONE:
        slot = np.uint32(scalars[SLOTS])
        scalars[SLOTS] += 1
    else:
        slot = np.uint32(scalars[SPARE])
        scalars[SPARE] = slots[slot].next
    use_state[use].slot = slot
    dev.seen = np.uint32(tensor)
    dev.seen_slot = slot
    dev.seen_tail = np.uint32(use)
    copy = slots[slot]
    copy.tensor = np.uint32(tensor)
    copy.source = np.uint32(here)
    copy.device = there
    copy.holders = hold
    copy.use = np.uint32(use)
    copy.next_copy = NONE
    copy.requested = scalars[NOW]
    return slot


@jit
def _request(slots, ports, port_list, scalars, contention, where, slot):
    """Queue a new slot at the port ``where``, nearly always at the end."""
    copy = slots[slot]
    port = ports[where]
    before = port.tail
    while before != NONE and _earlier(slots, slot, before):
        before = slots[before].previous
    copy.previous = before
    if before == NONE:
        copy.next = port.head
        port.head = slot
        if contention == DUPLEX:
            _stop_waiting(ports, where)
    else:
        copy.next = slots[before].next
        slots[before].next = slot
    if copy.next == NONE:
        port.tail = slot
    else:
        slots[copy.next].previous = slot
    if port.busy == 0:
        _look_at_port(slots, ports, port_list, scalars, contention, where)


@jit
def _earlier(slots, a, b):
    """FIFO: by request time, then tensor, then destination."""
    x, y = slots[a], slots[b]
    if x.requested != y.requested:
        return x.requested < y.requested
    if x.tensor != y.tensor:
        return x.tensor < y.tensor
    return x.device < y.device


@jit
def _look_at_port(slots, ports, port_list, scalars, contention, where):
    """List a free port with requests (duplex: the incoming port that its head waits for)."""
    if contention == DUPLEX:
        if ports[where].waiting_for != NONE:
            return
        there = slots[ports[where].head].device
        ports[where].waiting_for = there
        ports[where].waiting_next = ports[there].waiting
        ports[there].waiting = np.uint32(where)
        where = U(there)
    _list_port(ports, port_list, scalars, where)


@jit
def _list_port(ports, port_list, scalars, where):
    if ports[where].listed == 0:
        ports[where].listed = 1
        port_list[U(scalars[PORTS])] = np.uint32(where)
        scalars[PORTS] += 1


@jit
def _stop_waiting(ports, source):
    there = ports[source].waiting_for
    if there == NONE:
        return
    ports[source].waiting_for = NONE
    following = ports[source].waiting_next
    if ports[there].waiting == source:
        ports[there].waiting = following
        return
    before = ports[there].waiting
    while ports[before].waiting_next != source:
        before = ports[before].waiting_next
    ports[before].waiting_next = following
