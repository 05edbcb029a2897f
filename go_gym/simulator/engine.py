"""The Numba engine: the specification of ``reference.py``, fast.

What makes it fast: few branches that are guessed wrong (a tree of ends of ops and transfers, in
which the earliest rises without any; lists to which entries are added whether or not they count;
queues whose ends are slots, too); none of that for what takes no time, most of which is told from
the placement alone (see ``program.py``); first come first served ready queues in one array, so
that only ops that became ready at the same moment are ever sorted; small packed records, the next
of which are asked for ahead; and unsigned indices (``U``), which spare Numba's check for negative
ones.

What keeps its compilation short, most of which is Numba's own work for each function, array and
index: helpers are handed records and the arrays that they need, all of ``work`` only where they
need most of it.

A *slot* is a transfer that waits or is under way: of a tensor to a device other than its
producer's. Slots are taken from a pool and given back on arrival, so that those in use stay in the
cache; what holds the copy from its request on is counted in the first of its uses there. Under
egress contention one transfer, named by its first slot, brings all copies of a tensor.
"""

import numpy as np

from go_gym.simulator import heap
from go_gym.simulator.jit import entry_point, jit, jit_apart, jit_entry, jit_once
from go_gym.simulator.order import STRICT
from go_gym.simulator.ports import (
    LATER,
    VACANT,
    offer,
    request,
    take_request,
    use_elsewhere,
)
from go_gym.simulator.prefetch import prefetch
from go_gym.simulator.program import HEAD
from go_gym.simulator.tables import INSTANT, NONE
from go_gym.simulator.transfer import transfer_ns
from go_gym.simulator.work import DUPLEX, EGRESS, FREE, LAST_MOMENT, LINK

U = np.uint64
ONE, TWO, THREE, FOUR = U(1), U(2), U(3), U(HEAD)
LOW, HIGH = U(0xFFFFFFFF), U(32)  # halves of a word of the program
SIGN = np.int64(63)  # by so many bits shifted, no size is left: cheaper than a branch guessed wrong
IDLE, LISTED = NONE, NONE - np.uint32(1)  # what a device runs if it runs nothing


@entry_point
def run_many(stamp):
    """Simulate each row of ``placements`` (b, n), by those of ``priorities`` or FIFO if None.

    Devices that are STRICT take them for minus the places in their sequences.

    A run stops as soon as it is known to take longer than its entry of ``limits`` (b,) int64. Each
    row of ``outcome`` gets what ``work`` then begins with: the state and that of the devices.
    """

    @jit_entry
    def run_many(tables, work, contention, placements, priorities, limits, outcome):
        stamp  # noqa: B018
        for row in range(U(len(placements))):
            if priorities is None:  # noqa: SIM108 - so Numba leaves out the half that is not taken
                level = None
            else:
                level = priorities[row:]
            _begin(tables, work, placements[row], level, limits[row])
            _advance(tables, work, contention, level, LAST_MOMENT)
            for i in range(U(outcome.shape[1])):
                outcome[row, i] = work.words[i]

    return run_many


@jit_once
def _begin(tables, work, placement, level, limit):
    """The state before anything has started. ``level`` (1, n), None for FIFO."""
    ops, devices, s = work.op, work.device, work.state[U(0)]
    for i in range(U(len(work.words))):
        work.words[i] = work.fresh[i]
    for i in range(U(len(ops))):
        op = ops[i]
        op.device = placement[i]
        op.missing = op.inputs & ~INSTANT
        devices[op.device].base += ONE
    s.limit = limit
    if limit < LAST_MOMENT:
        for i in range(U(len(ops))):
            dev = devices[ops[i].device]
            dev.work += tables.durations[U(dev.row), i]
    for i in range(U(work.apart[U(0)])):
        op = U(work.apart[i + ONE])
        ops[op].packet = tables.op[op].packet
    found = U(0)
    for i in range(U(len(tables.members))):
        op, leader = U(tables.members[i, U(0)]), U(tables.members[i, ONE])
        if ops[op].device != ops[leader].device:
            ops[leader].packet = tables.op[leader].plain
            found += ONE
            work.apart[found] = leader
    work.apart[U(0)] = found
    for i in range(U(len(tables.parameters))):
        op = ops[U(tables.parameters[i, U(0)])]
        devices[op.device].room -= tables.parameters[i, ONE]
    for i in range(U(len(tables.followers))):
        follower, leader = tables.followers[i, U(0)], tables.followers[i, ONE]
        if ops[U(follower)].device != ops[U(leader)].device:
            s.misplaced = follower
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
    for i in range(U(len(tables.given))):
        op = U(tables.given[i, U(0)])
        if not _give(tables, work, i, op):
            work.instant[s.instants] = op
            s.instants += ONE
    for i in range(U(len(tables.sources))):
        op = U(tables.sources[i])
        ops[op].missing += np.uint32(1)
        _arrive(tables, work, level, s, op, np.uint32(1))


