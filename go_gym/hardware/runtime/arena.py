"""One sender's part of the shared memory: blocks that hold copies, used again once released."""

from collections import defaultdict, deque

import numpy as np

from go_gym.errors import HardwareError

LINE = 64
"""Blocks begin at a cache line."""
SCAN = 8
"""So many of the oldest blocks of a size are looked at for one that is free (our choice)."""


class Arena:
    """Allocates blocks; one is free again when all who received its copy have released it.

    A block that was just released is used first, while it is still in the caches.

    Args:
        start, end: bytes of the shared memory that are the sender's.
        released: (c,) int64 in shared memory, by channel: the last step in which its receiver
            released the copy.
    """

    def __init__(self, start: int, end: int, released: np.ndarray) -> None:
        self.top, self._end = start, end
        self._released = released.data
        self._step = 0
        self._free: dict[int, list[int]] = defaultdict(list)  # offsets by size
        self._in_use: dict[int, deque[tuple[int, list[int]]]] = defaultdict(deque)

    def begin_step(self, step: int) -> None:
        """A step begins, and nobody needs the copies of the last one."""
        self._step = step
        for size, blocks in self._in_use.items():
            self._free[size] += [offset for offset, _ in blocks]
            blocks.clear()

    def allocate(self, size: int, channels: list[int]) -> int:
        """The offset of a block.

        Args:
            size: its bytes, in whole lines.
            channels: those that the copy travels through; the caller may add more to the list.

        Raises:
            HardwareError: if the sender's part is full.
        """
        free = self._free[size] or self._reclaimed(size)
        if free:
            offset = free.pop()
        else:
            offset, self.top = self.top, self.top + size
            if self.top > self._end:
                raise HardwareError("out of memory for the copies of tensors that travel")
        self._in_use[size].append((offset, channels))
        return offset

    def _reclaimed(self, size: int) -> list[int]:
        """The free blocks of a size, after looking at the oldest ones in use."""
        free, in_use = self._free[size], self._in_use[size]
        for _ in range(min(SCAN, len(in_use))):
            offset, channels = in_use.popleft()
            if all(self._released[channel] >= self._step for channel in channels):
                free.append(offset)
            else:
                in_use.append((offset, channels))
        return free


def whole_lines(size: int) -> int:
    """``size`` bytes rounded up to whole cache lines."""
    return -(-size // LINE) * LINE
