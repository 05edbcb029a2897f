"""Peaks of memory when some bytes more or fewer are held for some time of a recorded run.

Only the peak between two checkpoints is recorded. It changes by what is held from one to the
other; by what is allocated or freed in between it may.
"""

import numpy as np

from go_gym.simulator.engine import LAST_MOMENT, ONE, jit_apart
from go_gym.simulator.work import U


@jit_apart
def hold(points, base, first, here, size, since, until):
    """Let device ``here`` hold ``size`` bytes more from ``since`` on, and no more at ``until``.

    That counts in the stretches from that which ends with checkpoint ``first`` on.
    """
    count = U(len(points.saved))
    if not base.changed[here]:
        base.changed[here] = True
        for j in range(count + ONE):
            base.least[here, j] = 0
            base.most[here, j] = 0
    begin = np.int64(-1)
    if first > 0:
        begin = points.state[first - ONE].now
    for j in range(first, count + ONE):
        end = np.int64(LAST_MOMENT)
        if j < count:
            if points.saved[j] < 0:
                continue
            end = points.state[j].now
        if since <= begin and until > end:
            base.least[here, j] += size
            base.most[here, j] += size
        elif since <= end:
            if size > 0:
                base.most[here, j] += size
            else:
                base.least[here, j] += size
        if until <= end:
            return
        begin = end


@jit_apart
def peak_of(points, base, first, last, here, floor):
    """What :func:`hold` makes of a device's peak in those stretches, or of ``floor`` if higher.

    Returns:
        the peak, -1 if that depends on when in between two checkpoints something is held
    """
    count = U(len(points.saved))
    least = most = floor
    for j in range(first, last):
        peak = base.tail[here]
        if j < count:
            if points.saved[j] < 0:
                continue
            peak = points.device[j, here].peak
        if peak + base.least[here, j] > least:
            least = peak + base.least[here, j]
        if peak + base.most[here, j] > most:
            most = peak + base.most[here, j]
    return most if least == most else np.int64(-1)
