"""Where a run with moved ops may go on later than at the first transfer that is new or vanishes.

An *early* tensor was made by an op that does not move, for one that does. The move may change
where it is sent, and so how long it is held. No other op or transfer is affected before the moved
op is ready if each transfer that is new or vanishes has its ports for itself: then a run goes on
from a checkpoint of the recorded one up to there, in which what is held, and the memory for it, is
put right.
"""

import numpy as np

from go_gym.simulator.delta.checkpoints import (
    EARLY_COUNT,
    GONE_COUNT,
    NEW_COUNT,
    SENT_COUNT,
    SPAN_COUNT,
    work_out,
)
from go_gym.simulator.delta.peaks import hold, peak_of
from go_gym.simulator.engine import LAST_MOMENT, ONE, jit_apart, jit_once
from go_gym.simulator.tables import NONE
from go_gym.simulator.work import DUPLEX, EGRESS, FREE, U

OLD, NEW = U(1), U(2)
"""Marks of a device that a tensor is sent to in the recorded run, and in the other."""
LOOKED_AT = 2
"""The mark of an early tensor whose transfers are known; 1: one that such a tensor views."""
MANY_USES = 256
"""Where tensors with more uses than that are sent is not looked at (our choice)."""


@jit_apart
def look_ahead(tables, work, contention, wiring, base, points, moved, least):
    """The last checkpoint from which a run may go on, ``least`` if it is not later than that.

    If it is later, ``base`` holds what :func:`amend` puts right, and ``base.lead`` (d,) the peaks.
    """
    if contention == EGRESS or base.told[SENT_COUNT] < 0:
        return least
    change = np.int64(LAST_MOMENT)
    for i in range(U(moved)):
        start = base.start[base.moved[i]]
        if start < change:
            change = start
    if least + 1 >= len(points.saved) or points.state[U(least + 1)].now >= change:
        return least
    for i in range(U(moved)):
        op = U(base.moved[i])
        was, ready = np.int64(-1), np.int64(-1)  # when its inputs are there
        for j in range(U(wiring.op_use_ptr[op]), U(wiring.op_use_ptr[op + ONE])):
            tensor, maker = U(wiring.inputs[j]), U(wiring.producers[j])
            if base.place[maker] == base.trial[maker] and base.early[tensor] != LOOKED_AT:
                limit = _look_at(tables, work, contention, wiring, base, tensor, maker)
                if limit < change:
                    change = limit
            made = base.finish[maker]
            if base.place[maker] != base.trial[maker] or made >= change:
                was, ready = np.int64(LAST_MOMENT), np.int64(LAST_MOMENT)  # after something else
                continue
            here = U(base.place[maker])
            was = max(was, _arrival(base, tensor, here, U(base.place[op]), made, False))
            ready = max(ready, _arrival(base, tensor, here, U(base.trial[op]), made, True))
        change = min(change, was, ready)
    start = least
    if points.state[U(least + 1)].now < change and _find_spans(work, wiring, base, change):
        start = _last_told(points, base, change, least)
    if start == least:
        forget(base)
    return start


@jit_apart
def forget(base):
    """Nothing is early."""
    for i in range(U(base.told[EARLY_COUNT])):
        base.early[base.early_list[i]] = 0
    for i in range(U(base.told[GONE_COUNT])):
        base.sent[base.gone[i]].gone = 0
    base.told[EARLY_COUNT] = 0
    base.told[GONE_COUNT] = 0
    base.told[NEW_COUNT] = 0
    base.told[SPAN_COUNT] = 0


