"""What one device can do in time: a single machine with heads and tails."""

import heapq

import numpy as np
from numba import njit


def one_machine_bound_ns(
    device: np.ndarray, durations: np.ndarray, head: np.ndarray, tail: np.ndarray
) -> int:
    """The longest over devices of Jackson's preemptive schedule, in ns.

    No schedule of a machine whose ops start at their heads at the earliest, and after each of
    which the step goes on for its tail, ends earlier (Jackson 1955; Carlier 1982): the energy of
    every interval, at once.

    Args:
        device: (n,) int64, the device of each op.
        durations, head, tail: (n,) int64 ns.
    """
    order = np.lexsort((head, device))
    return int(_jackson(device[order], durations[order], head[order], tail[order]))


@njit(cache=True, nogil=True)
def _jackson(device, durations, head, tail):
    """By device, then head: at each moment the op of the longest tail among those that can run."""
    n, longest, first = len(device), np.int64(0), 0
    while first < n:
        last = first
        while last < n and device[last] == device[first]:
            last += 1
        heap = [(np.int64(0), np.int64(0))]
        heap.clear()
        now, op = head[first], first
        while op < last or len(heap) > 0:
            if len(heap) == 0:
                now = max(now, head[op])
            while op < last and head[op] <= now:
                heapq.heappush(heap, (-tail[op], durations[op]))
                op += 1
            after, left = heapq.heappop(heap)
            if op < last and head[op] < now + left:
                heapq.heappush(heap, (after, now + left - head[op]))
                now = head[op]
            else:
                now += left
                longest = max(longest, now - after)
        first = last
    return longest
