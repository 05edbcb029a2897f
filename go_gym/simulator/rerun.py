"""Another placement's run, from one checkpoint of a recorded run to another."""

import os

import numpy as np

from go_gym.simulator import checkpoints, engine
from go_gym.simulator.checkpoints import (
    BYTES,
    FIGURES_TOLD,
    FIRST_STRAY,
    HOMES,
    LACK_TIME,
    RECORDINGS,
    STALE_COUNT,
    STEP,
    load,
    save,
)
from go_gym.simulator.engine import (
    LAST_MOMENT,
    advance,
    begin,
    jit,
    jit_apart,
    jit_entry,
)
from go_gym.simulator.tables import NONE
from go_gym.simulator.work import (
    DONE,
    EVENTS,
    FIGURES,
    MOVED,
    NOW,
    OOM_TIME,
    STRAY,
    U,
)

TRY, ADOPT, RECORD = 0, 1, 2
"""What a run is for: its result; to be the base of further ones, for which the checkpoints that it
passes are kept; the same, but from the beginning to the end."""
UNMOVED, NO_ROOM = -2, -3
"""What ``rerun`` returns in place of where it went on from if all ops are there already, and if the
checkpoints have too little room: then nothing holds but the placement, and all must be recorded
anew."""


HELD = 2
"""The mark of a moved tensor that something still holds."""


def _compile(stamp):
    """The entry point. ``stamp`` makes Numba's cache, which looks at the time of the file of an
    entry point only, see a change of what is inlined into it."""

    @jit_entry
    def rerun(
        tables, work, contention, level, wiring, base, points, ops, devices, purpose, every, busy,
        peak, told,
    ):  # fmt: skip
        """Simulate the base's placement with ``ops`` (k,) on ``devices`` (k,), or (1,) for all.

        ``level`` (1, n), None for FIFO. Of the checkpoints that it passes one in ``every`` is
        kept; the others are void until another run passes. ``busy`` and ``peak`` (d,) and
        ``told`` (FIGURES_TOLD,) get the result: step time and the engine's figures.

        Returns:
            (checkpoint that it went on from or -1, that from which the rest is the old run or -1)
        """
        stamp  # noqa: B018
        return _rerun(
            tables, work, contention, level, wiring, base, points, ops, devices, purpose, every,
            busy, peak, told,
        )  # fmt: skip

    return rerun


@jit
def _rerun(
    tables, work, contention, level, wiring, base, points, ops, devices, purpose, every, busy,
    peak, told,
):  # fmt: skip
    scalars, count = work.scalars, len(points.saved)
    moved, stray = _move(tables, work, wiring, base, ops, devices)
    if moved == 0 and purpose != RECORD:
        return UNMOVED, -1
    base.told[RECORDINGS] += 1
    change, settled, low, high = _reach(work, wiring, base, moved)
    start = np.int64(-1)
    if purpose != RECORD:
        start = _last_before(points, base.room, change)
    if start >= 0:
        load(work, wiring, base, points, U(start))
        scalars[STRAY] = stray
    else:
        begin(tables, work, base.trial, level)
    for i in range(U(len(busy))):
        dev = work.device[i]
        dev.peak = dev.memory
        if start >= 0 and purpose == TRY:
            dev.peak = points.before[U(start), i]
    stop = np.int64(-1)
    for number in range(start + 1, count):
        k = U(number)
        known = purpose != RECORD and points.saved[k] >= 0 and points.scalars[k, NOW] >= settled
        kept = purpose != TRY and (number - start) % every == 0
        if purpose == ADOPT and not kept:
            points.saved[k] = -1
        if not known and not kept:
            continue
        enough = points.scalars[k, DONE]
        if purpose == RECORD:
            enough = (number + 1) * len(base.place) // (count + 1)
        advance(tables, work, contention, level, enough)
        if known and _same(work, wiring, base, points, k, moved, low, high):
            if scalars[OOM_TIME] >= 0 or _fits(points.after[k], base.room):
                stop = number
                break
            settled = LAST_MOMENT
        if kept:
            if not save(work, points, k, base.told[RECORDINGS]):
                _give_up(tables, work, contention, level, base, low, high)
                return NO_ROOM, -1
            for i in range(U(len(busy))):
                work.device[i].peak = work.device[i].memory
    late = np.int64(0)
    if stop < 0:
        advance(tables, work, contention, level, LAST_MOMENT)
        told[STEP] = scalars[NOW]
        told[BYTES] = scalars[MOVED]
        for i in range(U(len(busy))):
            busy[i] = work.device[i].busy
            peak[i] = work.device[i].peak
    else:
        k = U(stop)
        late = _late(work, points, k)
        told[STEP] = base.told[STEP] + late
        told[BYTES] = base.told[BYTES] + scalars[MOVED] - points.scalars[k, MOVED]
        for i in range(U(len(busy))):
            busy[i] = base.busy[i] + work.device[i].busy - points.device[k, i].busy
            peak[i] = max(work.device[i].peak, points.after[k, i])
    for i in range(LACK_TIME, U(FIGURES_TOLD)):
        told[i] = scalars[U(FIGURES) + i - BYTES]
    if purpose != TRY and not _keep(
        work, base, points, start, stop, late, busy, peak, told, low, high, purpose
    ):
        _give_up(tables, work, contention, level, base, low, high)
        return NO_ROOM, -1
    for i in range(U(len(peak))):
        peak[i] += tables.capacity[i] - work.device[i].room
    if stop >= 0:
        _let_go(work, base, points, U(stop), low, high)
    _end_moves(work, wiring, base, moved, purpose)
    for i in range(low, high):
        base.touched[U(i)] = 0
    return start, stop


