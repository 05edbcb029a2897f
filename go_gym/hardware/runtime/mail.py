"""How a tensor gets from one worker to another.

Threads hand it over, and the receiver's lane makes its copy. Forked processes have a part of
memory in common: the sender copies the tensor into it as soon as it is made, and the receiver
uses that copy where it lies, as long as any of its tensors or views needs it; then the place is
used again, while it is still in the caches. What is there from the start (parameters, states,
batches, constants, and views of them) lies in memory that all of them had before the fork: it is
used where it is.
"""

import weakref
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from go_gym.errors import HardwareError
from go_gym.graph import ComputationGraph
from go_gym.hardware.runtime.control import DONE, GATE, shared_bytes, view, words
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.schedule import Channel

LINE = 64
"""Copies begin at a cache line."""
PAGE = 4096
LOOK = 8
"""So many of the oldest copies of a size are looked at for one that is free (our choice)."""
DIMENSIONS = 16
"""The most that a tensor may have."""
BITS, MASK = 8, 255
"""A place is an offset and, in its low bits, the version of the form."""
_DTYPES = tuple({value for value in vars(torch).values() if isinstance(value, torch.dtype)})
_DTYPES = tuple(sorted(_DTYPES, key=str))
_CODE = {dtype: code for code, dtype in enumerate(_DTYPES)}


class Mail(Protocol):
    """One worker's way to send and to receive."""

    def begin(self, step: int) -> None:
        """A step begins, and nobody needs what was sent before."""
        ...

    def send(self, number: int, tensor: torch.Tensor) -> None:
        """Make ``tensor`` ready for the receiver of channel ``number``."""
        ...

    def receive(self, number: int) -> torch.Tensor:
        """What was sent through channel ``number``; once a step."""
        ...


class Handover:
    """Between threads. ``box`` (c,) is common to all."""

    def __init__(
        self, channels: Sequence[Channel], lanes: Sequence[Lane], me: int, box: list[Any]
    ) -> None:
        self.channels, self.lanes, self.me, self.box = channels, lanes, me, box

    def begin(self, step: int) -> None:
        pass

    def send(self, number: int, tensor: torch.Tensor) -> None:
        to = self.lanes[self.channels[number].destination]
        self.box[number] = self.lanes[self.me].send(tensor, to)

    def receive(self, number: int) -> torch.Tensor:
        message, self.box[number] = self.box[number], None
        return self.lanes[self.me].receive(message)


class Form(NamedTuple):
    """What a tensor is, wherever it lies: a copy, or part of what is there from the start."""

    base: int  # in the latter case, the number of the tensor whose storage it shares; else -1
    size: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def at(self, memory: np.ndarray) -> torch.Tensor:
        """The tensor that lies in ``memory``, (size,) uint8; it holds on to ``memory``."""
        if self.size == 0:
            return torch.empty_strided(self.shape, self.stride, dtype=self.dtype)
        return torch.frombuffer(memory, dtype=self.dtype).as_strided(self.shape, self.stride)


class Common:
    """Memory that all workers have in common, made before they are forked.

    Args:
        graph: has the tensors' sizes.
        channels: what travels.
        board: see :mod:`go_gym.hardware.runtime.control`.
        resident: tensors that are there from the start and that nobody writes to.
    """

    def __init__(
        self,
        graph: ComputationGraph,
        channels: Sequence[Channel],
        board: np.ndarray,
        resident: Sequence[torch.Tensor],
    ) -> None:
        self.channels, self.board, self.resident = channels, board, resident
        self.base = {_storage(each): number for number, each in enumerate(resident)}
        tensors = sorted({(each.source, each.tensor) for each in channels})
        room = graph.tensor_bytes[[tensor for _, tensor in tensors]] + 2 * LINE
        ends = np.concatenate([[0], np.cumsum(room)])
        source = np.array([source for source, _ in tensors], dtype=np.int64)
        self.region = {
            int(each): (
                _up(int(ends[np.flatnonzero(source == each)[0]])),
                int(ends[np.flatnonzero(source == each)[-1] + 1]),
            )
            for each in np.unique(source)
        }
        self.memory = shared_bytes(int(ends[-1]))
        columns = 4 + 2 * DIMENSIONS
        self.forms = shared_bytes(8 * columns * len(channels)).view(np.int64).reshape(-1, columns)
        self.places = shared_bytes(8 * len(channels))  # int64: offset << BITS | version of the form
        self.used = shared_bytes(8 * len(view(board, GATE))).view(
            np.int64
        )  # by worker: the end of its region


