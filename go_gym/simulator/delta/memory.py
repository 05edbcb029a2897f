"""What affected tensors hold at a checkpoint, and what that does to the peaks of memory after it.

All moved ops have ended by then, so that each copy of an affected tensor is released when the ops
that did not move and need it have ended, which is known from the recorded run; or when views that
share it are no longer needed, which is known for views that are affected themselves. Only the peak
between two checkpoints is recorded. It changes by the bytes of what is held from one to the other;
by what is released in between it may.
"""

import numpy as np

from go_gym.simulator.engine import ONE
from go_gym.simulator.jit import jit, jit_apart, jit_once
from go_gym.simulator.tables import NONE
from go_gym.simulator.work import LAST_MOMENT, U

RECORDED, MOVED = U(0), U(1)
"""Rows of ``copy`` and ``home``."""


@jit_once
def nothing_held(work, index, run, move, points, k, span):
    """Does nothing hold an affected tensor at checkpoint ``k``, wherever its copies are?

    The same ops have ended in both runs, and none of the tensors is under way: then nothing does
    in the recorded run either, and memory is the same.
    """
    now = points.state[k].now
    for number in range(span.first, span.last):
        tensor = U(number)
        if not move.affected[tensor]:
            continue
        made = work.tensor[tensor]
        if index.lasting[tensor] and (made.local_size > 0 or made.alias != NONE):
            return False
        for use in range(U(index.tensor_use_ptr[tensor]), U(index.tensor_use_ptr[tensor + ONE])):
            op = U(index.use_consumer[use])
            if run.finish[op] > now:
                return False
            for view in range(U(index.op_tensor_ptr[op]), U(index.op_tensor_ptr[op + ONE])):
                shares = work.tensor[view].alias == tensor and not move.affected[view]
                if shares and work.tensor[view].holders > 0:
                    return False
    return True


@jit_once
def peaks_of_rest(work, index, run, move, scratch, points, k, span):
    """Put the peak of each device from checkpoint ``k`` on into ``scratch.rest_peak``; False where
    it cannot be told."""
    now = points.state[k].now
    for i in range(U(len(work.device))):
        scratch.rest_peak[i] = points.peak_after[k, i]
    known = True
    for number in range(span.last - 1, span.first - 1, -1):  # views before what they share
        tensor = U(number)
        if move.affected[tensor]:
            known &= _compare_copies(work, index, run, move, scratch, points, k, tensor, now)
    for i in range(U(len(work.device))):
        if scratch.changed[i]:
            scratch.rest_peak[i] = _changed_peak(run, scratch, points, k, i, work.device[i].peak)
            known &= scratch.rest_peak[i] >= 0
            scratch.changed[i] = False
    return known


@jit_once
def _compare_copies(work, index, run, move, scratch, points, k, tensor, now):
    """Note for each device if it holds a tensor for another time than recorded, or in another size;
    False if it is not known until when.

    Copies are needed until the same moment in both runs if what is known of that is the same: views
    that are not affected are made by ops that did not move, and share a copy on the same device.
    """
    maker = U(index.tensor_producer[tensor])
    first, last = U(index.tensor_use_ptr[tensor]), U(index.tensor_use_ptr[tensor + ONE])
    for use in range(first, last):
        op = U(index.use_consumer[use])
        _need(work, index, run, move, scratch, RECORDED, U(run.placement[op]), tensor, op, now)
        _need(work, index, run, move, scratch, MOVED, U(move.placement[op]), tensor, op, now)
    here_was, here = U(run.placement[maker]), U(move.placement[maker])
    if index.lasting[tensor]:
        scratch.copy[RECORDED, here_was].until = LAST_MOMENT
        scratch.copy[MOVED, here].until = LAST_MOMENT
    scratch.home[RECORDED, tensor] = scratch.copy[RECORDED, here_was]
    scratch.home[MOVED, tensor] = scratch.copy[MOVED, here]
    known = True
    for i in range(U(2) * (last + ONE - first)):
        use = first + (i >> ONE)
        op = maker if use == last else U(index.use_consumer[use])
        there = U(move.placement[op] if i & ONE else run.placement[op])
        was, found = scratch.copy[RECORDED, there], scratch.copy[MOVED, there]
        made = work.tensor[tensor]
        size_was = made.local_size if there == here_was else made.size
        size = made.local_size if there == here else made.size
        if size != size_was or was.until != found.until or found.until == LAST_MOMENT:
            known &= _hold(scratch, points, k, there, -size_was, was)
            known &= _hold(scratch, points, k, there, size, found)
        was.until = 0
        was.open = False
        found.until = 0
        found.open = False
    return known


@jit
def _need(work, index, run, move, scratch, which, there, tensor, op, now):
    """An op on device ``there`` uses a tensor: note how long it and its views need the copy."""
    copy, finish = scratch.copy[which, there], run.finish[op]
    if finish > now:
        copy.until = max(copy.until, finish)
    for view in range(U(index.op_tensor_ptr[op]), U(index.op_tensor_ptr[op + ONE])):
        viewing = work.tensor[view]
        if viewing.alias != tensor:
            continue
        if not move.affected[view]:
            copy.open |= finish > now or viewing.holders > 0
            continue
        home = scratch.home[which, view]
        copy.open |= home.open
        copy.until = max(copy.until, home.until)
        if home.open and run.placement[op] != move.placement[op]:
            copy.until = LAST_MOMENT  # in this run only


@jit_apart
def _hold(scratch, points, k, here, size, copy):
    """Let device ``here`` hold ``size`` bytes more than recorded from checkpoint ``k`` on, as long
    as a copy is needed; False if that is not known, unless it does not matter."""
    if size == 0:
        return True
    if copy.open or copy.until == LAST_MOMENT:
        return False
    if copy.until == 0:
        return True
    count = U(len(points.state))
    if not scratch.changed[here]:
        scratch.changed[here] = True
        for j in range(k + ONE, count + ONE):
            scratch.least[here, j] = 0
            scratch.most[here, j] = 0
    for j in range(k + ONE, count + ONE):
        end = np.int64(LAST_MOMENT)
        if j < count:
            if not points.valid[j]:
                continue
            end = points.state[j].now
        if copy.until > end:
            scratch.least[here, j] += size
            scratch.most[here, j] += size
        elif size > 0:
            scratch.most[here, j] += size
        else:
            scratch.least[here, j] += size
        if copy.until <= end:
            break
    return True


@jit_apart
def _changed_peak(run, scratch, points, k, here, so_far):
    """The peak of a device, ``so_far`` or after checkpoint ``k``; -1 if it depends on when between
    two checkpoints something is released."""
    least = most = so_far
    count = U(len(points.state))
    for j in range(k + ONE, count + ONE):
        if j < count and not points.valid[j]:
            continue
        peak = run.last_peak[here] if j == count else points.device[j, here].peak
        least = max(least, peak + scratch.least[here, j])
        most = max(most, peak + scratch.most[here, j])
    return most if least == most else np.int64(-1)
