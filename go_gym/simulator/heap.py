"""Binary heaps of ready ops in jitted code: a stretch of an array of QUEUED records each.

The least entry is at its top, by level, then time, then op.
"""

import numpy as np

from go_gym.simulator.jit import jit

U = np.uint64
ONE = U(1)
QUEUED = np.dtype([("level", np.int64), ("time", np.int64), ("op", np.uint32), ("_pad", np.uint32)])


@jit
def push(heap, base, size, level, time, op):
    """Add an entry to the heap of ``size`` entries that begins at ``base``, all three uint64."""
    _sift_up(heap, base, size, level, time, op)


@jit
def pop(heap, base, size):
    """Remove the least of ``size`` entries, at least one, and return its op.

    The gap at the top is closed from below, then the last entry rises from where that ends.
    """
    size -= ONE
    last = heap[base + size]
    entry = heap[base]
    top = entry.op
    i = U(0)
    child = ONE
    while child < size:
        if child + ONE < size:
            left = heap[base + child]
            right = heap[base + child + ONE]
            child += U(  # without branches, which would be guessed wrong half of the time
                (right.level < left.level)
                | (
                    (right.level == left.level)
                    & (
                        (right.time < left.time)
                        | ((right.time == left.time) & (right.op < left.op))
                    )
                )
            )
        risen = heap[base + child]
        _put(entry, risen.level, risen.time, U(risen.op))
        entry = risen
        i = child
        child = (i << ONE) + ONE
    _sift_up(heap, base, i, last.level, last.time, U(last.op))
    return top


@jit
def _sift_up(heap, base, i, level, time, op):
    while i > 0:
        parent = (i - ONE) >> ONE
        above = heap[base + parent]
        if above.level < level or (
            above.level == level and (above.time < time or (above.time == time and above.op < op))
        ):
            break
        _put(heap[base + i], above.level, above.time, U(above.op))
        i = parent
    _put(heap[base + i], level, time, op)


@jit
def _put(entry, level, time, op):
    entry.level = level
    entry.time = time
    entry.op = op
