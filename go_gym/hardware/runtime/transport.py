"""How a tensor gets from one worker to another.

Threads hand it over, and the receiver's lane makes its copy. Forked processes share memory: the
sender copies the tensor into it as soon as it is made, and the receiver uses that copy where it
lies, as long as any of its tensors or views needs it; then its block is used again. What is
resident, there from the start (parameters, states, batches, constants, and views of them), lies
in memory that all of them had before the fork: it is used where it is.
"""

import weakref
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch

from go_gym.graph import ComputationGraph
from go_gym.hardware.runtime.arena import LINE, Arena, whole_lines
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.layout import ROW, Layout
from go_gym.hardware.runtime.schedule import Channel
from go_gym.hardware.runtime.shared import shared_array

PAGE = 4096


class Transport(Protocol):
    """One worker's way to send tensors and to receive them."""

    def begin_step(self, step: int) -> None:
        """A step begins, and nobody needs what was sent before."""
        ...

    def send(self, channel: int, tensor: torch.Tensor) -> None:
        """Make ``tensor`` available to the receiver of a channel."""
        ...

    def receive(self, channel: int) -> torch.Tensor:
        """What was sent through a channel; once a step."""
        ...


class ThreadTransport:
    """Between threads.

    Args:
        channels: what travels.
        lanes: the workers' devices.
        me: which worker.
        slots: (c,) common to all workers.
    """

    def __init__(
        self, channels: Sequence[Channel], lanes: Sequence[Lane], me: int, slots: list[Any]
    ) -> None:
        self._lane, self._slots = lanes[me], slots
        self._receivers = [lanes[channel.destination] for channel in channels]

    def begin_step(self, step: int) -> None:
        """See :meth:`Transport.begin_step`."""
        pass

    def send(self, channel: int, tensor: torch.Tensor) -> None:
        """See :meth:`Transport.send`."""
        self._slots[channel] = self._lane.send(tensor, self._receivers[channel])

    def receive(self, channel: int) -> torch.Tensor:
        """See :meth:`Transport.receive`."""
        message, self._slots[channel] = self._slots[channel], None
        return self._lane.receive(message)


class SharedTensors:
    """The memory through which tensors travel between processes; made before they are forked.

    Args:
        graph: has the tensors' sizes.
        channels: what travels.
        workers: how many there are, w.
        resident: tensors that are there from the start and that nobody writes to.

    Attributes:
        resident: as given.
        tensor_of: (c,) tensor of each channel.
        data: (bytes,) uint8, the copies, each sender's in a part of its own.
        regions: (w,) where each sender's part begins and ends.
        used: (w,) int64, up to where each sender has used its part.
        layouts: (c,) ``ROW``, how a channel's tensor lies.
        versions: (c,) int64, raised with each change of its layout.
        offsets: (c,) int64, where it begins: a byte of ``data``, or an element of its resident.
        released: (c,) int64, the last step in which the receiver released its copy.
    """

    def __init__(
        self,
        graph: ComputationGraph,
        channels: Sequence[Channel],
        workers: int,
        resident: Sequence[torch.Tensor],
    ) -> None:
        self.resident = resident
        self._resident_of = {_storage(each): number for number, each in enumerate(resident)}
        self.tensor_of = [channel.tensor for channel in channels]
        room = [0] * workers
        for sender, tensor in {(channel.source, channel.tensor) for channel in channels}:
            room[sender] += whole_lines(int(graph.tensor_bytes[tensor])) + LINE
        ends = np.cumsum([0, *room]).tolist()
        self.regions = list(pairwise(ends))
        self.data = shared_array(ends[-1], np.uint8)
        self.used = shared_array(workers, np.int64)
        self.used[:] = ends[:-1]
        self.layouts = shared_array(len(channels), ROW)
        self.versions = shared_array(len(channels), np.int64)
        self.offsets = shared_array(len(channels), np.int64)
        self.released = shared_array(len(channels), np.int64)

    def layout_of(self, tensor: torch.Tensor) -> Layout:
        """How ``tensor`` arrives: as a view of its resident, else as a copy in its clone's form."""
        shape, dtype = tuple(tensor.shape), tensor.dtype
        resident = self._resident_of.get(_storage(tensor), -1)
        if resident >= 0:
            return Layout(resident, 0, dtype, shape, tensor.stride())
        clone = torch.empty_like(tensor, device="meta")
        return Layout(-1, whole_lines(clone.nbytes), dtype, shape, clone.stride())


