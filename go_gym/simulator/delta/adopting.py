"""Making a run the recorded one, the checkpoints that it passed having been saved."""

import numpy as np

from go_gym.simulator.delta.checkpoints import save
from go_gym.simulator.engine import ONE
from go_gym.simulator.jit import jit_apart, jit_once
from go_gym.simulator.work import LAST_MOMENT, U


@jit_apart
def adopt(tables, work, index, run, points, resumed, rejoined, shift, busy, peak, outcome):
    """Bring the recorded run up to date with one that differs from it between two checkpoints, and
    from the second on by ``shift``; -1 stands for the beginning and the end.

    Args:
        work: where the run stands.
        index, run, points: GraphIndex, RecordedRun, Checkpoints.
        resumed, rejoined: the checkpoints.
        shift: ns.
        busy: (d,) ns, of the whole run.
        peak: (d,) bytes, gets the peak of memory in the whole run.
        outcome: (1,) OUTCOME, of the whole run.
    """
    since, until = np.int64(-1), np.int64(LAST_MOMENT)
    if resumed >= 0:
        since = points.state[U(resumed)].now
    if rejoined >= 0:
        until = points.state[U(rejoined)].now
    time_members(tables, work)
    shift_times(work, run.start, U(0), since, until, shift)
    shift_times(work, run.finish, ONE, since, until, shift)
    if rejoined >= 0:
        shift_checkpoints(work, points, U(rejoined), until, shift)
        save(tables, work, index, points, U(rejoined))
    else:
        for i in range(U(len(peak))):
            run.last_peak[i] = work.device[i].peak
    for i in range(U(len(peak))):
        peak[i] = recompute_peaks(run, points, i)
        run.busy[i] = busy[i]
    run.outcome[U(0)] = outcome[U(0)]


@jit_once
def time_members(tables, work):
    """Members that were not simulated were done as the ops ended that they follow from."""
    for i in range(U(len(tables.members))):
        op, leader = U(tables.members[i, U(0)]), U(tables.members[i, ONE])
        if work.op[leader].packet == tables.op[leader].packet:
            work.op_times[U(0), op] = work.op_times[ONE, leader]
            work.op_times[ONE, op] = work.op_times[ONE, leader]


@jit_once
def shift_times(work, times, row, since, until, shift):
    """Starts (row 0) or ends (1) of ops: new between two moments, shifted after the second."""
    for op in range(U(len(times))):
        was, new = times[op], work.op_times[row, op]  # written so that it needs no branches
        later = was + shift if was > until else new
        times[op] = later if was > since else was


@jit_once
def shift_checkpoints(work, points, rejoined, until, shift):
    """Bring what the checkpoints after one tell of the run before them up to date."""
    bytes_moved = work.state[U(0)].moved - points.state[rejoined].moved
    for k in range(rejoined + ONE, U(len(points.state))):
        then = points.state[k]
        if then.now == until:  # the same moment again, which is not shifted like the rest
            points.valid[k] = False
        then.now += shift
        then.moved += bytes_moved
        for i in range(U(len(work.device))):
            points.device[k, i].busy += work.device[i].busy - points.device[rejoined, i].busy


@jit_once
def recompute_peaks(run, points, here):
    """Put a device's peaks before and after each checkpoint right, from those in between; returns
    the peak of all."""
    highest = np.int64(0)
    for k in range(U(len(points.state))):
        if points.valid[k]:
            highest = max(highest, points.device[k, here].peak)
        points.peak_before[k, here] = highest
    highest = run.last_peak[here]
    for number in range(len(points.state) - 1, -1, -1):
        k = U(number)
        points.peak_after[k, here] = highest
        if points.valid[k]:
            highest = max(highest, points.device[k, here].peak)
    return highest