@jit_once
def _look_at(tables, work, contention, wiring, base, tensor, maker):
    """Note a tensor, what it views, and its transfers that are new or vanish.

    Returns:
        when something else changes as well, LAST_MOMENT if nothing does
    """
    made = base.finish[maker]
    noted = tensor
    while noted != NONE and base.early[noted] == 0:
        uses = wiring.tensor_use_ptr[noted + ONE] - wiring.tensor_use_ptr[noted]
        if uses > MANY_USES or base.told[EARLY_COUNT] == len(base.early_list):
            return np.int64(-1)
        base.early[noted] = 1
        i = U(base.told[EARLY_COUNT])  # those made later come first
        while i > 0 and base.early_list[i - ONE] < noted:
            base.early_list[i] = base.early_list[i - ONE]
            i -= ONE
        base.early_list[i] = noted
        base.told[EARLY_COUNT] += 1
        noted = U(work.tensor[noted].alias)
    base.early[tensor] = LOOKED_AT
    here = U(base.place[maker])
    first, last = U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + ONE])
    for use in range(first, last):
        op = U(wiring.consumer[use])
        base.sums[U(base.place[op])] |= OLD
        base.sums[U(base.trial[op])] |= NEW
    base.sums[here] = 0
    limit = np.int64(LAST_MOMENT)
    for step in range(U(2)):  # first what vanishes, since it is in nobody's way
        for i in range(U(2) * (last - first)):
            op = U(wiring.consumer[first + (i >> ONE)])
            there = U(base.trial[op] if i & ONE else base.place[op])
            mark = base.sums[there]
            if step == 0 and mark == OLD:
                found = _find_sent(base, tensor, there)
                if base.told[GONE_COUNT] == len(base.gone):
                    limit = made
                elif base.sent[found].gone == 0:
                    base.sent[found].gone = 1
                    base.gone[U(base.told[GONE_COUNT])] = found
                    base.told[GONE_COUNT] += 1
            elif step == 1 and mark != 0:
                base.sums[there] = 0
                if mark == OLD:
                    gone = base.sent[_find_sent(base, tensor, there)]
                    if not _idle(base, contention, here, there, made, gone.finish):
                        limit = made  # nor is it in its own way
                elif mark == NEW:
                    link, size = tables.link[here, there], work.tensor[tensor].size
                    time = link.latency + np.int64(np.rint(np.float64(size) * link.ns_per_byte))
                    room = base.told[NEW_COUNT] < len(base.new)
                    if room and _idle(base, contention, here, there, made, made + time):
                        new = base.new[U(base.told[NEW_COUNT])]
                        base.told[NEW_COUNT] += 1
                        new.tensor = tensor
                        new.source = here
                        new.to = there
                        new.gone = 0
                        new.requested = made
                        new.start = made
                        new.finish = made + time
                    else:
                        limit = made
    return limit


@jit_apart
def _idle(base, contention, source, to, since, until):
    """Does no transfer wait for or occupy what one from ``source`` to ``to`` does?"""
    if contention == FREE:
        return True
    count = U(base.told[SENT_COUNT])
    for i in range(count + U(base.told[NEW_COUNT])):
        sent = base.sent[i] if i < count else base.new[i - count]
        if sent.requested > until or sent.finish < since or sent.gone != 0:
            continue
        if contention == DUPLEX:
            if sent.source == source or sent.to == to:
                return False
        elif sent.source == source and sent.to == to:
            return False
    return True


@jit_apart
def _find_sent(base, tensor, to):
    """The number of a transfer of the recorded run."""
    i = U(0)
    while base.sent[i].tensor != tensor or base.sent[i].to != to:
        i += ONE
    return i


@jit_apart
def _find_new(base, tensor, to):
    """The number of a new transfer, NONE if it is not one."""
    for i in range(U(base.told[NEW_COUNT])):
        if base.new[i].tensor == tensor and base.new[i].to == to:
            return i
    return U(NONE)


@jit_once
def _arrival(base, tensor, here, there, made, tried):
    """When a tensor made on device ``here`` is ``there``."""
    if here == there:
        return made
    if tried:
        i = _find_new(base, tensor, there)
        if i != NONE:
            return base.new[i].finish
    return base.sent[_find_sent(base, tensor, there)].finish


# -- memory


@jit_once
def _find_spans(work, wiring, base, change):
    """Note for which time before ``change`` a device holds more or fewer bytes than it did; False
    if there is too much to note."""
    for i in range(U(base.told[EARLY_COUNT])):
        tensor = U(base.early_list[i])
        maker = U(wiring.producer[tensor])
        if base.finish[maker] >= change:
            continue
        here, made = U(base.place[maker]), work.tensor[tensor]
        if not _compare(work, wiring, base, tensor, here, made.local_size, change):
            return False
        first, last = U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + ONE])
        base.sums[here] = ONE
        told = True
        for use in range(first, last):
            op = U(wiring.consumer[use])
            affected = base.place[op] != base.trial[op]
            for view in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + ONE])):
                affected |= base.early[view] != 0 and work.tensor[view].alias == tensor
            if not affected:
                continue
            for which in range(U(2)):
                there = U(base.trial[op] if which else base.place[op])
                if base.sums[there] == 0:
                    base.sums[there] = ONE
                    told &= _compare(work, wiring, base, tensor, there, made.size, change)
        base.sums[here] = 0
        for use in range(first, last):
            op = U(wiring.consumer[use])
            base.sums[U(base.place[op])] = 0
            base.sums[U(base.trial[op])] = 0
        if not told:
            return False
    return True


@jit_apart
def _compare(work, wiring, base, tensor, there, size, change):
    """Note for which time a device holds a copy of a tensor in one of the runs only."""
    if size == 0:
        return True
    maker = U(wiring.producer[tensor])
    tried = np.bool_(False)
    until_was = _until(work, wiring, base, tensor, there, tried, change)
    until = _until(work, wiring, base, tensor, there, not tried, change)
    if until == until_was:
        return True
    if base.told[SPAN_COUNT] + 2 > len(base.span):
        return False
    for which in range(U(2)):
        end = until if which else until_was
        if end < 0:
            continue
        since = base.start[maker]
        if base.place[maker] != np.int64(there):
            new = _find_new(base, tensor, there)
            if new == NONE:
                since = base.sent[_find_sent(base, tensor, there)].start
            else:
                since = base.new[new].start
        span = base.span[U(base.told[SPAN_COUNT])]
        base.told[SPAN_COUNT] += 1
        span.device = there
        span.size = size if which else -size
        span.since = since
        span.until = end
    return True


