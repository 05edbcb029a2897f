"""What a run leaves behind: the base of further ones, and clean working memory."""

import numpy as np

from go_gym.simulator.delta.checkpoints import (
    FIGURES_TOLD,
    HOMES,
    KEPT_USES,
    RECORDINGS,
    SENT_COUNT,
    STALE_COUNT,
    let_go_of,
    save,
)
from go_gym.simulator.delta.moving import RECORD
from go_gym.simulator.delta.rest import HELD
from go_gym.simulator.engine import LAST_MOMENT, ONE, advance, jit_apart, jit_once, set_event
from go_gym.simulator.work import U


@jit_apart
def keep(work, wiring, base, points, start, stop, late, busy, peak, told, low, high, purpose):
    """Make this run the base, the checkpoints passed having been saved; ``peak`` gets its peak.

    Returns:
        False if there is no room for a checkpoint or for what moved; all must be recorded anew.
    """
    count, recording = len(points.saved), base.told[RECORDINGS]
    since, until = np.int64(-1), np.int64(LAST_MOMENT)
    if start >= 0:
        since = points.state[U(start)].now
    if stop >= 0:
        until = points.state[U(stop)].now
    for op in range(U(len(base.place))):
        if base.start[op] > until:
            base.start[op] += late
        elif base.start[op] > since:
            base.start[op] = work.op_times[U(0), op]
        if base.finish[op] > until:
            base.finish[op] += late
        elif base.finish[op] > since:
            base.finish[op] = work.op_times[ONE, op]
    _keep_sent(work, wiring, base, since, until, late, purpose)
    if stop >= 0:
        k = U(stop)
        further = work.state[U(0)].moved - points.state[k].moved
        for j in range(k + ONE, U(count)):
            then = points.state[j]
            if then.now == until:  # the same moment again, which is not shifted like the rest
                points.saved[j] = -1
            then.now += late
            then.moved += further
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
                number += ONE
        base.told[STALE_COUNT] = np.int64(number)
    return True


@jit_once
def _keep_sent(work, wiring, base, since, until, late, purpose):
    """Bring the transfers up to date: those that started between two moments of the base are as
    this run noted them, later ones shifted."""
    kept = U(0)
    if purpose != RECORD:
        if base.told[SENT_COUNT] < 0:
            return
        for i in range(U(base.told[SENT_COUNT])):
            sent = base.sent[i]
            if since < sent.start <= until:
                continue
            if sent.start > until:
                sent.requested = base.finish[U(wiring.producer[sent.tensor])]
                sent.start += late
                sent.finish += late
            base.sent[kept] = sent
            kept += ONE
    made = work.state[U(0)].sent
    base.told[SENT_COUNT] = -1
    if kept + made <= U(len(base.sent)):
        for i in range(made):
            base.sent[kept + i] = work.transfers[i]
        base.told[SENT_COUNT] = np.int64(kept + made)


@jit_apart
def give_up(tables, work, contention, level, base, low, high):
    """Leave working memory and marks as a run's end does."""
    advance(tables, work, contention, level, np.int64(LAST_MOMENT))
    for i in range(low, high):
        base.touched[U(i)] = 0


@jit_once
def let_go(work, wiring, base, points, k, low, high):
    """Nothing holds a tensor, waits or is under way any more, after a run that stopped at ``k``."""
    s = work.state[U(0)]
    while s.next != LAST_MOMENT:
        set_event(work.event_time, work.event_leaf, s, s.first, np.int64(LAST_MOMENT))
    for i in range(U(len(work.port))):
        work.slot[i].next = i
        work.slot[i].previous = i
    for i in range(points.counts[k, HOMES]):
        work.tensor[points.home[k, i].tensor].holders = 0
    for i in range(points.counts[k, KEPT_USES]):
        work.use[points.use[k, i].number].holders = 0
    for i in range(low, high):
        if base.touched[U(i)] != 0:
            let_go_of(work, wiring, U(i))
    for i in range(U(base.told[STALE_COUNT])):
        let_go_of(work, wiring, U(base.stale[i]))
