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
jit = njit(  # type: ignore[call-overload]
    _nrt=False, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_apart = njit(  # type: ignore[call-overload]  # called seldom: quicker to compile
    _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_entry = njit(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True)  # type: ignore[call-overload]


@jit_entry
def run_many(tables, work, contention, placements, priorities, step, busy, peak, figures):
    """Simulate each row of ``placements`` (b, n); results go into the last four arguments.

    ``priorities`` is (b, n), or (0, n) for FIFO. ``step`` (b,), ``busy`` and ``peak`` (b, d);
    ``figures`` (b, 4): bytes moved, time and device of the first lack of memory (-1 if none),
    first op away from its co-location group (-1 if none).
    """
    by_level = priorities.shape[0] > 0
    for row in range(U(placements.shape[0])):
        level = priorities[row:] if by_level else priorities
        begin(tables, work, placements[row], level)
        advance(tables, work, contention, level, LAST_MOMENT)
        step[row] = work.scalars[NOW]
        tell(work, tables.capacity, busy[row], peak[row], figures[row])


@jit
def tell(work, capacity, busy, peak, figures):
    for i in range(U(len(busy))):
        dev = work.device[i]
        busy[i] = dev.busy
        peak[i] = dev.peak + capacity[i] - dev.room
    for i in range(U(len(figures))):
        figures[i] = work.scalars[U(FIGURES) + i]


@jit_apart
def begin(tables, work, placement, level):
    """The state before anything has started."""
    ops, devices, ports, scalars, transfers = (
        work.op, work.device, work.port, work.scalars, work.transfers,
    )  # fmt: skip
    for i in range(U(SCALARS)):
        scalars[i] = -1 if i > MOVED else 0
    scalars[SPARE] = NONE
    for i in range(U(len(devices))):
        dev = devices[i]
        dev.base = U(0)
        dev.moment = -1
        dev.moment_start = U(0)
        dev.memory = 0
        dev.peak = 0
        dev.room = tables.capacity[i]
        dev.busy = 0
        dev.running = IDLE
        dev.touched = 0
        dev.seen = NONE
    for i in range(U(len(ports))):
        port = ports[i]
        port.head = NONE
        port.tail = NONE
        port.busy = 0
        port.listed = 0
        port.incoming_busy = 0
        port.waiting = NONE
        port.waiting_for = NONE
    for i in range(U(len(transfers))):
        transfers[i].tensor = -1
    for i in range(U(len(ops))):
        here = U(placement[i])
        op = ops[i]
        op.device = np.uint32(here)
        op.missing = op.inputs
        devices[here].base += U(1)
    settle(tables, work, placement)
    offset = U(0)
    for i in range(U(len(devices))):
        dev = devices[i]
        size = dev.base
        dev.base = offset
        dev.head = offset
        dev.tail = offset
        offset += size
        if dev.room < 0 and scalars[OOM_TIME] < 0:
            scalars[OOM_TIME] = 0
            scalars[OOM_DEVICE] = np.int64(i)
    for i in range(U(len(tables.sources))):
        _make_ready(work, level, tables.sources[i])


@jit_apart
def settle(tables, work, placement):
    """What the placement alone decides: room beside the parameters, the first stray op."""
    for i in range(U(len(tables.parameters))):
        op, size = tables.parameters[i]
        work.device[U(placement[U(op)])].room -= size
    for i in range(U(len(tables.followers))):
        op, leader = tables.followers[i]
        if placement[U(op)] != placement[U(leader)]:
            work.scalars[STRAY] = op
            return


@jit_apart
def advance(tables, work, contention, level, enough):
    """From one moment to the next, until ``enough`` ops have ended or nothing is left to happen."""
    scalars, events, ending = work.scalars, work.events, work.ending
    devices = len(work.device)
    while True:
        _start_ops(tables, work)
        _start_transfers(tables, work, contention)
        if scalars[ENDING] == 0:  # nothing took no time: on to the next moment
            if scalars[EVENTS] == 0 or scalars[DONE] >= enough:
                return
            scalars[NOW] = events[U(1)].time
            while scalars[EVENTS] > 0 and events[U(1)].time == scalars[NOW]:
                ending[U(scalars[ENDING])] = _pop_event(events, scalars)
                scalars[ENDING] += 1
        count = scalars[ENDING]
        scalars[ENDING] = 0
        for i in range(U(count)):
            code = ending[i]
            if code < devices:
                _end_op(tables, work, contention, level, U(code))
            else:
                _end_transfer(work, contention, level, np.uint32(code - devices))


# -- starts


@jit
def _start_ops(tables, work):
    scalars = work.scalars
    count = scalars[DEVICES]
    scalars[DEVICES] = 0
    for i in range(U(count)):
        here = U(work.device_list[i])
        dev = work.device[here]
        dev.touched = 0
        if dev.running != IDLE or dev.head == dev.tail:
            continue
        if len(work.heap) > 0:
            chosen = _pop_highest(work.heap, dev)
        else:
            chosen = work.queue[U(dev.head)]
            dev.head += U(1)
        packet = U(work.op[chosen].packet)
        duration = np.int64(tables.program[packet - U(1) - U(tables.device_class[here])])
        dev.running = chosen
        dev.busy += duration
        _allocate(work.device, scalars, here, np.int64(tables.program[packet]))
        if work.op_times.shape[1] > 0:
            work.op_times[U(0), U(chosen)] = scalars[NOW]
        _push_event(work.events, work.ending, scalars, duration, np.int64(here))


@jit
def _start_transfers(tables, work, contention):
    scalars, slots = work.scalars, work.slot
    count = scalars[PORTS]
    scalars[PORTS] = 0
    for i in range(U(count)):
        slot = work.port_list[i]
        if contention != FREE:
            slot = _take_request(work, contention, U(slot))
            if slot == NONE:
                continue
        longest = np.int64(0)
        copy = slot
        while copy != NONE:
            moving = slots[copy]
            link = tables.links[tables.link_of[moving.source, moving.device]]
            time = link.latency + np.int64(np.rint(np.float64(moving.size) * link.ns_per_byte))
            longest = max(longest, time)
            _allocate(work.device, scalars, U(moving.device), moving.size)
            scalars[MOVED] += moving.size
            if len(work.transfers) > 0:
                traced = work.transfers[moving.use]
                traced.tensor = moving.tensor
                traced.source = moving.source
                traced.to = moving.device
                traced.start = scalars[NOW]
            copy = moving.next_copy
        _push_event(work.events, work.ending, scalars, longest, np.int64(slot) + len(work.device))


# -- completions


@jit
def _end_op(tables, work, contention, level, here):
    program, scalars = tables.program, work.scalars
    dev = work.device[here]
    op = U(dev.running)
    dev.running = IDLE
    scalars[DONE] += 1
    if dev.touched == 0:
        _touch(dev, work.device_list, work.scalars, here)
    if work.op_times.shape[1] > 0:
        work.op_times[U(1), op] = scalars[NOW]
    at = U(work.op[op].packet)
    counts = program[at + U(1)]
    tensor = program[at + U(2)]
    at += U(3)
    for _ in range(counts & LOW):
        _release(work, here, program[at] & LOW, program[at] >> HIGH)
        at += U(1)
    for _ in range(counts >> HIGH):
        held = np.int32(0)
        first = NONE
        use = program[at] & LOW
        last = at + (program[at] >> HIGH)
        while at < last:
            at += U(1)
            consumer = np.uint32(program[at] & LOW)
            hold = np.int32(program[at] >> HIGH)
            there = work.op[consumer].device
            if there == here:
                held += hold
                _arrive(work, level, consumer)
            else:
                slot = _use_elsewhere(work, use, consumer, hold, tensor, here, there)
                if contention == EGRESS and slot != NONE and first != NONE:
                    work.slot[slot].next_copy = work.slot[first].next_copy
                    work.slot[first].next_copy = slot
                elif slot != NONE:
                    held += np.int32(1)
                    first = slot
                    _request(work, contention, slot)
            use += U(1)
        at += U(1)
        made = work.tensor[tensor]
        made.device = np.uint32(here)
        made.holders = held
        if held == 0:  # nobody wants it
            made.holders = 1
            _release(work, here, tensor, U(NONE))
        tensor += U(1)


@jit
def _end_transfer(work, contention, level, slot):
    slots, ports = work.slot, work.port
    source = U(slots[slot].source)
    if contention != FREE:
        where = _port_of(work, contention, slot)
        ports[where].busy = 0
        if contention == DUPLEX:
            there = U(slots[slot].device)
            ports[there].incoming_busy = 0
            if ports[there].waiting != NONE:
                _list_port(ports, work.port_list, work.scalars, there)
        if ports[where].head != NONE:
            _look_at_port(work, contention, where)
    _release(work, source, U(slots[slot].tensor), U(NONE))
    while slot != NONE:
        if len(work.transfers) > 0:
            work.transfers[slots[slot].use].finish = work.scalars[NOW]
        reader = slots[slot].use
        while reader != NONE:
            _arrive(work, level, work.use[reader].consumer)
            reader = work.use[reader].next
        slot = slots[slot].next_copy


@jit
def _arrive(work, level, consumer):
    """One input more is there."""
    user = work.op[consumer]
    user.missing -= np.uint32(1)
    if user.missing == 0:
        _make_ready(work, level, consumer)


# -- memory


@jit
def _allocate(devices, scalars, here, size):
    dev = devices[here]
    dev.memory += size
    if dev.memory > dev.peak:
        dev.peak = dev.memory
        if dev.memory > dev.room:
            first, now = scalars[OOM_TIME], scalars[NOW]
            if first < 0 or (first == now and np.int64(here) < scalars[OOM_DEVICE]):
                scalars[OOM_TIME] = now
                scalars[OOM_DEVICE] = np.int64(here)


@jit
def _release(work, here, tensor, use):
    """One fewer needs a tensor on device ``here``; the last one frees it, and what it views."""
    while work.tensor[tensor].device == here:
        freed = work.tensor[tensor]
        left = freed.holders - np.int32(1)
        freed.holders = left
        if left != 0:
            return
        work.device[here].memory -= freed.local_size
        if freed.alias == NONE:
            return
        tensor = U(freed.alias)
        use = U(freed.alias_use)
    slot = work.use[use].slot
    copy = work.slot[slot]
    copy.holders -= np.int32(1)
    if copy.holders == 0:
        work.device[here].memory -= copy.size
        copy.next = np.uint32(work.scalars[SPARE])
        work.scalars[SPARE] = slot


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
def _touch(dev, device_list, scalars, here):
    dev.touched = 1
    device_list[U(scalars[DEVICES])] = np.uint32(here)
    scalars[DEVICES] += 1


@jit
def _make_ready(work, level, op):
    queue, now = work.queue, work.scalars[NOW]
    here = U(work.op[op].device)
    dev = work.device[here]
    i = dev.tail
    dev.tail = i + U(1)
    if len(work.heap) > 0:
        _sift_up(work.heap, dev.base, i - dev.base, -level[U(0), op], now, op)
    else:
        if dev.moment != now:
            dev.moment = now
            dev.moment_start = i
        low = max(dev.moment_start, dev.head)
        while i > low and queue[i - U(1)] > op:
            queue[i] = queue[i - U(1)]
            i -= U(1)
        queue[i] = op
    if dev.running == IDLE and dev.touched == 0:
        _touch(dev, work.device_list, work.scalars, here)


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
    entry = heap[i]
    entry.level = level
    entry.time = time
    entry.op = op


@jit
def _sift_up(heap, base, i, level, time, op):
    while i > U(0):
        parent = (i - U(1)) >> U(1)
        above = heap[base + parent]
        if _before(above, level, time, op):
            break
        _put(heap, base + i, above.level, above.time, above.op)
        i = parent
    _put(heap, base + i, level, time, op)


@jit
def _pop_highest(heap, dev):
    """Close the gap at the top from below, then let the last entry rise from where it ends."""
    base = dev.base
    size = dev.tail - base - U(1)
    dev.tail = base + size
    last = heap[base + size]
    top = heap[base].op
    i = U(0)
    child = U(1)
    while child < size:
        if child + U(1) < size:
            left = heap[base + child]
            right = heap[base + child + U(1)]
            child += U(  # without branches, which would be guessed wrong half of the time
                (right.level < left.level)
                | (
                    (right.level == left.level)
                    & (
                        (right.time < left.time)
                        | ((right.time == left.time) & (right.op < left.op))
                    )
                )
            )
        risen = heap[base + child]
        _put(heap, base + i, risen.level, risen.time, risen.op)
        i = child
        child = (i << U(1)) + U(1)
    _sift_up(heap, base, i, last.level, last.time, last.op)
    return top


# -- transfer queues


@jit
def _use_elsewhere(work, use, consumer, hold, tensor, here, there):
    """Book a use on device ``there``; returns the slot if it is the first one there, else NONE."""
    uses, slots, scalars = work.use, work.slot, work.scalars
    uses[use].next = NONE
    uses[use].consumer = consumer
    dev = work.device[there]
    if dev.seen == tensor:
        uses[use].slot = dev.seen_slot
        uses[dev.seen_tail].next = np.uint32(use)
        dev.seen_tail = np.uint32(use)
        slots[dev.seen_slot].holders += hold
        return NONE
    if scalars[SPARE] == NONE:
        slot = np.uint32(scalars[SLOTS])
        scalars[SLOTS] += 1
    else:
        slot = np.uint32(scalars[SPARE])
        scalars[SPARE] = slots[slot].next
    uses[use].slot = slot
    dev.seen = np.uint32(tensor)
    dev.seen_slot = slot
    dev.seen_tail = np.uint32(use)
    copy = slots[slot]
    copy.requested = scalars[NOW]
    copy.size = work.tensor[tensor].size
    copy.tensor = np.uint32(tensor)
    copy.source = np.uint32(here)
    copy.device = there
    copy.holders = hold
    copy.use = np.uint32(use)
    copy.next_copy = NONE
    return slot


@jit
def _port_of(work, contention, slot):
    """The port that a transfer occupies (duplex: the outgoing one)."""
    moving = work.slot[slot]
    if contention == LINK:
        return U(moving.source) * U(len(work.device)) + U(moving.device)
    return U(moving.source)


@jit
def _request(work, contention, slot):
    """Queue a new slot at its port, nearly always at the end."""
    slots = work.slot
    if contention == FREE:
        work.port_list[U(work.scalars[PORTS])] = slot
        work.scalars[PORTS] += 1
        return
    where = _port_of(work, contention, slot)
    copy, port = slots[slot], work.port[where]
    before = port.tail
    while before != NONE and _earlier(slots, slot, before):
        before = slots[before].previous
    copy.previous = before
    if before == NONE:
        copy.next = port.head
        port.head = slot
        if contention == DUPLEX:
            _stop_waiting(work.port, where)
    else:
        copy.next = slots[before].next
        slots[before].next = slot
    if copy.next == NONE:
        port.tail = slot
    else:
        slots[copy.next].previous = slot
    if port.busy == 0:
        _look_at_port(work, contention, where)


@jit
def _take_request(work, contention, where):
    """The slot whose transfer starts now at a listed port, or NONE; it makes the port busy."""
    ports, slots = work.port, work.slot
    ports[where].listed = 0
    if contention == DUPLEX:
        if ports[where].incoming_busy != 0 or ports[where].waiting == NONE:
            return NONE
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
        return NONE
    port = ports[where]
    slot = port.head
    port.busy = 1
    port.head = slots[slot].next
    if port.head == NONE:
        port.tail = NONE
    else:
        slots[port.head].previous = NONE
    return slot


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
def _look_at_port(work, contention, where):
    """List a free port with requests (duplex: the incoming port that its head waits for)."""
    ports = work.port
    if contention == DUPLEX:
        if ports[where].waiting_for != NONE:
            return
        there = work.slot[ports[where].head].device
        ports[where].waiting_for = there
        ports[where].waiting_next = ports[there].waiting
        ports[there].waiting = np.uint32(where)
        where = U(there)
    _list_port(ports, work.port_list, work.scalars, where)


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