class SentTensor:
    """A tensor that is sent in every step: its layout, its copies, and who receives them."""

    def __init__(self, tensor: torch.Tensor, layout: Layout) -> None:
        self.stride = tensor.stride()
        self.layout = layout
        self.offset = int(tensor.storage_offset())  # of a view of a resident tensor
        self.copies: dict[int, torch.Tensor] = {}  # by offset
        self.step = 0  # in which it was last copied
        self.channels: list[int] = []  # that this copy travels through


class ProcessTransport:
    """Between forked processes: one worker's end of ``shared``."""

    def __init__(self, shared: SharedTensors, me: int) -> None:
        self._sender, self._receiver = Sender(shared, me), Receiver(shared)
        self.send, self.receive = self._sender.send, self._receiver.receive

    def begin_step(self, step: int) -> None:
        """See :meth:`Transport.begin_step`."""
        self._sender.begin_step(step)
        self._receiver.begin_step(step)


class Sender:
    """Copies tensors into its part of the shared memory, each once a step.

    Attributes:
        arena: its part.
    """

    def __init__(self, shared: SharedTensors, me: int) -> None:
        self._shared, self._me = shared, me
        self._offsets, self._versions = shared.offsets.data, shared.versions.data
        self.arena = Arena(*shared.regions[me], shared.released)
        self._step = 0
        self._sent: dict[int, SentTensor] = {}  # by tensor
        self._written: dict[int, Layout] = {}  # by channel

    def begin_step(self, step: int) -> None:
        """See :meth:`Transport.begin_step`."""
        self._step = step
        self._shared.used[self._me] = self.arena.top
        self.arena.begin_step(step)

    def send(self, channel: int, tensor: torch.Tensor) -> None:
        """See :meth:`Transport.send`."""
        number = self._shared.tensor_of[channel]
        sent = self._sent.get(number)
        if sent is None or sent.stride != tensor.stride():
            sent = self._sent[number] = SentTensor(tensor, self._shared.layout_of(tensor))
        if sent.layout.resident < 0:
            if sent.step == self._step:
                sent.channels.append(channel)
            else:
                self._copy(sent, tensor, channel)
        if self._written.get(channel) is not sent.layout:
            sent.layout.write(self._shared.layouts[channel])
            self._written[channel] = sent.layout
            self._versions[channel] += 1
        self._offsets[channel] = sent.offset

    def _copy(self, sent: SentTensor, tensor: torch.Tensor, channel: int) -> None:
        size = sent.layout.nbytes
        sent.step, sent.channels = self._step, [channel]
        sent.offset = offset = self.arena.allocate(size, sent.channels)
        copy = sent.copies.get(offset)
        if copy is None:
            block = self._shared.data[offset : offset + size]
            copy = sent.copies[offset] = sent.layout.at(block)
        copy.copy_(tensor)


class Receiver:
    """Uses the senders' copies where they lie, and releases each when nothing needs it any more."""

    def __init__(self, shared: SharedTensors) -> None:
        self._shared = shared
        self._offsets, self._versions = shared.offsets.data, shared.versions.data
        self._released = shared.released.data
        self._step = 0
        self._touched = [start for start, _ in shared.regions]
        self._read: dict[int, tuple[int, Layout]] = {}  # by channel: version, layout
        self._watched: dict[int, Any] = {}  # by channel: a weak reference to its copy's memory
        self._releases = [partial(self._release, channel) for channel in range(len(shared.layouts))]

    def begin_step(self, step: int) -> None:
        """Touch what the senders have used newly: the first use of a page takes a microsecond."""
        self._step = step
        for worker, start in enumerate(self._touched):
            end = int(self._shared.used[worker])
            self._shared.data[start:end:PAGE].max(initial=0)
            self._touched[worker] = max(start, end)

    def receive(self, channel: int) -> torch.Tensor:
        """See :meth:`Transport.receive`."""
        version, layout = self._read.get(channel, (0, None))
        if layout is None or version != self._versions[channel]:
            layout = Layout.read(self._shared.layouts[channel])
            self._read[channel] = self._versions[channel], layout
        offset = self._offsets[channel]
        if layout.resident >= 0:
            resident = self._shared.resident[layout.resident]
            return resident.as_strided(layout.shape, layout.stride, offset)
        block = self._shared.data[offset : offset + layout.nbytes]
        self._watched[channel] = weakref.ref(block, self._releases[channel])
        return layout.at(block)

    def _release(self, channel: int, _: Any) -> None:
        self._released[channel] = self._step


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
