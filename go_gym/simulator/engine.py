"""The Numba engine: the specification of ``reference.py``, fast.

What makes it fast: a binary heap over running ops and transfers only,
and none for what takes no time; first come first served ready queues in one array, so that only
ops that became ready at the same moment are ever sorted; small packed records; and unsigned
indices (``U``), which spare Numba's check for negative ones.

What keeps its compilation short, most of which is Numba's own work for each function, array and
index: helpers are handed records and the arrays that they need, all of ``work`` only where they
need most of it.

A *slot* is the copy of a tensor on a device other than its producer's, and the transfer that
brings it. Slots are taken from a pool and given back when the copy is freed, so that those in use
stay in the cache. Under egress contention one transfer, named by its first slot, brings all copies
of a tensor.
"""

import numpy as np
from numba import njit

from go_gym.simulator.tables import NONE
from go_gym.simulator.work import DUPLEX, EGRESS, FREE, LINK

U = np.uint64
ONE, THREE = U(1), U(3)
LOW, HIGH = U(0xFFFFFFFF), U(32)  # halves of a word of the program
IDLE = NONE
LAST_MOMENT = np.iinfo(np.int64).max

# Without Numba's reference counting, which takes four fifths of the time where helpers are handed
# ten arrays each; jitted code here allocates nothing, and Numba refuses to compile it if it did.
jit = njit(  # type: ignore[call-overload]
    _nrt=False, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_once = njit(  # type: ignore[call-overload]  # called in one place, not compiled by itself
    _nrt=False, inline="always", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_apart = njit(  # type: ignore[call-overload]  # called seldom: quicker to compile
    _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
jit_entry = njit(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True)  # type: ignore[call-overload]


@jit_entry
def run_many(tables, work, contention, placements, priorities, outcome):
    """Simulate each row of ``placements`` (b, n), by those of ``priorities`` or FIFO if None.

    Each row of ``outcome`` gets what ``work`` then begins with: the state and that of the devices.
    """
    for row in range(U(len(placements))):
        if priorities is None:  # noqa: SIM108 - so Numba leaves out the half that is not taken
            level = None
        else:
            level = priorities[row:]
        _begin(tables, work, placements[row], level)
        _advance(tables, work, contention, level, LAST_MOMENT)
        for i in range(U(outcome.shape[1])):
            outcome[row, i] = work.words[i]


@jit_once
def _begin(tables, work, placement, level):
    """The state before anything has started. ``level`` (1, n), None for FIFO."""
    ops, devices, s = work.op, work.device, work.state[U(0)]
    for i in range(U(len(work.words))):
        work.words[i] = work.fresh[i]
    for i in range(U(len(ops))):
        op = ops[i]
        op.device = placement[i]
        op.missing = tables.op[i].inputs
        devices[op.device].base += ONE
    for i in range(U(len(tables.parameters))):
        op = ops[U(tables.parameters[i, U(0)])]
        devices[op.device].room -= tables.parameters[i, ONE]
    for i in range(U(len(tables.followers))):
        follower, leader = tables.followers[i, U(0)], tables.followers[i, ONE]
        if ops[U(follower)].device != ops[U(leader)].device:
            s.stray = follower
            break
    offset = U(0)
    for i in range(U(len(devices))):
        dev = devices[i]
        size = dev.base
        dev.base = offset
        dev.head = offset
        dev.tail = offset
        offset += size
        if dev.room < 0 and s.oom_time < 0:
            s.oom_time = 0
            s.oom_device = i
    for i in range(U(len(tables.sources))):
        op = U(tables.sources[i])
        ops[op].missing = 1
        _arrive(work, level, s, op)


@jit_once
def _advance(tables, work, contention, level, enough):
    """From one moment to the next, until ``enough`` ops have ended or nothing is left to happen."""
    events, s = work.events, work.state[U(0)]
    devices = len(work.device)
    while True:
        if s.ending > 0:
            s.ending -= ONE
            code = work.ending[s.ending]
        elif s.events > 0 and events[ONE].time == s.now:
            code = _pop_event(events, s)
        else:
            while s.devices > 0:
                s.devices -= ONE
                _start_op(tables, work, level, s, U(work.device_list[s.devices]))
            while s.ports > 0:
                s.ports -= ONE
                _start_transfer(tables, work, contention, s, U(work.port_list[s.ports]))
            if s.ending == 0:  # nothing took no time: on to the next moment
                if s.events == 0 or s.done >= enough:
                    return
                s.now = events[ONE].time
            continue
        if code < devices:
            _end_op(tables, work, contention, level, s, U(code))
        else:
            _end_transfer(work, contention, level, s, U(code - devices))


begin, advance = jit_apart(_begin.py_func), jit_apart(_advance.py_func)  # for other files


# -- starts


@jit
def _start_op(tables, work, level, s, here):
    """Start the head of a device's ready queue, if it is idle."""
    dev = work.device[here]
    dev.touched = 0
    if dev.running != IDLE or dev.head == dev.tail:
        return
    if level is None:
        chosen = U(work.queue[dev.head])
        dev.head += ONE
    else:
        chosen = U(_pop_highest(work.heap, dev))
    packet = U(tables.op[chosen].packet)
    duration = np.int64(tables.program[packet - ONE - dev.row])
    dev.running = chosen
    dev.busy += duration
    _allocate(dev, s, here, np.int64(tables.program[packet]))
    if work.op_times.shape[1] > 0:
        work.op_times[U(0), chosen] = s.now
    _push_event(work.events, work.ending, s, duration, here)


@jit
def _start_transfer(tables, work, contention, s, slot):
    """Start the transfer that a listed port can (without contention: that of a listed slot)."""
    slots = work.slot
    if contention != FREE:
        slot = _take_request(work.port, slots, contention, slot)
        if slot == NONE:
            return
    longest = np.int64(0)
    copy = slot
    while copy != NONE:
        moving = slots[copy]
        link = tables.link[moving.source, moving.device]
        time = link.latency + np.int64(np.rint(np.float64(moving.size) * link.ns_per_byte))
        if time > longest:
            longest = time
        _allocate(work.device[moving.device], s, U(moving.device), moving.size)
        s.moved += moving.size
        if len(work.transfers) > 0:
            traced = work.transfers[moving.use]
            traced.tensor = moving.tensor
            traced.source = moving.source
            traced.to = moving.device
            traced.start = s.now
        copy = U(moving.next_copy)
    _push_event(work.events, work.ending, s, longest, slot + U(len(work.device)))


# -- completions


@jit
def _end_op(tables, work, contention, level, s, here):
    program, tensors = tables.program, work.tensor
    dev = work.device[here]
    op = dev.running
    dev.running = IDLE
    s.done += 1
    dev.touched = 1
    work.device_list[s.devices] = here
    s.devices += ONE
    if work.op_times.shape[1] > 0:
        work.op_times[ONE, op] = s.now
    at = U(tables.op[op].packet)
    counts = program[at + ONE]
    tensor = program[at + U(2)]
    at += THREE
    last = at + (counts & LOW)
    while at < last:
        word = program[at]
        _release(tensors, work.use, work.slot, dev, s, here, word & LOW, word >> HIGH)
        at += ONE
    end = tensor + (counts >> HIGH)
    while tensor < end:
        made = tensors[tensor]
        held = np.int32(0)
        first = U(NONE)
        use = program[at] & LOW
        last = at + (program[at] >> HIGH)
        while at < last:
            at += ONE
            consumer = program[at] & LOW
            hold = np.int32(program[at] >> HIGH)
            there = U(work.op[consumer].device)
            if there == here:
                held += hold
                _arrive(work, level, s, consumer)
            else:
                slot = _use_elsewhere(
                    work.use, work.slot, work.device[there], s, use, consumer, hold, tensor
                )
                if slot != NONE:
                    copy = work.slot[slot]
                    copy.size = made.size
                    copy.source = here
                    copy.device = there
                    if contention == EGRESS and first != NONE:
                        copy.next_copy = work.slot[first].next_copy
                        work.slot[first].next_copy = slot
                    else:
                        held += np.int32(1)
                        first = slot
                        where = here
                        if contention == LINK:
                            where = here * U(len(work.device)) + there
                        _request(work.port, work.slot, work.port_list, s, contention, where, slot)
            use += ONE
        at += ONE
        made.device = here
        made.holders = held
        if held == 0:  # nobody wants it
            made.holders = 1
            _release(tensors, work.use, work.slot, dev, s, here, tensor, U(NONE))
        tensor += ONE


@jit
def _end_transfer(work, contention, level, s, slot):
    slots, ports = work.slot, work.port
    copy = slots[slot]
    source = U(copy.source)
    if contention != FREE:
        there = U(copy.device)
        where = source
        if contention == LINK:
            where = source * U(len(work.device)) + there
        ports[where].busy = 0
        if contention == DUPLEX:
            ports[there].incoming_busy = 0
            if ports[there].waiting != NONE:
                _list_port(ports[there], work.port_list, s, there)
        if ports[where].head != NONE:
            _look_at_port(ports, slots, work.port_list, s, contention, where)
    _release(work.tensor, work.use, slots, work.device[source], s, source, U(copy.tensor), U(NONE))
    while slot != NONE:
        copy = slots[slot]
        reader = U(copy.use)
        if len(work.transfers) > 0:
            work.transfers[reader].finish = s.now
        while reader != NONE:
            found = work.use[reader]
            _arrive(work, level, s, U(found.consumer))
            reader = U(found.next)
        slot = U(copy.next_copy)


@jit
def _arrive(work, level, s, op):
    """One input more of an op is there; with the last one it is ready."""
    user = work.op[op]
    user.missing -= np.uint32(1)
    if user.missing != 0:
        return
    here = U(user.device)
    dev, queue, now = work.device[here], work.queue, s.now
    i = dev.tail
    dev.tail = i + ONE
    if level is None:
        if dev.moment != now:
            dev.moment = now
            dev.moment_start = i
        low = dev.head
        if dev.moment_start > low:
            low = dev.moment_start
        while i > low and queue[i - ONE] > op:
            queue[i] = queue[i - ONE]
            i -= ONE
        queue[i] = op
    else:
        _sift_up(work.heap, dev.base, i - dev.base, -level[U(0), op], now, op)
    if dev.running == IDLE and dev.touched == 0:
        dev.touched = 1
        work.device_list[s.devices] = here
        s.devices += ONE


# -- memory


@jit
def _allocate(dev, s, here, size):
    memory = dev.memory + size
    dev.memory = memory
    if memory > dev.peak:
        dev.peak = memory
        if memory > dev.room:
            device = np.int64(here)
            if s.oom_time < 0 or (s.oom_time == s.now and device < s.oom_device):
                s.oom_time = s.now
                s.oom_device = device


@jit
def _release(tensors, uses, slots, dev, s, here, tensor, use):
    """One fewer needs a tensor on device ``here``; the last one frees it, and what it views."""
    while True:
        freed = tensors[tensor]
        if freed.device != here:
            break
        left = freed.holders - np.int32(1)
        freed.holders = left
        if left != 0:
            return
        dev.memory -= freed.local_size
        if freed.alias == NONE:
            return
        tensor = U(freed.alias)
        use = U(freed.alias_use)
    slot = uses[use].slot
    copy = slots[slot]
    copy.holders -= np.int32(1)
    if copy.holders == 0:
        dev.memory -= copy.size
        copy.next = s.spare
        s.spare = slot


# -- events


@jit
def _push_event(events, ending, s, duration, code):
    if duration == 0:
        ending[s.ending] = code
        s.ending += ONE
    else:
        s.events += ONE
        _rise_event(events, s.events, s.now + duration, code)


@jit
def _rise_event(events, i, time, code):
    while i > ONE:
        above = events[i >> ONE]
        if above.time <= time:
            break
        entry = events[i]
        entry.time = above.time
        entry.code = above.code
        i >>= ONE
    entry = events[i]
    entry.time = time
    entry.code = code


@jit
def _pop_event(events, s):
    """Close the gap at the top from below, then let the last entry rise from where it ends."""
    entry = events[ONE]
    top = entry.code
    size = s.events
    s.events = size - ONE
    last = events[size]
    time = last.time
    last.time = LAST_MOMENT  # spares a check below
    i = ONE
    child = U(2)
    while child < size:
        child += U(events[child + ONE].time < events[child].time)
        below = events[child]
        entry.time = below.time
        entry.code = below.code
        entry = below
        i = child
        child = i << ONE
    _rise_event(events, i, time, U(last.code))
    return top


# -- ready queues of decisions with priorities


@jit
def _put(entry, level, time, op):
    entry.level = level
    entry.time = time
    entry.op = op


@jit
def _sift_up(heap, base, i, level, time, op):
    while i > 0:
        parent = (i - ONE) >> ONE
        above = heap[base + parent]
        if above.level < level or (
            above.level == level and (above.time < time or (above.time == time and above.op < op))
        ):
            break
        _put(heap[base + i], above.level, above.time, U(above.op))
        i = parent
    _put(heap[base + i], level, time, op)


@jit
def _pop_highest(heap, dev):
    """Close the gap at the top from below, then let the last entry rise from where it ends."""
    base = dev.base
    size = dev.tail - base - ONE
    dev.tail = base + size
    last = heap[base + size]
    entry = heap[base]
    top = entry.op
    i = U(0)
    child = ONE
    while child < size:
        if child + ONE < size:
            left = heap[base + child]
            right = heap[base + child + ONE]
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
        _put(entry, risen.level, risen.time, U(risen.op))
        entry = risen
        i = child
        child = (i << ONE) + ONE
    _sift_up(heap, base, i, last.level, last.time, U(last.op))
    return top


# -- transfer queues


@jit_once
def _use_elsewhere(uses, slots, dev, s, use, consumer, hold, tensor):
    """Book a use on another device; returns the slot if it is the first one there, else NONE."""
    booked = uses[use]
    booked.next = NONE
    booked.consumer = consumer
    if dev.seen == tensor:
        booked.slot = dev.seen_slot
        uses[dev.seen_tail].next = use
        dev.seen_tail = use
        slots[dev.seen_slot].holders += hold
        return U(NONE)
    slot = s.spare
    if slot == NONE:
        slot = s.slots
        s.slots += ONE
    else:
        s.spare = slots[slot].next
    booked.slot = slot
    dev.seen = tensor
    dev.seen_slot = slot
    dev.seen_tail = use
    copy = slots[slot]
    copy.requested = s.now
    copy.tensor = tensor
    copy.holders = hold
    copy.use = use
    copy.next_copy = NONE
    return slot


@jit_once
def _request(ports, slots, port_list, s, contention, where, slot):
    """Queue a new slot at its port, nearly always at the end."""
    if contention == FREE:
        port_list[s.ports] = slot
        s.ports += ONE
        return
    copy, port = slots[slot], ports[where]
    before = port.tail
    while before != NONE and _earlier(copy, slots[before]):
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
        _look_at_port(ports, slots, port_list, s, contention, where)


@jit_once
def _take_request(ports, slots, contention, where):
    """The slot whose transfer starts now at a listed port, or NONE; it makes the port busy."""
    port = ports[where]
    port.listed = 0
    if contention == DUPLEX:
        if port.incoming_busy != 0 or port.waiting == NONE:
            return U(NONE)
        best = port.waiting
        rival = ports[best].waiting_next
        while rival != NONE:
            if _earlier(slots[ports[rival].head], slots[ports[best].head]):
                best = rival
            rival = ports[rival].waiting_next
        _stop_waiting(ports, U(best))
        port.incoming_busy = 1
        port = ports[best]
    elif port.busy != 0 or port.head == NONE:
        return U(NONE)
    slot = port.head
    port.busy = 1
    port.head = slots[slot].next
    if port.head == NONE:
        port.tail = NONE
    else:
        slots[port.head].previous = NONE
    return U(slot)


@jit
def _earlier(x, y):
    """FIFO: by request time, then tensor, then destination."""
    if x.requested != y.requested:
        return x.requested < y.requested
    if x.tensor != y.tensor:
        return x.tensor < y.tensor
    return x.device < y.device


@jit
def _look_at_port(ports, slots, port_list, s, contention, where):
    """List a free port with requests (duplex: the incoming port that its head waits for)."""
    port = ports[where]
    if contention == DUPLEX:
        if port.waiting_for != NONE:
            return
        there = slots[port.head].device
        port.waiting_for = there
        port.waiting_next = ports[there].waiting
        ports[there].waiting = where
        where = U(there)
        port = ports[where]
    _list_port(port, port_list, s, where)


@jit
def _list_port(port, port_list, s, where):
    if port.listed == 0:
        port.listed = 1
        port_list[s.ports] = where
        s.ports += ONE


@jit
def _stop_waiting(ports, source):
    port = ports[source]
    if port.waiting_for == NONE:
        return
    there = ports[port.waiting_for]
    port.waiting_for = NONE
    if there.waiting == source:
        there.waiting = port.waiting_next
        return
    before = ports[there.waiting]
    while before.waiting_next != source:
        before = ports[before.waiting_next]
    before.waiting_next = port.waiting_next
