"""Moves of a strict order on its critical path, judged without a simulation.

A *block* is a stretch of the critical path on one device whose ops follow each other at once. A
schedule gets shorter only where an op of a block comes before its first or after its last op
(Grabowski, Nowicki and Zdrzalka 1986), so these are the moves (the neighbourhood of Balas and
Vazacopoulos 1998). What a move leads to is estimated from heads and tails of the ops in between
(Taillard 1994; Balas and Vazacopoulos 1998).
"""

import numpy as np
from numba import njit

TABU = 1 << 16
"""Entries of the table of pairs that must not be turned again (our choice: collisions are rare)."""


@njit(cache=True, nogil=True)
def tails(
    sequence, first, position, duration, device, start,
    op_tensor_ptr, tensor_use_ptr, use_consumer, use_delay,
):  # fmt: skip
    """(n,) int64 the longest way from each op's start to the end, and (n,) what of it follows from
    its outputs alone."""
    n = len(duration)
    by_data, tail = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for op in np.argsort(start * np.int64(n) + np.arange(n))[::-1]:
        longest = np.int64(0)
        for use in range(tensor_use_ptr[op_tensor_ptr[op]], tensor_use_ptr[op_tensor_ptr[op + 1]]):
            longest = max(longest, use_delay[use] + tail[use_consumer[use]])
        by_data[op] = longest
        at = position[op]
        if at >= 0 and at + 1 < first[device[op] + 1]:
            longest = max(longest, tail[sequence[at + 1]])
        tail[op] = duration[op] + longest
    return tail, by_data


@njit(cache=True, nogil=True)
def heads(start, duration, op_use_ptr, op_uses, use_producer, use_delay):
    """(n,) int64: when the last input of each op is there, without contention."""
    n = len(duration)
    ready = np.zeros(n, dtype=np.int64)
    for op in range(n):
        for i in range(op_use_ptr[op], op_use_ptr[op + 1]):
            use = op_uses[i]
            maker = use_producer[use]
            ready[op] = max(ready[op], start[maker] + duration[maker] + use_delay[use])
    return ready


@njit(cache=True, nogil=True)
def estimate(line, before_end, after_tail, ready, duration, by_data):
    """The longest way through the ops of ``line`` (k,), which one device runs in turn.

    Args:
        before_end: when the op before them ends there, 0 without.
        after_tail: tail of the op after them, 0 without.
    """
    k = len(line)
    begin = np.empty(k, dtype=np.int64)
    free = before_end
    for i in range(k):
        begin[i] = max(free, ready[line[i]])
        free = begin[i] + duration[line[i]]
    longest, rest = np.int64(0), after_tail
    for i in range(k - 1, -1, -1):
        rest = duration[line[i]] + max(rest, by_data[line[i]])
        longest = max(longest, begin[i] + rest)
    return longest


@njit(cache=True, nogil=True)
def is_tabu(table, call, one, other):
    """Must ``one`` not come before ``other`` again yet?"""
    return table[(one * 1000003 + other * 8191) % TABU] > call


@njit(cache=True, nogil=True)
def forbid(table, until, one, other):
    """``one`` must not come before ``other`` until so many calls have been made."""
    table[(one * 1000003 + other * 8191) % TABU] = until


@njit(cache=True, nogil=True)
def best_move(
    sequence, first, position, duration, device, start, finish, tail, by_data, ready,
    table, call, best, drawn,
):  # fmt: skip
    """The place from which an op is taken, and that to which it goes; -1 for no move.

    Of the moves of critical blocks the one of the least estimate that turns no forbidden pair,
    unless it promises less than ``best``. Of equal ones, and where all are forbidden, chance
    decides: the one of the least of ``drawn`` (2 m,) in [0, 1), of which each move has one.
    """
    end = (start + tail).max()
    source, target, least, chance = -1, -1, np.int64(2**62), 1.0
    spare_source, spare_target, spare_chance = -1, -1, 1.0
    for d in range(len(first) - 1):
        low = first[d]
        while low < first[d + 1]:
            op = sequence[low]
            high = low
            if start[op] + tail[op] == end:
                while (
                    high + 1 < first[d + 1]
                    and finish[sequence[high]] == start[sequence[high + 1]]
                    and start[sequence[high + 1]] + tail[sequence[high + 1]] == end
                ):
                    high += 1
            before = np.int64(0) if low == first[d] else finish[sequence[low - 1]]
            for k in range(low, high + 1):
                for way in range(2):
                    i, j = (k, high) if way == 0 else (k, low)
                    if i == j or (way == 1 and j + 1 == i and k == high):
                        continue  # none, or the same as another
                    a, b = min(i, j), max(i, j)
                    line = np.empty(b - a + 1, dtype=np.int64)
                    if way == 0:
                        line[:-1] = sequence[a + 1 : b + 1]
                        line[-1] = sequence[a]
                    else:
                        line[1:] = sequence[a:b]
                        line[0] = sequence[b]
                    free = before if a == low else finish[sequence[a - 1]]
                    rest = tail[sequence[b + 1]] if b + 1 < first[d + 1] else np.int64(0)
                    length = estimate(line, free, rest, ready, duration, by_data)
                    bad = False
                    mover = sequence[i]
                    for at in range(a, b + 1):
                        other = sequence[at]
                        if other == mover:
                            continue
                        if way == 0:
                            bad |= is_tabu(table, call, other, mover)
                        else:
                            bad |= is_tabu(table, call, mover, other)
                    luck = drawn[2 * k + way]
                    if luck < spare_chance:
                        spare_source, spare_target, spare_chance = i, j, luck
                    if bad and length >= best:
                        continue
                    if length < least or (length == least and luck < chance):
                        source, target, least, chance = i, j, length, luck
            low = high + 1
    if source < 0:
        return spare_source, spare_target
    return source, target


@njit(cache=True, nogil=True)
def move(sequence, position, source, target):
    """Take the op at one place of a device's sequence to another."""
    op = sequence[source]
    step = 1 if target > source else -1
    at = source
    while at != target:
        sequence[at] = sequence[at + step]
        position[sequence[at]] = at
        at += step
    sequence[target] = op
    position[op] = target


@njit(cache=True, nogil=True)
def remember(sequence, source, target, table, until):
    """Forbid turning back what the move from ``source`` to ``target``, already made, turned."""
    op = sequence[target]
    step = 1 if target > source else -1
    at = source
    while at != target:
        if step == 1:
            forbid(table, until, op, sequence[at])
        else:
            forbid(table, until, sequence[at], op)
        at += step