@jit_once
def _give(tables, work, i, op):
    """Note that what a given op makes is there, if only its own device needs it; else its
    consumers are told to wait for it."""
    ops, tensors, program = work.op, work.tensor, tables.program
    begin, here = U(ops[op].packet), U(ops[op].device)
    whole = begin == tables.op[op].packet
    at = begin + FOUR
    last = at + (program[begin + ONE] >> HIGH)
    while at < last:
        whole &= U(ops[program[at] & LOW].device) == here
        at += ONE
    if whole:
        last += program[begin + TWO] & LOW
        while at < last:
            word = program[at]
            made = tensors[word & LOW]
            made.device = here
            made.holders = np.int32(word >> HIGH)
            at += ONE
        if len(work.ended) > 0:
            work.ended[work.state[U(0)].ended] = op
            work.state[U(0)].ended += ONE
        return True
    first, end = U(tables.given[i, ONE]), U(tables.given[i, TWO])
    for j in range(first, end + ONE):
        part = op if j == end else U(tables.members[j, U(0)])
        begin = U(tables.op[part].plain)
        at = begin + FOUR + (program[begin + ONE] & LOW)
        last = at + (program[begin + ONE] >> HIGH)
        while at < last:
            word = program[at]
            ops[word & LOW].missing += np.uint32(word >> HIGH)
            at += ONE
    return False


@jit_once
def _advance(tables, work, contention, level, enough):
    """From one moment to the next, until ``enough`` ops have ended or nothing is left to happen, or
    the step is known to take too long."""
    times, leaves, s = work.event_time, work.event_leaf, work.state[U(0)]
    ops, devices, never = U(len(work.op)), U(len(work.device)), np.int64(LAST_MOMENT)
    while True:
        slot = U(NONE)
        if s.instants > 0:
            s.instants -= ONE
            here = U(work.instant[s.instants])
            if here < ops:
                op = here
                here, at = U(work.op[op].device), U(work.op[op].packet)
                _grow(work, s, here, np.int64(tables.program[at]))
                if work.op_times.shape[1] > 0:
                    work.op_times[U(0), op] = s.now
            else:
                slot = here - ops
                _depart(work, s, slot, True)
        else:
            if s.next != s.now:  # all that ends at this moment has ended
                while s.grown > 0:
                    s.grown -= ONE
                    here = U(work.grown[s.grown])
                    work.device[here].grown = 0
                    _allocate(work.device[here], s, here, np.int64(0))
                while s.devices > 0:
                    s.devices -= ONE
                    _start_op(tables, work, level, s, U(work.device_list[s.devices]))
                while s.ports > 0:
                    s.ports -= ONE
                    _start_transfer(work, contention, s, U(work.port_list[s.ports]))
                if s.least > s.limit:
                    _abandon(work)
                    return
                if s.next == LAST_MOMENT or s.done >= enough:
                    return
                s.now = s.next
            here = s.first
            set_event(times, leaves, s, here, never)
            if here < devices:
                dev = work.device[here]
                at = U(dev.running)
                s.done += 1
                more = dev.head != dev.tail
                dev.running = LISTED if more else IDLE
                work.device_list[s.devices] = here
                s.devices += U(more)
            else:
                slot = U(work.moving[here])
                _free_ports(work, contention, s, here, slot)
        if slot == NONE:
            _end_op(tables, work, contention, level, s, here, at)
        else:
            _deliver(tables, work, level, s, slot)


@jit_once
def _abandon(work):
    """Forget all that is under way or waits, as a run leaves it that goes to its end."""
    times, leaves, s = work.event_time, work.event_leaf, work.state[U(0)]
    while s.next != LAST_MOMENT:
        set_event(times, leaves, s, s.first, np.int64(LAST_MOMENT))
    for i in range(U(len(work.port))):
        work.slot[i].next = i
        work.slot[i].previous = i


begin, advance = jit_apart(_begin.py_func), jit_apart(_advance.py_func)  # for other files


# -- starts


@jit
def _start_op(tables, work, level, s, here):
    """Start the head of the ready queue of a listed device."""
    dev = work.device[here]
    if level is None:
        chosen = U(work.queue[dev.head])
        dev.head += ONE
        after_next = U(work.queue[dev.head + ONE])
        prefetch(tables.program, after_next)
        prefetch(tables.program, after_next + U(7))
    else:
        if dev.moment == STRICT:
            if work.heap[dev.base].level != np.int64(dev.moment_start):  # not the next: it waits
                dev.running = IDLE
                return
            dev.moment_start += ONE
        dev.tail -= ONE
        chosen = U(work.op[heap.pop(work.heap, dev.base, dev.tail + ONE - dev.base)].packet)
    program = tables.program
    duration = np.int64(program[chosen - ONE - dev.row])
    least = s.now + np.int64(program[chosen + THREE])
    s.least = least if least > s.least else s.least
    least = s.now + dev.work - dev.busy
    s.least = least if least > s.least else s.least
    dev.running = chosen
    released = program[chosen + FOUR]
    prefetch(work.tensor, released & LOW)
    prefetch(work.use, released >> HIGH)
    dev.busy += duration
    _allocate(dev, s, here, np.int64(program[chosen]))
    if work.op_times.shape[1] > 0:
        work.op_times[U(0), program[chosen + TWO] >> HIGH] = s.now
    set_event(work.event_time, work.event_leaf, s, here, s.now + duration)