# -- moves


@jit
def _move(tables, work, wiring, base, ops, devices):
    """Put ops where they are tried; returns how many moved, and the first stray op."""
    moved, apart = np.int64(0), False
    stray = base.told[FIRST_STRAY]
    for i in range(U(len(ops))):
        base.trial[U(ops[i])] = devices[i if len(devices) > 1 else U(0)]
    for i in range(U(len(ops))):
        op = U(ops[i])
        here, there = U(work.op[op].device), U(base.trial[op])
        if here != there:
            _carry(work, wiring, base, op, here, there)
            base.moved[U(moved)] = np.uint32(op)
            moved += 1
            apart |= wiring.grouped[op]
    if apart:
        stray = np.int64(-1)
        for i in range(U(len(tables.followers))):
            op, leader = tables.followers[i]
            if base.trial[U(op)] != base.trial[U(leader)]:
                stray = op
                break
    return moved, stray


@jit
def _carry(work, wiring, base, op, here, there):
    work.op[op].device = np.uint32(there)
    base.size[here] -= U(1)
    base.size[there] += U(1)
    base.room[here] += wiring.parameter_bytes[op]
    base.room[there] -= wiring.parameter_bytes[op]
    for tensor in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + U(1)])):
        work.tensor[tensor].device = np.uint32(there)


@jit
def _end_moves(work, wiring, base, moved, purpose):
    """Bring the ops of a try back; else they stay."""
    for i in range(U(moved)):
        op = U(base.moved[i])
        if purpose == TRY:
            _carry(work, wiring, base, op, U(base.trial[op]), U(base.place[op]))
            base.trial[op] = base.place[op]
        else:
            base.place[op] = base.trial[op]
    if purpose == RECORD:
        for i in range(U(len(base.size))):
            base.size[i] = U(0)
            base.room[i] = work.device[i].room
        for i in range(U(len(base.place))):
            base.place[i] = base.trial[i]
            base.size[U(base.place[i])] += U(1)


@jit
def _reach(work, wiring, base, moved):
    """When moves can first matter, when they all have, and which tensors they put elsewhere.

    The first is the earliest end of a producer whose tensor then goes elsewhere (an op without
    inputs is ready from the beginning, -1); the second, by which moved ops have ended, is of the
    base. Moved are the outputs of moved ops, and what those are views of; they are marked, and all
    of them are from the third figure to below the fourth.
    """
    change, settled = np.int64(LAST_MOMENT), np.int64(-1)
    low, high = np.int64(len(base.touched)), np.int64(0)
    for i in range(U(moved)):
        op = U(base.moved[i])
        settled = max(settled, base.finish[op])
        first, last = U(wiring.op_use_ptr[op]), U(wiring.op_use_ptr[op + U(1)])
        if first == last:
            change = np.int64(-1)
        for j in range(first, last):
            maker = U(wiring.producers[j])
            if base.place[maker] != base.place[op] or base.trial[maker] != base.trial[op]:
                change = min(change, base.finish[maker])
        for made in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + U(1)])):
            tensor = np.uint32(made)
            while tensor != NONE and base.touched[tensor] == 0:
                base.touched[tensor] = 1
                low, high = min(low, np.int64(tensor)), max(high, np.int64(tensor) + 1)
                tensor = work.tensor[tensor].alias
    return change, settled, low, high


@jit
def _last_before(points, room, change):
    """The last checkpoint before ``change`` up to which memory suffices, or -1."""
    start = np.int64(-1)
    for k in range(len(points.saved)):
        if points.saved[U(k)] >= 0:
            if points.scalars[U(k), NOW] >= change or not _fits(points.before[U(k)], room):
                break
            start = np.int64(k)
    return start


