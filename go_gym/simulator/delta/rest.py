"""Is the rest of a run that of the recorded one from a checkpoint on, but for a shift in time?"""

import numpy as np

from go_gym.simulator.delta.checkpoints import RUNNING
from go_gym.simulator.delta.peaks import hold, peak_of
from go_gym.simulator.engine import LAST_MOMENT, ONE, jit, jit_apart, jit_once
from go_gym.simulator.work import U

HELD = 2
"""The mark of a moved tensor that something still holds."""


@jit_apart
def same_rest(work, wiring, base, points, k, moved, low, high, exactly):
    """Is the rest of the run that from checkpoint ``k`` on, but for a shift in time?

    It is if the same ops and transfers are waiting, in the same order, and the same are running,
    with as long to go, all moved ops having ended: by induction over the graph the same ops have
    then ended, and so the same inputs are missing. Memory may differ by what moved tensors hold
    if the peak of the rest can be told nevertheless, unless ``exactly`` asks for the same;
    ``base.rest`` (d,) gets that peak.
    """
    slots, s, old, mark = work.slot, work.state[U(0)], points.state[k], base.mark
    d = U(len(work.device))
    if s.done != old.done or s.next == LAST_MOMENT:
        return False
    for i in range(d):
        dev, was = work.device[i], points.device[k, i]
        if dev.running != was.running or dev.tail - dev.head != was.tail - was.head:
            return False
        if exactly and dev.memory != was.memory:
            return False
    for i in range(U(moved)):
        if work.op[base.moved[i]].missing != 0:
            return False
    then, late = old.now, late_at(work, points, k)
    # what is running
    for i in range(points.counts[k, RUNNING]):
        event = points.events[k, i]
        code = U(event.leaf)
        if code >= d:
            moving = points.slot[k, event.slot]
            if base.touched[moving.tensor] != 0:
                return False
            code = moving.use + d
        mark[code] = -1
    running = U(0)
    for leaf in range(s.leaves // s.root):
        time = work.event_time[s.leaves + leaf]
        if time != LAST_MOMENT:
            running += ONE
            mark[slots[work.moving[leaf]].use + d if leaf >= d else leaf] = time
    if running != points.counts[k, RUNNING]:
        return False
    for i in range(running):
        event = points.events[k, i]
        code = U(event.leaf)
        if code >= d:
            code = points.slot[k, event.slot].use + d
        if mark[code] != event.time + then + late:
            return False
    # what waits: times not later than `kept` are those of old, later ones than that are shifted
    kept, shifted = np.int64(-1), np.int64(LAST_MOMENT)
    for i in range(U(len(work.port))):
        a, b = U(slots[i].next), U(points.slot[k, i].next)
        while a != i and b != i:
            copy, was = slots[a], points.slot[k, b]
            if copy.use != was.use or base.touched[copy.tensor] != 0:
                return False
            time = was.requested + then
            if copy.requested == time:
                kept = max(kept, time)
            elif copy.requested == time + late:
                shifted = min(shifted, time, time + late)
            else:
                return False
            a, b = U(copy.next), U(was.next)
        if a != b:  # one of them has more
            return False
    at = U(0)
    for i in range(d):
        dev = work.device[i]
        waiting = dev.tail - dev.head
        for j in range(waiting):
            op = points.ready[k, at + j].op
            if len(work.heap) > 0:
                mark[op] = -1
            elif work.queue[dev.head + j] != op:
                return False
        if len(work.heap) > 0:
            for j in range(dev.head, dev.tail):
                entry = work.heap[j]
                mark[entry.op] = entry.time
            for j in range(waiting):
                was = points.ready[k, at + j]
                time, found = was.time + then, mark[was.op]
                if found == time:
                    kept = max(kept, time)
                elif found >= 0 and found == time + late:
                    shifted = min(shifted, time, time + late)
                else:
                    return False
        at += waiting
    return kept < shifted and _rest_of_memory(work, wiring, base, points, k, low, high, exactly)


@jit
def late_at(work, points, k):
    """How much later than in the base what runs at checkpoint ``k`` ends."""
    first = np.int64(LAST_MOMENT)
    for i in range(points.counts[k, RUNNING]):
        first = min(first, points.events[k, i].time)
    return work.state[U(0)].next - first - points.state[k].now


@jit_once
def _rest_of_memory(work, wiring, base, points, k, low, high, exactly):
    """Can the peaks after checkpoint ``k`` be told, or with ``exactly``: are they the same?

    Each copy of a moved tensor, where it was made or sent, is held until what needs it has ended,
    which is known but for views that did not move. Between two checkpoints the peak changes by
    the bytes of what is held all that time; by what is freed in between it may.
    """
    now = points.state[k].now
    for i in range(U(len(base.rest))):
        base.rest[i] = points.after[k, i]
    known, changed = True, False
    for number in range(high - 1, low - 1, -1):
        tensor = U(number)
        if base.touched[tensor] == 0:
            continue
        made = work.tensor[tensor]
        first, last = U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + ONE])
        maker = U(wiring.producer[tensor])
        for which in range(U(2)):
            place = base.trial if which else base.place
            for use in range(first, last):
                _look_at_use(work, wiring, base, place, which, tensor, use, now)
            base.own[which, tensor] = base.copy[which, U(place[maker])]
        here_was, here = U(base.place[maker]), U(base.trial[maker])
        for i in range(U(2) * (last + ONE - first)):
            use = first + (i >> ONE)
            op = maker if use == last else U(wiring.consumer[use])
            there = U(base.trial[op] if i & ONE else base.place[op])
            was, found = base.copy[U(0), there], base.copy[ONE, there]
            if was.token == 0 and found.token == 0:
                continue
            base.touched[tensor] = HELD
            size_was = made.local_size if there == here_was else made.size
            size = made.local_size if there == here else made.size
            alike = was.token == found.token
            alike |= was.until == found.until and was.until < LAST_MOMENT
            if size != size_was or not alike:
                changed = True
                if was.token != 0 and size_was != 0:
                    known &= was.until < LAST_MOMENT
                    hold(points, base, k + ONE, there, -size_was, now, was.until)
                if found.token != 0 and size != 0:
                    known &= found.until < LAST_MOMENT
                    hold(points, base, k + ONE, there, size, now, found.until)
            was.token = 0
            was.until = 0
            found.token = 0
            found.until = 0
    if exactly:
        known &= not changed
    if changed:
        for i in range(U(len(base.rest))):
            if base.changed[i]:
                base.changed[i] = False
                end = U(len(points.saved)) + ONE
                base.rest[i] = peak_of(points, base, k + ONE, end, i, work.device[i].peak)
                known &= base.rest[i] >= 0
    return known


@jit_once
def _look_at_use(work, wiring, base, place, which, tensor, use, now):
    """Note what holds a copy for an op: the op itself until it has ended, then views it made."""
    op = U(wiring.consumer[use])
    copy = base.copy[which, U(place[op])]
    held, until = U(0), base.finish[op]
    if until > now:
        held = _hash(use)
    for view in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + ONE])):
        viewing = work.tensor[view]
        if viewing.alias != tensor:
            continue
        if base.touched[view] != 0:
            held += base.own[which, view].token
            if base.own[which, view].until > until:
                until = base.own[which, view].until
        elif held != 0 or viewing.holders > 0:
            held += _hash(view + U(len(work.use)))
            until = LAST_MOMENT
    if held != 0:
        copy.token += held
        if until > copy.until:
            copy.until = until


@jit
def _hash(x):
    """Scatter 64 bits (splitmix64: Steele, Lea and Flood 2014)."""
    x += U(0x9E3779B97F4A7C15)
    x = (x ^ (x >> U(30))) * U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U(27))) * U(0x94D049BB133111EB)
    return x ^ (x >> U(31))
