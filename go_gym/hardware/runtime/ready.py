"""What a device runs next, decided while the step runs, by the simulator's rule; plain Python.

An op is ready when all its inputs are on the device. The highest priority goes first, then the op
that became ready first, then the lowest op number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

from go_gym.graph import ComputationGraph
from go_gym.hardware.runtime.schedule import Channel, find_channels


@dataclass(frozen=True, eq=False)
class Queues:
    """The ready queues of all devices, and what they free.

    Attributes:
        channels: tensors that travel, numbered.
        ready: each device's queue; a step changes it.
        uses: each device's tensors; likewise.
    """

    channels: tuple[Channel, ...]
    ready: tuple["ReadyQueue", ...]
    uses: tuple["TensorUses", ...]


class ReadyQueue:
    """The ready queue of one device.

    An op waits for *sources*: the device's own ops by their numbers, and channels whose tensors
    arrive, by the number of ops + theirs.

    Args:
        graph: the graph.
        placement: (n,) device of each op.
        priority: (n,) highest first.
        channels: tensors that travel, numbered.
        device: which device.
        silent: ops that nothing is called for and that send nothing: they end when it is their
            turn, and are not given out.

    Attributes:
        ops: the device's, rising.
        remaining: how many of them have not had their turn in this step.
    """

    def __init__(
        self,
        graph: ComputationGraph,
        placement: np.ndarray,
        priority: np.ndarray,
        channels: tuple[Channel, ...],
        device: int,
        silent: frozenset[int] = frozenset(),
    ) -> None:
        num_ops = graph.num_ops
        self.ops: list[int] = np.flatnonzero(placement == device).tolist()
        self.remaining = 0
        self._urgency = (-priority).tolist()
        self._silent = [op in silent for op in range(num_ops)]
        source_of = graph.tensor_producer.tolist()
        for number, channel in enumerate(channels):
            if channel.destination == device:
                source_of[channel.tensor] = num_ops + number
        here = placement[graph.use_consumer] == device
        users: list[set[int]] = [set() for _ in range(num_ops + len(channels))]
        for tensor, op in zip(
            graph.use_tensor[here].tolist(), graph.use_consumer[here].tolist(), strict=True
        ):
            users[source_of[tensor]].add(op)
        self._users = [tuple(sorted(each)) for each in users]  # by source
        self._needed = [0] * num_ops  # sources that an op waits for
        for waiting in self._users:
            for op in waiting:
                self._needed[op] += 1
        self._missing: list[int] = []
        self._since: list[int] = []  # when the latest of an op's inputs so far was here, ns
        self._heap: list[tuple[int, int, int]] = []  # urgency, ready since, op

    def begin(self, now: int) -> None:
        """Begin a step at ``now``, ns: ops without inputs are ready."""
        self._missing = self._needed.copy()
        self._since = [now] * len(self._needed)
        self._heap = [(self._urgency[op], now, op) for op in self.ops if not self._needed[op]]
        self._heap.sort()  # a sorted list is a heap
        self.remaining = len(self.ops)

    def pop(self, now: int) -> int | None:
        """The op to run at ``now``; None if none is ready."""
        heap = self._heap
        while heap:
            op = heappop(heap)[2]
            self.remaining -= 1
            if not self._silent[op]:
                return op
            self.notify(op, now)
        return None

    def notify(self, source: int, now: int) -> None:
        """An op of the device ended, or a channel's tensor arrived, at ``now``."""
        missing, since = self._missing, self._since
        for op in self._users[source]:
            if now > since[op]:  # arrivals are noticed late, so not in the order of time
                since[op] = now
            missing[op] = left = missing[op] - 1
            if not left:
                heappush(self._heap, (self._urgency[op], since[op], op))


class TensorUses:
    """Counts what is left of each tensor's uses on a device, to free it after the last.

    Args:
        graph: the graph.
        placement: (n,) device of each op.
        device: which device.
        results: tensors that stay where they are produced to the end of the step.
    """

    def __init__(
        self, graph: ComputationGraph, placement: np.ndarray, device: int, results: frozenset[int]
    ) -> None:
        here = placement[graph.use_consumer] == device
        used: list[set[int]] = [set() for _ in range(graph.num_ops)]
        for tensor, op in zip(
            graph.use_tensor[here].tolist(), graph.use_consumer[here].tolist(), strict=True
        ):
            used[op].add(tensor)
        self._counts = [0] * graph.num_tensors
        for tensors in used:
            for tensor in tensors:
                self._counts[tensor] += 1
        for tensor in results:
            self._counts[tensor] += int(placement[graph.tensor_producer[tensor]] == device)
        ptr = graph.op_tensor_ptr.tolist()
        self._read = [tuple(sorted(tensors)) for tensors in used]  # by op
        self._unused = [  # by op, outputs that nobody here reads
            tuple(each for each in range(ptr[op], ptr[op + 1]) if not self._counts[each])
            for op in range(graph.num_ops)
        ]
        self._left: list[int] = []

    def begin(self) -> None:
        """Begin a step."""
        self._left = self._counts.copy()

    def free_after(self, op: int, values: list[Any]) -> None:
        """Set to None what nobody needs once ``op`` has ended and its outputs were sent."""
        left = self._left
        for tensor in self._read[op]:
            left[tensor] = count = left[tensor] - 1
            if not count:
                values[tensor] = None
        for tensor in self._unused[op]:
            values[tensor] = None


def build_queues(
    graph: ComputationGraph,
    placement: np.ndarray,
    priority: np.ndarray | None,
    devices: int,
    resident: Iterable[int] = (),
    results: Iterable[int] = (),
) -> Queues:
    """The queues of all devices.

    Args:
        graph: the graph.
        placement: (n,) device of each op.
        priority: (n,) highest first; None: in order of getting ready.
        devices: how many there are.
        resident: ops that call nothing, since their tensor is there from the start.
        results: tensors that stay where they are produced to the end of the step.
    """
    place = np.asarray(placement, dtype=np.int64)
    levels = np.zeros(graph.num_ops, dtype=np.int64) if priority is None else np.asarray(priority)
    channels, staying = find_channels(graph, place), frozenset(results)
    sending = {int(graph.tensor_producer[channel.tensor]) for channel in channels}
    silent = frozenset(resident) - sending
    return Queues(
        channels,
        tuple(
            ReadyQueue(graph, place, levels, channels, device, silent) for device in range(devices)
        ),
        tuple(TensorUses(graph, place, device, staying) for device in range(devices)),
    )