@jit
def _fits(memory, room):
    fits = True
    for i in range(U(len(room))):
        fits &= memory[i] <= room[i]
    return fits


# -- what becomes the base


@jit_apart
def _keep(work, base, points, start, stop, late, busy, peak, told, low, high, purpose):
    """Make this run the base, the checkpoints passed having been saved; ``peak`` gets its peak.

    Returns:
        False if there is no room for a checkpoint or for what moved; all must be recorded anew.
    """
    count, scalars, recording = len(points.saved), work.scalars, base.told[RECORDINGS]
    since = points.scalars[U(start), NOW] if start >= 0 else np.int64(-1)
    until = points.scalars[U(stop), NOW] if stop >= 0 else np.int64(LAST_MOMENT)
    for op in range(U(len(base.place))):
        if base.start[op] > until:
            base.start[op] += late
        elif base.start[op] > since:
            base.start[op] = work.op_times[U(0), op]
        if base.finish[op] > until:
            base.finish[op] += late
        elif base.finish[op] > since:
            base.finish[op] = work.op_times[U(1), op]
    if stop >= 0:
        k = U(stop)
        further = scalars[MOVED] - points.scalars[k, MOVED]
        for j in range(k + U(1), U(count)):
            points.scalars[j, NOW] += late
            points.scalars[j, MOVED] += further
            for i in range(U(len(busy))):
                points.device[j, i].busy += work.device[i].busy - points.device[k, i].busy
        if not save(work, points, k, recording):
            return False
    for i in range(U(len(busy))):
        if stop < 0:
            base.tail[i] = work.device[i].peak
        highest = np.int64(0)
        for j in range(U(count)):
            if points.saved[j] < 0:
                points.device[j, i].peak = 0
            highest = max(highest, points.device[j, i].peak)
            points.before[j, i] = highest
        highest = base.tail[i]
        for j in range(count - 1, -1, -1):
            points.after[U(j), i] = highest
            highest = max(highest, points.device[U(j), i].peak)
        peak[i] = highest
        base.busy[i] = busy[i]
    for i in range(U(FIGURES_TOLD)):
        base.told[i] = told[i]
    if purpose == RECORD:
        base.amended[:] = 0
        base.told[STALE_COUNT] = 0
    elif stop >= 0:
        for i in range(low, high):
            if base.touched[U(i)] == HELD:
                base.amended[U(i)] = recording
        number = U(0)
        for i in range(len(base.amended) - 1, -1, -1):
            if base.amended[U(i)] > 0:
                if number == U(len(base.stale)):
                    return False
                base.stale[number] = np.uint32(i)
                number += U(1)
        base.told[STALE_COUNT] = np.int64(number)
    return True


@jit_apart
def _give_up(tables, work, contention, level, base, low, high):
    """Leave working memory and marks as a run's end does."""
    advance(tables, work, contention, level, LAST_MOMENT)
    for i in range(low, high):
        base.touched[U(i)] = 0


@jit
def _let_go(work, base, points, k, low, high):
    """Nothing holds a tensor any more, after a run that stopped at checkpoint ``k``."""
    for i in range(points.counts[k, HOMES]):
        work.tensor[points.home[k, i].tensor].holders = 0
    for i in range(low, high):
        if base.touched[U(i)] != 0:
            work.tensor[U(i)].holders = 0
    for i in range(U(base.told[STALE_COUNT])):
        work.tensor[base.stale[i]].holders = 0


# -- the rest of the run


@jit
def _late(work, points, k):
    """How much later than in the base what runs at checkpoint ``k`` ends."""
    return work.events[U(1)].time - points.events[k, U(0)].time - points.scalars[k, NOW]