@jit
def _start_transfer(work, contention, s, slot):
    """Start the transfer that a listed port can (without contention: that of a listed slot)."""
    slots = work.slot
    if contention != FREE:
        slot = take_request(work.port, slots, contention, slot)
        if slot == NONE:
            return
    leaf = U(slots[slot].port) + U(len(work.device))
    work.moving[leaf] = slot
    longest = _depart(work, s, slot, False)
    set_event(work.event_time, work.event_leaf, s, leaf, s.now + longest)


@jit
def _depart(work, s, slot, instantly):
    """Copies of a tensor take their memory where they go; returns how long the last one takes."""
    slots = work.slot
    longest, noted = np.int64(0), s.sent
    copy = slot
    while copy != NONE:
        moving = slots[copy]
        if moving.duration > longest:
            longest = moving.duration
        if instantly:
            _grow(work, s, U(moving.device), moving.size)
        else:
            _allocate(work.device[moving.device], s, U(moving.device), moving.size)
        s.moved += moving.size
        if len(work.transfers) > 0:
            traced = work.transfers[s.sent]
            traced.tensor = moving.tensor
            traced.source = moving.source
            traced.to = moving.device
            traced.requested = moving.requested
            traced.start = s.now
            s.sent += ONE
        copy = U(moving.next_copy)
    if len(work.transfers) > 0:
        while noted < s.sent:
            work.transfers[noted].finish = s.now + longest
            noted += ONE
    return longest


# -- completions


# Long: one pass over the words of a packet, each part beginning where the last one left off
@jit_once
def _end_op(tables, work, contention, level, s, here, at):
    """What follows from the end of the op of the packet ``at``, on device ``here``."""
    program, tensors, slots = tables.program, work.tensor, work.slot
    dev = work.device[here]
    counts, left = program[at + ONE], program[at + TWO] & LOW
    if work.op_times.shape[1] > 0:
        work.op_times[ONE, program[at + TWO] >> HIGH] = s.now
    if len(work.ended) > 0:
        work.ended[s.ended] = program[at + TWO] >> HIGH
        s.ended += ONE
    at += FOUR
    last = at + (counts & LOW)
    while at < last:
        word = program[at]
        _release(tensors, work.use, dev, here, word & LOW, word >> HIGH)
        at += ONE
    near = True
    last = at + (counts >> HIGH)
    while at < last:
        word = program[at]
        at += ONE
        consumer = word & LOW
        if U(work.op[consumer].device) == here:
            _arrive(tables, work, level, s, consumer, np.uint32(word >> HIGH))
        else:
            near = False
    if near:
        last = at + left
        while at < last:
            word = program[at]
            at += ONE
            tensor = word & LOW
            made = tensors[tensor]
            made.device = here
            made.holders = np.int32(word >> HIGH)
            if word >> HIGH == 0:  # nobody wants it
                made.holders = 1
                _release(tensors, work.use, dev, here, tensor, U(NONE))
        return
    at += left
    while left > 0:
        left -= ONE
        word, uses = program[at], program[at + ONE]
        at += TWO
        tensor, held = word & LOW, np.int32(word >> HIGH)
        made = tensors[tensor]
        first, longest = U(NONE), np.int64(0)
        use = uses & LOW
        last = at + (uses >> HIGH)
        while at < last:
            word = program[at]
            at += ONE
            consumer = word & LOW
            hold = np.int32(word >> HIGH)
            there = U(work.op[consumer].device)
            if there == here:
                held += hold
            else:
                slot = use_elsewhere(
                    work.use, slots, work.device[there], s, use, consumer, hold, tensor
                )
                if slot != NONE:
                    copy, link = slots[slot], tables.link[here, there]
                    copy.size = made.size
                    copy.duration = transfer_ns(made.size, link.latency, link.ns_per_byte)
                    copy.source = here
                    copy.device = there
                    copy.next_copy = first
                    if copy.duration > longest:
                        longest = copy.duration
                    first = slot
            use += ONE
        while first != NONE:  # under egress contention all copies at once
            slot = first
            copy = slots[slot]
            held += np.int32(1)
            if contention == EGRESS:
                first = U(NONE)
            else:
                first = U(copy.next_copy)
                copy.next_copy = NONE
                longest = copy.duration
            if longest == 0:
                work.instant[s.instants] = U(len(work.op)) + slot
                s.instants += ONE
            else:
                where = here
                if contention == FREE:
                    where = slot
                elif contention == LINK:
                    where = here * U(len(work.device)) + U(copy.device)
                copy.port = where
                request(work, s, contention, where, slot)
        made.device = here
        made.holders = held
        if held == 0:  # nobody wants it
            made.holders = 1
            _release(tensors, work.use, dev, here, tensor, U(NONE))