@jit_apart
def _until(work, wiring, base, tensor, there, tried, change):
    """Until when a device holds a copy of a tensor: -1 if it never does, the last moment if until
    ``change`` or longer."""
    place = base.trial if tried else base.place
    until, left = np.int64(-1), ONE
    base.mark[U(0)] = tensor
    while left > 0:
        left -= ONE
        viewed = U(base.mark[left])  # the tensor, then views of this copy
        maker = U(wiring.producer[viewed])
        home, sent = U(place[maker]) == there, False
        if home:
            until = max(until, base.finish[maker])
        for use in range(U(wiring.tensor_use_ptr[viewed]), U(wiring.tensor_use_ptr[viewed + ONE])):
            op = U(wiring.consumer[use])
            if U(place[op]) != there:
                sent = True
                continue
            until = max(until, base.finish[op])
            if base.place[op] != base.trial[op] or until >= change:
                return np.int64(LAST_MOMENT)
            for view in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + ONE])):
                if work.tensor[view].alias == viewed:
                    base.mark[left] = view
                    left += ONE
        if home and sent:
            for i in range(U(base.told[SENT_COUNT])):
                moving = base.sent[i]
                if moving.tensor == viewed and not (tried and moving.gone != 0):
                    until = max(until, moving.finish)
            if tried:
                for i in range(U(base.told[NEW_COUNT])):
                    moving = base.new[i]
                    if moving.tensor == viewed:
                        until = max(until, moving.finish)
    return np.int64(LAST_MOMENT) if until >= change else until


@jit_once
def _last_told(points, base, change, least):
    """The last checkpoint before ``change`` at which no early tensor is on its way, and up to
    which the peaks can be told and are not too high; else ``least``."""
    for i in range(U(base.told[SPAN_COUNT])):
        span = base.span[i]
        hold(points, base, U(0), U(span.device), span.size, span.since, span.until)
    start = least
    for number in range(len(points.saved) - 1, least, -1):
        k = U(number)
        then = points.state[k].now
        if points.saved[k] < 0 or then >= change or _sending(base, then):
            continue
        told = True
        for i in range(U(len(base.lead))):
            base.lead[i] = points.before[k, i]
            if base.changed[i]:
                base.lead[i] = peak_of(points, base, U(0), k + ONE, i, np.int64(0))
            told &= 0 <= base.lead[i] <= base.room[i]
        if told:
            start = np.int64(number)
            break
    for i in range(U(len(base.changed))):
        base.changed[i] = False
    return start


@jit_once
def _sending(base, then):
    """Is any transfer of an early tensor, or a new one, requested and not done?"""
    for i in range(U(base.told[SENT_COUNT])):
        sent = base.sent[i]
        if sent.requested <= then and sent.finish >= then and base.early[sent.tensor] != 0:
            return True
    for i in range(U(base.told[NEW_COUNT])):
        sent = base.new[i]
        if sent.requested <= then and sent.finish >= then:
            return True
    return False


@jit_once
def amend(tables, work, wiring, base, moved):
    """Put right what the move changes at the checkpoint at which work stands."""
    s = work.state[U(0)]
    now = s.now
    for i in range(U(base.told[EARLY_COUNT])):
        tensor = U(base.early_list[i])
        if base.finish[U(wiring.producer[tensor])] <= now:
            work_out(work, wiring, base, base.trial, tensor, now)
    for i in range(U(base.told[SPAN_COUNT])):
        span = base.span[i]
        if span.since <= now and now < span.until:
            work.device[span.device].memory += span.size
    for i in range(U(base.told[GONE_COUNT])):
        sent = base.sent[base.gone[i]]
        if sent.start <= now:
            s.moved -= work.tensor[sent.tensor].size
    for i in range(U(base.told[NEW_COUNT])):
        sent = base.new[i]
        if sent.start <= now:
            s.moved += work.tensor[sent.tensor].size
    for i in range(U(moved)):
        op = U(base.moved[i])
        missing = tables.op[op].inputs
        for j in range(U(wiring.op_use_ptr[op]), U(wiring.op_use_ptr[op + ONE])):
            tensor, maker = U(wiring.inputs[j]), U(wiring.producers[j])
            made = base.finish[maker]
            if base.place[maker] != base.trial[maker] or made > now:
                continue
            here, there = U(base.place[maker]), U(base.trial[op])
            if _arrival(base, tensor, here, there, made, True) <= now:
                missing -= np.uint32(1)
        work.op[op].missing = missing