@jit_apart
def _same(work, wiring, base, points, k, moved, low, high):
    """Is the rest of the run that from checkpoint ``k`` on, but for a shift in time?

    It is if the same ops and transfers are waiting, in the same order, and the same are running,
    with as long to go, all moved ops having ended: by induction over the graph the same ops have
    then ended, and so the same inputs are missing. Memory is the same if as much is held, and all
    that moved tensors hold will be freed by the same ops.
    """
    devices, slots, scalars, mark = work.device, work.slot, work.scalars, base.mark
    d = len(devices)
    if (
        scalars[DONE] != points.scalars[k, DONE]
        or scalars[EVENTS] != points.scalars[k, EVENTS]
        or scalars[EVENTS] == 0
    ):
        return False
    for i in range(U(d)):
        dev, old = devices[i], points.device[k, i]
        if (
            dev.running != old.running
            or dev.memory != old.memory
            or dev.tail - dev.head != old.tail - old.head
        ):
            return False
    for i in range(U(moved)):
        if work.op[base.moved[i]].missing != 0:
            return False
    then, late = points.scalars[k, NOW], _late(work, points, k)
    # what is running
    for i in range(U(scalars[EVENTS])):
        code = points.events[k, i].code
        if code >= d:
            code = points.slot[k, U(code - d)].use + d
        mark[U(code)] = -1
    for i in range(U(scalars[EVENTS])):
        code = work.events[i + U(1)].code
        if code >= d:
            code = slots[U(code - d)].use + d
        mark[U(code)] = work.events[i + U(1)].time
    for i in range(U(scalars[EVENTS])):
        code = points.events[k, i].code
        if code >= d:
            moving = points.slot[k, U(code - d)]
            code = moving.use + d
            if base.touched[moving.tensor] != 0:
                return False
            if mark[U(code)] >= 0 and slots[work.use[moving.use].slot].source != moving.source:
                return False
        if mark[U(code)] != points.events[k, i].time + then + late:
            return False
    # what waits: times not later than `kept` are those of old, later ones than that are shifted
    kept, shifted = np.int64(-1), np.int64(LAST_MOMENT)
    for i in range(U(len(work.port))):
        a, b = work.port[i].head, points.port[k, i].head
        while a != NONE and b != NONE:
            new, old = slots[a], points.slot[k, U(b)]
            if new.use != old.use or base.touched[new.tensor] != 0:
                return False
            if new.requested == old.requested + then:
                kept = max(kept, new.requested)
            elif new.requested == old.requested + then + late:
                shifted = min(shifted, new.requested, old.requested + then)
            else:
                return False
            a, b = new.next, old.next
        if a != b:
            return False
    at = U(0)
    for i in range(U(d)):
        dev = devices[i]
        waiting = U(dev.tail - dev.head)
        for j in range(waiting):
            old = points.ready[k, at + j]
            if len(work.heap) > 0:
                mark[U(old.op)] = -1
            elif work.queue[dev.head + j] != old.op:
                return False
        if len(work.heap) > 0:
            for j in range(dev.head, dev.tail):
                mark[U(work.heap[j].op)] = work.heap[j].time
            for j in range(waiting):
                old = points.ready[k, at + j]
                time = mark[U(old.op)]
                if time == old.time + then:
                    kept = max(kept, time)
                elif time >= 0 and time == old.time + then + late:
                    shifted = min(shifted, time, old.time + then)
                else:
                    return False
        at += waiting
    return kept < shifted and _same_memory(work, wiring, base, then, low, high)


@jit_apart
def _same_memory(work, wiring, base, now, low, high):
    """Do moved tensors hold as much, on each device, until the same ops have ended?

    Each copy of a tensor, where it was made or sent, counts as its device, its bytes and all that
    has to end before it is freed: uses by ops that have not ended, and views that did not move.
    What is compared is the sum over the copies of a 64-bit hash of that.
    """
    total = U(0)
    for which in range(U(2)):
        place = base.place if which == 0 else base.trial
        for number in range(high - 1, low - 1, -1):
            tensor = U(number)
            if base.touched[tensor] == 0:
                continue
            first, last = U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + U(1)])
            for use in range(first, last):
                op = U(wiring.consumer[use])
                held = U(0)
                if base.finish[op] > now:
                    held = _hash(use)
                else:
                    for view in range(
                        U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + U(1)])
                    ):
                        if work.tensor[view].alias != tensor:
                            continue
                        if base.touched[view] != 0:
                            held += base.tokens[which, view]
                        elif work.tensor[view].holders > 0:
                            held += _hash(view + U(len(work.use)))
                if held != 0:
                    base.touched[tensor] = HELD
                    base.sums[U(place[op])] += held
            here = U(place[U(wiring.producer[tensor])])
            base.tokens[which, tensor] = base.sums[here]
            for use in range(first, last):
                there = U(place[U(wiring.consumer[use])])
                held = base.sums[there]
                base.sums[there] = U(0)
                size = work.tensor[tensor].size
                if there == here:
                    size = work.tensor[tensor].local_size
                if held != 0 and size != 0:
                    held = _hash(held ^ _hash(there) ^ _hash(~U(size)))
                    total += held if which == 0 else ~held + U(1)
    return total == 0


@jit
def _hash(x):
    """Scatter 64 bits (splitmix64: Steele, Lea and Flood 2014)."""
    x += U(0x9E3779B97F4A7C15)
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))


_files = [os.stat(str(module.__file__)) for module in (engine, checkpoints)]
rerun = _compile(tuple((file.st_mtime_ns, file.st_size) for file in _files))
