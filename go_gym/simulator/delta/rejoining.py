"""Is the rest of a run that of the recorded one from a checkpoint on, but for a shift in time?

It is if the same ops and transfers wait, in the same order, and the same are under way, with as
long to go, all moved ops having ended: by induction over the graph the same ops have then ended,
the same inputs are missing, and so the same happens next. Memory may differ meanwhile by what
affected tensors hold: ``memory.py``.

In what follows *then* is the checkpoint's moment in the recorded run, and ``shift`` how much later
(or, if negative, earlier) the run at hand is there.
"""

import numpy as np

from go_gym.simulator.delta.checkpoints import is_contracted
from go_gym.simulator.delta.memory import nothing_held, peaks_of_rest
from go_gym.simulator.engine import ONE
from go_gym.simulator.jit import jit, jit_apart, jit_once
from go_gym.simulator.work import LAST_MOMENT, U


@jit_apart
def rejoins(tables, work, index, run, move, scratch, points, k, moved, span, exactly):
    """Is the rest of the run that from checkpoint ``k`` on, shifted?

    ``scratch.rest_peak`` (d,) gets its peak of memory, and False is returned where that cannot be
    told; with ``exactly`` also where an affected tensor is still held.
    """
    if not same_progress(tables, work, index, move, points, k, moved):
        return False
    shift = shift_at(work, points, k)
    if not (
        same_running(work, move, scratch, points, k, shift)
        and same_transfer_queues(work, move, points, k, shift)
        and same_ready_queues(work, scratch, points, k, shift)
    ):
        return False
    if not exactly:
        return peaks_of_rest(work, index, run, move, scratch, points, k, span)
    for i in range(U(len(work.device))):
        scratch.rest_peak[i] = points.peak_after[k, i]
    return nothing_held(work, index, run, move, points, k, span)


@jit
def shift_at(work, points, k):
    """How much later than recorded what is under way at checkpoint ``k`` ends first."""
    first = np.int64(LAST_MOMENT)
    for i in range(points.counts[k].event):
        first = min(first, points.event[k, i].time)
    return work.state[U(0)].next - first - points.state[k].now


@jit_once
def same_progress(tables, work, index, move, points, k, moved):
    """As many ops have ended, something is under way, each device runs the same op and has as many
    ready, and moved ops lack no input.

    Moved ops had ended then, so that they neither run nor wait if the same ops do as then: with
    the functions below this says that they have ended.
    """
    s = work.state[U(0)]
    if s.done != points.state[k].done or s.next == LAST_MOMENT:
        return False
    for i in range(U(len(work.device))):
        dev, was = work.device[i], points.device[k, i]
        if dev.running != was.running or dev.tail - dev.head != was.tail - was.head:
            return False
    missing = np.uint32(0)
    for i in range(U(moved)):
        op = U(move.ops[i])
        if is_contracted(tables, work, index, op):
            op = U(index.leader[op])
        missing |= work.op[op].missing
    return missing == 0


@jit_once
def same_running(work, move, scratch, points, k, shift):
    """The same ops and transfers are under way as then, and end by ``shift`` later; none of the
    transfers is of an affected tensor, whose copies may be others.

    Ops are known by their device, transfers by the first use of the copy that they bring: slots
    may be others.
    """
    s, d, mark = work.state[U(0)], U(len(work.device)), scratch.mark
    now = points.state[k].now + shift
    for i in range(points.counts[k].event):
        event = points.event[k, i]
        known_by = U(event.leaf)
        if known_by >= d:
            transfer = points.slot[k, event.slot]
            if move.affected[transfer.tensor]:
                return False
            known_by = d + transfer.use
        mark[known_by] = -1
    running = U(0)
    for leaf in range(s.leaves // s.root):
        time = work.event_time[s.leaves + leaf]
        if time != LAST_MOMENT:
            running += ONE
            mark[d + work.slot[work.moving[leaf]].use if leaf >= d else leaf] = time
    if running != points.counts[k].event:
        return False
    for i in range(running):
        event = points.event[k, i]
        known_by = U(event.leaf)
        if known_by >= d:
            known_by = d + points.slot[k, event.slot].use
        if mark[known_by] != event.time + now:
            return False
    return True


@jit_once
def same_transfer_queues(work, move, points, k, shift):
    """The same transfers wait at each port as then, in the same order, none of an affected tensor.

    Those that were requested before the change have waited since the same moment, the others by
    ``shift`` later. What waits at several ports for one destination goes by that moment: its order
    is the same if all of the former were requested before any of the latter, in both runs.
    """
    then = points.state[k].now
    unshifted, shifted = np.int64(-1), np.int64(LAST_MOMENT)
    for i in range(U(len(work.port))):
        a, b = U(work.slot[i].next), U(points.slot[k, i].next)
        while a != i and b != i:
            copy, was = work.slot[a], points.slot[k, b]
            if copy.use != was.use or move.affected[copy.tensor]:
                return False
            time = was.requested + then
            if copy.requested == time:
                unshifted = max(unshifted, time)
            elif copy.requested == time + shift:
                shifted = min(shifted, time, time + shift)
            else:
                return False
            a, b = U(copy.next), U(was.next)
        if a != b:  # one of them has more
            return False
    return unshifted < shifted


@jit_once
def same_ready_queues(work, scratch, points, k, shift):
    """The same ops are ready on each device as then, and will start in the same order.

    First come first served queues are in order. In heaps, where it may depend on the moment since
    which ops are ready, that has to be as :func:`same_transfer_queues` says.
    """
    then, mark = points.state[k].now, scratch.mark
    unshifted, shifted = np.int64(-1), np.int64(LAST_MOMENT)
    at = U(0)
    for i in range(U(len(work.device))):
        dev = work.device[i]
        waiting = dev.tail - dev.head
        if len(work.heap) == 0:
            for j in range(waiting):
                if work.queue[dev.head + j] != points.ready[k, at + j].op:
                    return False
        else:
            for j in range(waiting):
                mark[points.ready[k, at + j].op] = -1
            for j in range(dev.head, dev.tail):
                mark[work.heap[j].op] = work.heap[j].time
            for j in range(waiting):
                was = points.ready[k, at + j]
                time, found = was.time + then, mark[was.op]
                if found == time:
                    unshifted = max(unshifted, time)
                elif found >= 0 and found == time + shift:
                    shifted = min(shifted, time, time + shift)
                else:
                    return False
        at += waiting
    return unshifted < shifted