class Parcel:
    """A tensor that is sent in every step: where its last copy lies, and who needs it."""

    def __init__(self, tensor: torch.Tensor, base: int) -> None:
        self.given = tensor.stride()
        shape, dtype = tuple(tensor.shape), tensor.dtype
        if base >= 0:
            self.form = Form(base, 0, dtype, shape, self.given)
        else:
            like = torch.empty_like(tensor, device="meta")  # as clone() would lay it out
            size = _up(like.numel() * like.element_size())
            self.form = Form(-1, size, dtype, shape, like.stride())
        self.copies: dict[int, torch.Tensor] = {}  # by offset
        self.step, self.offset = 0, int(tensor.storage_offset())
        self.users: list[int] = []


class Post:
    """Between forked processes: one worker's end of ``common``."""

    def __init__(self, common: Common, me: int) -> None:
        self.forms, self.memory = common.forms, common.memory
        self.resident, self.base = common.resident, common.base
        self.me, self.used = me, common.used
        self.touched = {each: start for each, (start, _) in common.region.items()}
        self.places = words(common.places)
        self.done = words(view(common.board, DONE))
        self.tensor_of = [channel.tensor for channel in common.channels]
        self.step = 0
        self.next, self.end = common.region.get(me, (0, 0))
        self.free: dict[int, list[int]] = {}  # by size, offsets
        self.lent: dict[int, deque[tuple[int, list[int]]]] = {}  # offsets, and who has them
        self.parcels: dict[int, Parcel] = {}  # by tensor
        self.told: dict[int, Form] = {}  # by channel, what its row of forms says
        self.version: dict[int, int] = {}  # likewise
        self.known: dict[int, tuple[int, Form]] = {}  # by channel, of those that come here
        self.lives: dict[int, Any] = {}
        self.releases = [partial(self._release, number) for number in range(len(common.channels))]

    def begin(self, step: int) -> None:
        self.step = step
        self.used[self.me] = self.next
        for worker, start in self.touched.items():
            end = int(self.used[worker])
            self.memory[start:end:PAGE].max(initial=0)  # a page's first use takes a microsecond
            self.touched[worker] = max(start, end)
        for size, lent in self.lent.items():
            self.free[size] += [offset for offset, _ in lent]
            lent.clear()

    def send(self, number: int, tensor: torch.Tensor) -> None:
        name = self.tensor_of[number]
        parcel = self.parcels.get(name)
        if parcel is None or parcel.given != tensor.stride():
            base = self.base.get(_storage(tensor), -1)
            parcel = self.parcels[name] = Parcel(tensor, base)
        if parcel.form.base >= 0:
            pass  # it is there
        elif parcel.step == self.step:
            parcel.users.append(number)
        else:
            self._copy(parcel, tensor, number)
        if self.told.get(number) is not parcel.form:
            self._tell(number, parcel.form)
        self.places[number] = parcel.offset << BITS | self.version[number]

    def receive(self, number: int) -> torch.Tensor:
        place = self.places[number]
        version, form = self.known.get(number, (-1, None))
        if form is None or version != place & MASK:
            form = self._told(number)
            self.known[number] = place & MASK, form
        offset = place >> BITS
        if form.base >= 0:
            return self.resident[form.base].as_strided(form.shape, form.stride, offset)
        part = self.memory[offset : offset + form.size]
        self.lives[number] = weakref.ref(part, self.releases[number])
        return form.at(part)

    def _copy(self, parcel: Parcel, tensor: torch.Tensor, number: int) -> None:
        size = parcel.form.size
        parcel.step, parcel.users = self.step, [number]
        parcel.offset = offset = self._place(size)
        copy = parcel.copies.get(offset)
        if copy is None:
            copy = parcel.copies[offset] = parcel.form.at(self.memory[offset : offset + size])
        copy.copy_(tensor)
        self.lent[size].append((offset, parcel.users))

    def _place(self, size: int) -> int:
        free = self.free.setdefault(size, [])
        if free:
            return free.pop()
        lent = self.lent.setdefault(size, deque())
        for _ in range(min(LOOK, len(lent))):
            offset, users = lent.popleft()
            if all(self.done[user] >= self.step for user in users):
                free.append(offset)
            else:
                lent.append((offset, users))
        if free:
            return free.pop()
        offset, self.next = self.next, self.next + size
        if self.next > self.end:
            raise HardwareError("out of memory for the copies of tensors that travel")
        return offset

    def _tell(self, number: int, form: Form) -> None:
        row = [form.base, form.size, _CODE[form.dtype], len(form.shape), *form.shape, *form.stride]
        self.forms[number, : len(row)] = row
        self.told[number] = form
        self.version[number] = (self.version.get(number, 0) + 1) & MASK

    def _told(self, number: int) -> Form:
        base, size, code, count, *rest = self.forms[number].tolist()
        shape, stride = tuple(rest[:count]), tuple(rest[count : 2 * count])
        return Form(base, size, _DTYPES[code], shape, stride)

    def _release(self, number: int, _: Any) -> None:
        self.done[number] = self.step


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _up(size: int) -> int:
    return -(-size // LINE) * LINE
