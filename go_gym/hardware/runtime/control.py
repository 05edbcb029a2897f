"""What the workers of a step tell each other: whole numbers in memory that all of them see.

The memory is anonymous and shared, so it is there for threads and for forked processes alike,
and gone with the last of them: nothing has a name that could be left behind. Stores are relied
upon to be seen in the order in which they were made, as x86-64 does.
"""

import mmap
from collections.abc import Sequence

import numpy as np
from numba import njit, types

give_way = types.ExternalFunction("sched_yield", types.int32())
"""The C library's; by its name, so that code which calls it can be kept on disk."""
NO_RESERVE = 0x4000
"""Linux's MAP_NORESERVE, which the module mmap does not name before Python 3.13."""

HALT, GATE, AT, PTR, LOG, STAMP, COUNT, DONE = range(8)
"""Parts of a board; w workers, c channels.

HALT (1,): not 0 once somebody failed. GATE (w,): the step that each worker is ready for. AT (w,):
which of its calls each is in, -1 while it waits. PTR (w·w + 1,): where the channels of each pair
(source · w + destination) begin in LOG and STAMP. LOG (c,): the channels of a pair in the order in
which they were posted in this step. STAMP (c,): when, ns. COUNT (w·w,): how many were posted in
all steps so far. DONE (c,): the last step in which the receiver let go of its copy.
"""


def shared_bytes(size: int) -> np.ndarray:
    """(size,) uint8 zeros that forked processes share; memory is taken when it is touched."""
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | NO_RESERVE
    return np.frombuffer(mmap.mmap(-1, max(size, 1), flags=flags), dtype=np.uint8)[:size]


def pack(parts: Sequence[np.ndarray]) -> np.ndarray:
    """One int64 array of several, in shared memory: compiled code takes one array quickly."""
    ends = len(parts) + 1 + np.cumsum([0, *(len(part) for part in parts)])
    packed = shared_bytes(8 * int(ends[-1])).view(np.int64)
    packed[: len(ends)] = ends
    for start, part in zip(ends[:-1].tolist(), parts, strict=True):
        packed[start : start + len(part)] = part
    return packed


@njit(inline="always", cache=True)
def part(packed, number):
    """One of the arrays of :func:`pack`, not a copy."""
    return packed[packed[number] : packed[number + 1]]


def view(packed: np.ndarray, number: int) -> np.ndarray:
    """:func:`part` for code that is not compiled."""
    return packed[int(packed[number]) : int(packed[number + 1])]


def words(numbers: np.ndarray) -> memoryview:
    """An int64 array for reading and writing single items, faster than through NumPy."""
    return numbers.view(np.uint8).data.cast("B").cast("q")


def new_board(channels: Sequence[tuple[int, int]], workers: int) -> np.ndarray:
    """The board for channels of these (source, destination)."""
    pairs = np.array([source * workers + to for source, to in channels], dtype=np.int64)
    per_pair = np.bincount(pairs, minlength=workers**2)
    none, count = np.zeros(workers**2, dtype=np.int64), len(channels)
    return pack(
        [
            np.zeros(1, dtype=np.int64),
            np.zeros(workers, dtype=np.int64),
            np.full(workers, -1, dtype=np.int64),
            np.concatenate([[0], np.cumsum(per_pair)]),
            np.zeros(count, dtype=np.int64),
            np.zeros(count, dtype=np.int64),
            none,
            np.zeros(count, dtype=np.int64),
        ]
    )


@njit(nogil=True, cache=True)
def wait_at_gate(board, step):
    """Wait until all workers are ready for ``step``; False if one failed first."""
    halt, gate = part(board, HALT), part(board, GATE)
    for worker in range(len(gate)):
        while gate[worker] < step:
            if halt[0]:
                return False
            give_way()  # an opaque call: the number is read again after it
    return True


@njit(nogil=True, cache=True)
def arrival(board, seen, me):
    """The place in LOG of the next channel that was posted to ``me``, -1 if there is none.

    ``seen`` (w,): how many of each source's were taken notice of, in all steps; updated.
    """
    ptr, count, workers = part(board, PTR), part(board, COUNT), len(seen)
    for source in range(workers):
        pair = source * workers + me
        if count[pair] > seen[source]:
            place = ptr[pair] + seen[source] % (ptr[pair + 1] - ptr[pair])
            seen[source] += 1
            return place
    return -1


@njit(nogil=True, cache=True)
def wait_for_arrival(board, seen, me, tarry):
    """The next channel that was posted to ``me``, once there is one; -1 if a worker failed.

    Args:
        tarry: give the core away so often after a channel was posted. Threads do: who posted
            holds the interpreter's lock until its next op, and who wakes at once finds it taken,
            sleeps, and pays tens of microseconds.
    """
    halt, log = part(board, HALT), part(board, LOG)
    while True:
        place = arrival(board, seen, me)
        if place >= 0:
            for _ in range(tarry):
                give_way()
            return log[place]
        if halt[0]:
            return -1
        give_way()
