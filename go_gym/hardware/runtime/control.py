"""What the workers of a step signal to each other, in memory that all of them see.

Each pair of workers has a queue of messages with one producer and one consumer: the sender writes
a message, then raises the count of messages posted, and the receiver reads the count first. So
stores must become visible in the order in which they were made. x86-64 guarantees that (Intel 64
and IA-32 Architectures Software Developer's Manual, volume 3, section 8.2: "Writes to memory are
not reordered with other writes"); ARM does not. Threads have the interpreter's lock, which orders
their stores on every machine.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit, types

from go_gym.hardware.runtime.schedule import Channel
from go_gym.hardware.runtime.shared import shared_array

WAITING = -1
"""The position of a worker that waits for others, or has no step to run."""
MESSAGE = np.dtype([("channel", np.int64), ("posted_ns", np.int64)])
"""That a channel's tensor is there for its receiver, and since when."""
give_way = types.ExternalFunction("sched_yield", types.int32())
"""The C library's; by its name, so that code which calls it can be kept on disk."""


class Message(NamedTuple):
    """A message as its receiver reads it: see ``MESSAGE``."""

    channel: int
    posted_ns: int


class Control:
    """The signals of all workers; made before they start.

    Args:
        channels: what travels in a step.
        workers: how many there are, w.

    Attributes:
        halt: (1,) int64, not 0 once a worker failed or all are to stop.
        ready_for: (w,) int64, the step that each worker is ready for.
        position: (w,) int64, which of its calls each worker is in, or ``WAITING``.
        posted: (w, w) int64 by receiver, then sender: messages posted in all steps so far.
        queues: by (sender, receiver), ``MESSAGE``: as many as there are channels between them, so
            that a step's messages fit; the one after the last is the first again.
    """

    def __init__(self, channels: Sequence[Channel], workers: int) -> None:
        self.halt = shared_array(1, np.int64)
        self.ready_for = shared_array(workers, np.int64)
        self.position = shared_array(workers, np.int64)
        self.position[:] = WAITING
        self.posted = shared_array((workers, workers), np.int64)
        pairs = Counter((channel.source, channel.destination) for channel in channels)
        self.queues = {pair: shared_array(count, MESSAGE) for pair, count in pairs.items()}

    def wait_for_all(self, step: int) -> bool:
        """Wait until all workers are ready for ``step``; False if one failed first."""
        return wait_for_all(self.ready_for, step, self.halt)


class Outbox:
    """A worker's end of its queues to the others."""

    def __init__(self, control: Control, me: int) -> None:
        self._me = me
        self._queues = {
            receiver: (len(queue), queue["channel"].data, queue["posted_ns"].data)
            for (sender, receiver), queue in control.queues.items()
            if sender == me
        }
        self._counts = {receiver: control.posted[receiver].data for receiver in self._queues}

    def post(self, channel: int, receiver: int, now: int) -> None:
        """Tell ``receiver`` that a channel's tensor is there for it since ``now``, ns."""
        capacity, channels, times = self._queues[receiver]
        counts = self._counts[receiver]
        count = counts[self._me]
        channels[count % capacity] = channel
        times[count % capacity] = now
        counts[self._me] = count + 1  # the last store: it is what the receiver looks at


class Inbox:
    """A worker's end of the queues from the others."""

    def __init__(self, control: Control, me: int) -> None:
        self._queues = {
            sender: (len(queue), queue["channel"].data, queue["posted_ns"].data)
            for (sender, receiver), queue in control.queues.items()
            if receiver == me
        }
        self._posted, self._taken = control.posted[me], np.zeros_like(control.posted[me])
        self._counts = [(sender, self._posted.data, self._taken.data) for sender in self._queues]
        self._halt = control.halt

    def poll(self) -> Sequence[Message]:
        """The messages that were posted since the last poll, by sender."""
        for sender, posted, taken in self._counts:
            if posted[sender] != taken[sender]:
                return self._take()
        return ()

    def wait(self, yields: int = 0) -> bool:
        """Wait, without the interpreter's lock, until a poll would find a message.

        Args:
            yields: give the core away so often after a message was posted.

        Returns:
            False if a worker failed first.
        """
        return wait_for_message(self._posted, self._taken, self._halt, yields)

    def _take(self) -> list[Message]:
        found = []
        for sender, posted, taken in self._counts:
            capacity, channels, times = self._queues[sender]
            end = posted[sender]
            for count in range(taken[sender], end):
                found.append(Message(channels[count % capacity], times[count % capacity]))
            taken[sender] = end
        return found


@njit(nogil=True, cache=True)
def wait_for_all(ready_for, step, halt):
    """Wait until all (w,) ``ready_for`` have reached ``step``; False if one failed first."""
    for worker in range(len(ready_for)):
        while ready_for[worker] < step:
            if halt[0]:
                return False
            give_way()  # an opaque call: the number is read again after it
    return True


@njit(nogil=True, cache=True)
def wait_for_message(posted, taken, halt, yields):
    """Wait until a sender's ``posted`` is more than its ``taken``, (w,) both; False on a halt."""
    while True:
        for sender in range(len(posted)):
            if posted[sender] > taken[sender]:
                for _ in range(yields):
                    give_way()
                return True
        if halt[0]:
            return False
        give_way()


def compile_waits() -> None:
    """Compile before workers are started, which would all compile at once."""
    control = Control([], 1)
    control.halt[0] = 1
    control.wait_for_all(1)
    Inbox(control, 0).wait()