@jit_once
def _free_ports(work, contention, s, leaf, slot):
    """The ports of a transfer are free when it ends."""
    slots, ports = work.slot, work.port
    if contention != FREE:
        where = leaf - U(len(work.device))
        ports[where].outgoing = VACANT
        if contention == DUPLEX:
            there = U(slots[slot].device)
            wanted = ports[there].waiting != NONE
            ports[there].incoming = LATER if wanted else VACANT
            work.port_list[s.ports] = there
            s.ports += U(wanted)
        head = U(slots[where].next)
        if head != where:
            offer(work, s, contention, where, head)


@jit_once
def _deliver(tables, work, level, s, slot):
    """Copies of a tensor arrive: the source needs it no longer for them, consumers get ready."""
    slots = work.slot
    source = U(slots[slot].source)
    _release(work.tensor, work.use, work.device[source], source, U(slots[slot].tensor), U(NONE))
    while slot != NONE:
        copy = slots[slot]
        reader = U(copy.use)
        copy.next = s.spare
        s.spare = slot
        while reader != NONE:
            found = work.use[reader]
            _arrive(tables, work, level, s, U(found.consumer), np.uint32(1))
            reader = U(found.next)
        slot = U(copy.next_copy)


@jit
def _arrive(tables, work, level, s, op, count):
    """So many inputs more of an op are there; with the last one it is ready, or done."""
    user = work.op[op]
    user.missing -= count
    if user.missing != 0:
        return
    here = U(user.device)
    dev, queue, now = work.device[here], work.queue, s.now
    if user.inputs >= INSTANT and tables.program[U(user.packet) - ONE - dev.row] == 0:
        work.instant[s.instants] = op
        s.instants += ONE
        return
    i = dev.tail
    dev.tail = i + ONE
    if level is None:
        if dev.moment != now:
            dev.moment = now
            dev.moment_start = i
        low = dev.head
        if dev.moment_start > low:
            low = dev.moment_start
        packet = U(user.packet)
        if i > low and queue[i - ONE] > packet:  # move those behind it: seldom, but then many
            last = i - ONE
            while low < last:
                middle = (low + last) >> ONE
                if queue[middle] > packet:
                    last = middle
                else:
                    low = middle + ONE
            while i > low:
                queue[i] = queue[i - ONE]
                i -= ONE
        queue[i] = packet
    else:
        heap.push(work.heap, dev.base, i - dev.base, -level[U(0), op], now, op)
    if dev.running == IDLE:
        dev.running = LISTED
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
def _grow(work, s, here, size):
    """A device holds more, at once: whether that is too much is seen when all has ended."""
    dev = work.device[here]
    dev.memory += size
    if size != 0 and dev.grown == 0:
        dev.grown = 1
        work.grown[s.grown] = here
        s.grown += ONE


@jit
def _release(tensors, uses, dev, here, tensor, use):
    """One fewer needs a tensor on device ``here``; the last one frees it, and what it views."""
    while True:
        freed = tensors[tensor]
        if freed.device != here:
            break
        left = freed.holders - np.int32(1)
        freed.holders = left
        dev.memory -= freed.local_size >> (np.int64(left != 0) * SIGN)
        if (left != 0) | (freed.alias == NONE):
            return
        tensor = U(freed.alias)
        use = U(freed.alias_use)
    copy = uses[U(uses[use].first)]
    left = copy.holders - np.int32(1)
    copy.holders = left
    dev.memory -= tensors[tensor].size >> (np.int64(left != 0) * SIGN)


# -- events


@jit
def set_event(times, leaves, s, leaf, time):
    """When an op or transfer ends; it goes up the tree against those beside it, which takes no
    branches that could be guessed wrong: LLVM makes conditional moves as long as ``leaf`` has 64
    bits from the start, which is why the first one is kept in the state."""
    i, root = s.leaves + leaf, s.root
    times[i] = time
    while i > root:
        its_time, its_leaf = times[i ^ ONE], U(leaves[i ^ ONE])
        before = its_time < time
        time = its_time if before else time
        leaf = its_leaf if before else leaf
        i >>= ONE
        times[i] = time
        leaves[i] = leaf
    s.next = time
    s.first = leaf
