"""The Numba engine: the specification of ``reference.py``, fast.

All jitted code stands in this one file, since Numba's cache looks at the time stamp of a
function's own file only. What makes it fast: a binary heap over running ops and transfers only;
first come first served ready queues in one array, so that only ops that became ready at the same
moment are ever sorted; packed records; and unsigned indices (``U``), which spare Numba's check
for negative ones.

A *slot* is the first use of a tensor on a device other than its producer's. It names the copy
sent there, and the transfer that brings it. Under egress contention one transfer, named by its
first slot, brings all copies of a tensor.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.simulator.tables import Tables

U = np.uint64
NONE = np.uint32(0xFFFFFFFF)
FREE, LINK, EGRESS, DUPLEX = 0, 1, 2, 3  # the order of CONTENTION_MODELS
IDLE = NONE
DEVICES, PORTS, EVENTS = U(0), U(1), U(2)  # entries of `counts`
MOVED, OOM_TIME, OOM_DEVICE, STRAY = U(0), U(1), U(2), U(3)  # entries of `figures`

OP_STATE = np.dtype([("device", np.uint32), ("missing", np.uint32)])  # inputs yet to arrive
USE_STATE = np.dtype(
    [
        ("slot", np.uint32),  # the copy that a remote use reads
        ("holders", np.int32),  # of a slot: what still needs the copy
        ("next_use", np.uint32),  # of the same copy
        ("next_copy", np.uint32),  # of a slot: next copy that the same transfer brings
        ("next_request", np.uint32),  # of a slot: next in the port's queue
        ("device", np.uint32),  # of a slot: where the copy goes
        ("requested", np.int64),
    ]
)
DEVICE_STATE = np.dtype(
    [
        ("base", np.int64),  # its stretch of the ready queue: where it begins,
        ("head", np.int64),  # its first entry
        ("tail", np.int64),  # and one past its last
        ("moment", np.int64),  # when the last op became ready,
        ("moment_start", np.int64),  # and the first entry of that moment
        ("memory", np.int64),
        ("peak", np.int64),
        ("busy", np.int64),
        ("running", np.uint32),  # op or IDLE
        ("touched", np.uint32),  # is it on the list of devices to look at?
        ("seen", np.uint32),  # the last tensor that was requested from here,
        ("seen_slot", np.uint32),  # its slot
        ("seen_tail", np.uint32),  # and the last use of that
        ("fresh", np.uint32),  # scratch: new slots, by destination
    ]
)
PORT_STATE = np.dtype(
    [
        ("head", np.uint32),  # first and last request of its queue
        ("tail", np.uint32),
        ("busy", np.uint32),
        ("listed", np.uint32),  # is it (duplex: this incoming port) on the list to look at?
        # duplex only, where port i is also the incoming port of device i
        ("incoming_busy", np.uint32),
        ("waiting", np.uint32),  # first source whose head wants this destination
        ("waiting_next", np.uint32),  # the next such source
        ("waiting_for", np.uint32),  # the destination that this source waits for, or NONE
    ]
)
QUEUED = np.dtype([("level", np.int64), ("time", np.int64)])
EVENT = np.dtype([("time", np.int64), ("code", np.int64)])


# Without Numba's reference counting, which takes four fifths of the time where helpers are handed
# ten arrays each; jitted code here allocates nothing, and Numba refuses to compile it if it did.
_jit = njit(_nrt=False)  # type: ignore[call-overload]
_jit_entry = njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]


class Work(NamedTuple):
    """What changes during a simulation. n ops, t tensors, u uses, d devices, p ports."""

    op: np.ndarray  # (n,) OP_STATE
    holders: np.ndarray  # (t,) int32, what still needs a tensor where it was produced
    use: np.ndarray  # (u,) USE_STATE
    queue: np.ndarray  # (n,) uint32 ready ops, a stretch a device: a queue, or a heap by level
    queued: np.ndarray  # (n or 0,) QUEUED, minus the priority and the ready time of each
    device: np.ndarray  # (d,) DEVICE_STATE
    port: np.ndarray  # (p,) PORT_STATE
    device_list: np.ndarray  # (d,) uint32, devices to look at before time moves on
    port_list: np.ndarray  # (p or u,) uint32 ports to look at (none: slots to start)
    events: np.ndarray  # (d + u + 1,) EVENT heap of ops (code < d) and transfers (slot + d)
    counts: np.ndarray  # (3,) int64: length of each of the last three
    figures: np.ndarray  # (4,) int64: bytes moved, OOM time, OOM device, stray op; -1 for none
    op_times: np.ndarray  # (2, n or 0) int64, start and finish
    slot_times: np.ndarray  # (2, u or 0) int64, likewise; -1 where a use is no slot


def make_work(tables: Tables, contention: int, priorities: bool, trace: bool) -> Work:
    """Empty working memory for the problem of ``tables``."""
    n, t, u = len(tables.ops) - 1, len(tables.tensors) - 1, len(tables.uses)
    d = len(tables.capacity)
    ports = d * d if contention == LINK else d
    return Work(
        op=np.empty(n, dtype=OP_STATE),
        holders=np.empty(t, dtype=np.int32),
        use=np.empty(u, dtype=USE_STATE),
        queue=np.empty(n, dtype=np.uint32),
        queued=np.empty(n if priorities else 0, dtype=QUEUED),
        device=np.empty(d, dtype=DEVICE_STATE),
        port=np.empty(ports, dtype=PORT_STATE),
        device_list=np.empty(d, dtype=np.uint32),
        port_list=np.empty(u if contention == FREE else ports, dtype=np.uint32),
        events=np.empty(d + u + 1, dtype=EVENT),
        counts=np.empty(3, dtype=np.int64),
        figures=np.empty(4, dtype=np.int64),
        op_times=np.empty((2, n if trace else 0), dtype=np.int64),
        slot_times=np.empty((2, u if trace else 0), dtype=np.int64),
    )


@_jit_entry
def run_many(tables, work, contention, placements, priorities, step, busy, peak, figures):
    """Simulate each row of ``placements`` (b, n); results go into the last four arguments.

    ``priorities`` is (b, n), or (0, n) for FIFO. ``step`` (b,), ``busy`` and ``peak`` (b, d);
    ``figures`` (b, 4): bytes moved, time and device of the first lack of memory (-1 if none),
    first op away from its co-location group (-1 if none).
    """
    ops, tensors, uses, releases, durations, link_of, links, device_class, capacity = tables
    (
        op_state,
        holders,
        use_state,
        queue,
        queued,
        devices,
        ports,
        device_list,
        port_list,
        events,
        counts,
        now_figures,
        op_times,
        slot_times,
    ) = work
    n = len(op_state)
    d = len(devices)
    by_level = priorities.shape[0] > 0
    tracing = op_times.shape[1] > 0
    for row in range(placements.shape[0]):
        # -- reset
        now = np.int64(0)
        for i in range(3):
            counts[U(i)] = 0
        for i in range(4):
            now_figures[U(i)] = -1
        now_figures[MOVED] = 0
        for i in range(slot_times.shape[1]):
            slot_times[U(1), U(i)] = -1
        for i in range(d):
            dev = devices[U(i)]
            dev.base = 0
            dev.moment = -1
            dev.moment_start = 0
            dev.memory = 0
            dev.peak = 0
            dev.busy = 0
            dev.running = IDLE
            dev.touched = 0
            dev.seen = NONE
        for i in range(len(ports)):
            port = ports[U(i)]
            port.head = NONE
            port.busy = 0
            port.listed = 0
            port.incoming_busy = 0
            port.waiting = NONE
            port.waiting_for = NONE
        for i in range(n):
            op = ops[U(i)]
            here = U(placements[U(row), U(i)])
            state = op_state[U(i)]
            state.device = np.uint32(here)
            state.missing = op.inputs
            devices[here].base += 1
            if op.parameters > 0:
                _allocate(devices, capacity, now_figures, here, op.parameters, now)
            if (
                placements[U(row), U(op.leader)] != placements[U(row), U(i)]
                and now_figures[STRAY] < 0
            ):
                now_figures[STRAY] = i
        begin = np.int64(0)
        for i in range(d):
            dev = devices[U(i)]
            size = dev.base
            dev.base = begin
            dev.head = begin
            dev.tail = begin
            begin += size
        for i in range(n):
            if op_state[U(i)].missing == 0:
                _make_ready(
                    op_state, devices, device_list, counts, queue, queued, priorities, U(row),
                    by_level, np.uint32(i), now,
                )  # fmt: skip
        # -- the event loop
        first = True
        while first or counts[EVENTS] > 0:
            if not first:
                now = events[U(0)].time
            # completions
            while counts[EVENTS] > 0 and events[U(0)].time == now and not first:
                code = _pop_event(events, counts)
                if code < d:
                    here = U(code)
                    dev = devices[here]
                    op = U(dev.running)
                    dev.running = IDLE
                    if dev.touched == 0:
                        _touch(devices, device_list, counts, here)
                    if tracing:
                        op_times[U(1), op] = now
                    for index in range(ops[op].tensors, ops[op + U(1)].tensors):
                        tensor = U(index)
                        held = np.int32(0)
                        fresh = np.int64(0)
                        for j in range(tensors[tensor].uses, tensors[tensor + U(1)].uses):
                            use = uses[U(j)]
                            user = op_state[use.consumer]
                            if user.device == here:
                                held += use.hold
                                user.missing -= np.uint32(1)
                                if user.missing == 0:
                                    _make_ready(
                                        op_state, devices, device_list, counts, queue, queued,
                                        priorities, U(row), by_level, use.consumer, now,
                                    )  # fmt: skip
                            else:
                                fresh = _note_remote(
                                    use_state, devices, U(j), use.hold, np.uint32(tensor),
                                    user.device, fresh,
                                )  # fmt: skip
                        if fresh > 0:
                            if contention == EGRESS:
                                held += np.int32(1)
                                for k in range(fresh):
                                    use_state[devices[U(k)].fresh].next_copy = (
                                        devices[U(k + 1)].fresh if k + 1 < fresh else NONE
                                    )
                                fresh = 1
                            else:
                                held += np.int32(fresh)
                                for k in range(fresh):
                                    use_state[devices[U(k)].fresh].next_copy = NONE
                            for k in range(fresh):
                                slot = devices[U(k)].fresh
                                if contention == FREE:
                                    port_list[U(counts[PORTS])] = slot
                                    counts[PORTS] += 1
                                else:
                                    where = here
                                    if contention == LINK:
                                        where = here * U(d) + U(use_state[slot].device)
                                    _enqueue(
                                        use_state, uses, ports, port_list, counts, contention,
                                        where, slot, now,
                                    )  # fmt: skip
                        if held == 0:  # nobody wants it
                            holders[tensor] = 1
                            _release(
                                op_state, tensors, uses, use_state, holders, devices, here,
                                NONE, np.uint32(tensor), np.uint32(op),
                            )  # fmt: skip
                        else:
                            holders[tensor] = held
                    for j in range(ops[op].releases, ops[op + U(1)].releases):
                        let = releases[U(j)]
                        _release(
                            op_state, tensors, uses, use_state, holders, devices, here,
                            let.use, let.tensor, let.producer,
                        )  # fmt: skip
                else:
                    slot = np.uint32(code - d)
                    moved = uses[slot].tensor
                    source = U(op_state[tensors[moved].producer].device)
                    if contention != FREE:
                        where = source
                        if contention == LINK:
                            where = source * U(d) + U(use_state[slot].device)
                        port = ports[where]
                        port.busy = 0
                        if contention == DUPLEX:
                            there = U(use_state[slot].device)
                            ports[there].incoming_busy = 0
                            if ports[there].waiting != NONE:
                                _list_port(ports, port_list, counts, there)
                        if port.head != NONE:
                            _look_at_port(use_state, ports, port_list, counts, contention, where)
                    _release(
                        op_state, tensors, uses, use_state, holders, devices, source,
                        NONE, moved, tensors[moved].producer,
                    )  # fmt: skip
                    copy = slot
                    while copy != NONE:
                        if tracing:
                            slot_times[U(1), U(copy)] = now
                        reader = copy
                        while reader != NONE:
                            user = op_state[uses[reader].consumer]
                            user.missing -= np.uint32(1)
                            if user.missing == 0:
                                _make_ready(
                                    op_state, devices, device_list, counts, queue, queued,
                                    priorities, U(row), by_level, uses[reader].consumer, now,
                                )  # fmt: skip
                            reader = use_state[reader].next_use
                        copy = use_state[copy].next_copy
            first = False
            # starts: ops
            count = counts[DEVICES]
            counts[DEVICES] = 0
            for i in range(count):
                here = U(device_list[U(i)])
                dev = devices[here]
                dev.touched = 0
                if dev.running != IDLE or dev.head == dev.tail:
                    continue
                if by_level:
                    chosen = _pop_highest(queue, queued, devices, here)
                else:
                    chosen = queue[U(dev.head)]
                    dev.head += 1
                duration = durations[device_class[here], chosen]
                dev.running = chosen
                dev.busy += duration
                _allocate(devices, capacity, now_figures, here, ops[chosen].size, now)
                if tracing:
                    op_times[U(0), U(chosen)] = now
                _push_event(events, counts, now + duration, np.int64(here))
            # starts: transfers
            count = counts[PORTS]
            counts[PORTS] = 0
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
                            if _earlier(use_state, uses, ports[rival].head, ports[best].head):
                                best = rival
                            rival = ports[rival].waiting_next
                        _stop_waiting(ports, U(best))
                        ports[where].incoming_busy = 1
                        where = U(best)
                    elif ports[where].busy != 0 or ports[where].head == NONE:
                        continue
                    slot = ports[where].head
                    ports[where].head = use_state[slot].next_request
                    ports[where].busy = 1
                moved = uses[slot].tensor
                source = U(op_state[tensors[moved].producer].device)
                size = tensors[moved].size
                longest = np.int64(0)
                copy = slot
                while copy != NONE:
                    there = U(use_state[copy].device)
                    link = links[link_of[source, there]]
                    time = link.latency + np.int64(np.rint(np.float64(size) * link.ns_per_byte))
                    longest = max(longest, time)
                    _allocate(devices, capacity, now_figures, there, size, now)
                    now_figures[MOVED] += size
                    if tracing:
                        slot_times[U(0), U(copy)] = now
                    copy = use_state[copy].next_copy
                _push_event(events, counts, now + longest, np.int64(slot) + d)
        # -- results
        step[row] = now
        for i in range(4):
            figures[row, i] = now_figures[U(i)]
        for i in range(d):
            busy[row, i] = devices[U(i)].busy
            peak[row, i] = devices[U(i)].peak


@_jit
def _allocate(devices, capacity, figures, here, size, now):
    dev = devices[here]
    dev.memory += size
    if dev.memory > dev.peak:
        dev.peak = dev.memory
        if dev.memory > capacity[here]:
            first = figures[OOM_TIME]
            if first < 0 or (first == now and np.int64(here) < figures[OOM_DEVICE]):
                figures[OOM_TIME] = now
                figures[OOM_DEVICE] = np.int64(here)


@_jit
def _release(op_state, tensors, uses, use_state, holders, devices, here, use, tensor, producer):
    """One fewer needs a tensor on device ``here``; the last one frees it, and what it views."""
    while op_state[producer].device == here:
        left = holders[tensor] - np.int32(1)
        holders[tensor] = left
        if left != 0:
            return
        freed = tensors[tensor]
        devices[here].memory -= freed.local_size
        use = freed.alias_use
        if use == NONE:
            return
        tensor = uses[use].tensor
        producer = tensors[tensor].producer
    copy = use_state[use_state[use].slot]
    copy.holders -= np.int32(1)
    if copy.holders == 0:
        devices[here].memory -= tensors[tensor].size


# -- events


@_jit
def _push_event(events, counts, time, code):
    i = counts[EVENTS]
    counts[EVENTS] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if events[U(parent)].time <= time:
            break
        events[U(i)].time = events[U(parent)].time
        events[U(i)].code = events[U(parent)].code
        i = parent
    events[U(i)].time = time
    events[U(i)].code = code


@_jit
def _pop_event(events, counts):
    top = events[U(0)].code
    size = counts[EVENTS] - 1
    counts[EVENTS] = size
    time = events[U(size)].time
    code = events[U(size)].code
    i = np.int64(0)
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and events[U(child + 1)].time < events[U(child)].time:
            child += 1
        if events[U(child)].time >= time:
            break
        events[U(i)].time = events[U(child)].time
        events[U(i)].code = events[U(child)].code
        i = child
    events[U(i)].time = time
    events[U(i)].code = code
    return top


# -- ready queues


@_jit
def _touch(devices, device_list, counts, here):
    devices[here].touched = 1
    device_list[U(counts[DEVICES])] = np.uint32(here)
    counts[DEVICES] += 1


@_jit
def _make_ready(
    op_state, devices, device_list, counts, queue, queued, priorities, row, by_level, op, now
):
    here = U(op_state[op].device)
    dev = devices[here]
    i = dev.tail
    dev.tail = i + 1
    if by_level:
        _sift_up(queue, queued, dev.base, i - dev.base, op, -priorities[row, op], now)
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
        _touch(devices, device_list, counts, here)


@_jit
def _before(queue, queued, i, level, time, op):
    """Does entry ``i`` come before (level, time, op)?"""
    entry = queued[U(i)]
    if entry.level != level:
        return entry.level < level
    if entry.time != time:
        return entry.time < time
    return queue[U(i)] < op


@_jit
def _put(queue, queued, i, level, time, op):
    queued[U(i)].level = level
    queued[U(i)].time = time
    queue[U(i)] = op


@_jit
def _sift_up(queue, queued, base, i, op, level, time):
    while i > 0:
        parent = (i - 1) >> 1
        above = U(base + parent)
        if _before(queue, queued, above, level, time, op):
            break
        _put(queue, queued, base + i, queued[above].level, queued[above].time, queue[above])
        i = parent
    _put(queue, queued, base + i, level, time, op)


@_jit
def _pop_highest(queue, queued, devices, here):
    base = devices[here].base
    size = devices[here].tail - base - 1
    devices[here].tail = base + size
    last = U(base + size)
    top = queue[U(base)]
    op, level, time = queue[last], queued[last].level, queued[last].time
    i = np.int64(0)
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        c = U(base + child)
        if child + 1 < size:
            right = c + U(1)
            if _before(queue, queued, right, queued[c].level, queued[c].time, queue[c]):
                child += 1
                c = right
        if not _before(queue, queued, c, level, time, op):
            break
        _put(queue, queued, base + i, queued[c].level, queued[c].time, queue[c])
        i = child
    _put(queue, queued, base + i, level, time, op)
    return top


# -- transfer queues


@_jit
def _note_remote(use_state, devices, use, hold, tensor, there, fresh):
    """Book a use on another device; new slots are kept in ``fresh`` by destination."""
    state = use_state[use]
    state.next_use = NONE
    dev = devices[there]
    if dev.seen == tensor:
        state.slot = dev.seen_slot
        use_state[dev.seen_tail].next_use = np.uint32(use)
        dev.seen_tail = np.uint32(use)
        use_state[dev.seen_slot].holders += hold
        return fresh
    dev.seen = tensor
    dev.seen_slot = np.uint32(use)
    dev.seen_tail = np.uint32(use)
    state.slot = np.uint32(use)
    state.device = there
    state.holders = hold
    i = fresh
    while i > 0 and use_state[devices[U(i - 1)].fresh].device > there:
        devices[U(i)].fresh = devices[U(i - 1)].fresh
        i -= 1
    devices[U(i)].fresh = np.uint32(use)
    return fresh + 1


@_jit
def _earlier(use_state, uses, a, b):
    """FIFO: by request time, then tensor, then destination."""
    x, y = use_state[a], use_state[b]
    if x.requested != y.requested:
        return x.requested < y.requested
    if uses[a].tensor != uses[b].tensor:
        return uses[a].tensor < uses[b].tensor
    return x.device < y.device


@_jit
def _enqueue(use_state, uses, ports, port_list, counts, contention, where, slot, now):
    use_state[slot].requested = now
    use_state[slot].next_request = NONE
    port = ports[where]
    if port.head == NONE:
        port.head = slot
        port.tail = slot
    elif _earlier(use_state, uses, port.tail, slot):
        use_state[port.tail].next_request = slot
        port.tail = slot
    elif _earlier(use_state, uses, slot, port.head):
        use_state[slot].next_request = port.head
        port.head = slot
        if contention == DUPLEX:
            _stop_waiting(ports, where)
    else:
        before = port.head
        while _earlier(use_state, uses, use_state[before].next_request, slot):
            before = use_state[before].next_request
        use_state[slot].next_request = use_state[before].next_request
        use_state[before].next_request = slot
    if port.busy == 0:
        _look_at_port(use_state, ports, port_list, counts, contention, where)


@_jit
def _look_at_port(use_state, ports, port_list, counts, contention, where):
    """List a free port with requests (duplex: the incoming port that its head waits for)."""
    if contention == DUPLEX:
        if ports[where].waiting_for != NONE:
            return
        there = use_state[ports[where].head].device
        ports[where].waiting_for = there
        ports[where].waiting_next = ports[there].waiting
        ports[there].waiting = np.uint32(where)
        where = U(there)
    _list_port(ports, port_list, counts, where)


@_jit
def _list_port(ports, port_list, counts, where):
    if ports[where].listed == 0:
        ports[where].listed = 1
        port_list[U(counts[PORTS])] = np.uint32(where)
        counts[PORTS] += 1


@_jit
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
