"""Where a device's ops run: a CPU core, or a GPU with a stream of its own.

A lane makes its worker thread ready, hands tensors out, and takes others' in as copies of its
own. On a GPU everything is enqueued: an event travels with each tensor, and nothing makes the
host wait inside a step, except a CPU core for the tensor that it needs from a GPU.
"""

import os
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple, Protocol

import torch

from go_gym.errors import HardwareError
from go_gym.hardware.runtime.places import Place
from go_gym.hardware.runtime.platform import usable_cores


class Message(NamedTuple):
    """A tensor on its way: the event that says that it is there, None if it is there already."""

    tensor: torch.Tensor
    ready: Any = None


class Lane(Protocol):
    """A device as a worker thread uses it."""

    device: torch.device

    def enter(self, stack: ExitStack) -> None:
        """Make the calling thread this device's worker, until ``stack`` is closed."""
        ...

    def send(self, tensor: torch.Tensor, to: "Lane") -> Message:
        """Hand ``tensor`` out to another lane."""
        ...

    def receive(self, message: Message) -> torch.Tensor:
        """A copy of its own of what was handed out."""
        ...

    def finish(self) -> None:
        """Wait until all that was enqueued is done."""
        ...


class Core:
    """A CPU core, by the system's number: its worker is pinned to it and computes alone."""

    device = torch.device("cpu")

    def __init__(self, number: int, urgent: bool = False) -> None:
        self.number, self.urgent = number, urgent

    def enter(self, stack: ExitStack) -> None:
        """See :meth:`Lane.enter`."""
        os.sched_setaffinity(0, {self.number})  # of the calling thread alone
        if self.urgent:
            with suppress(PermissionError):  # then it runs as others do
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # likewise
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # of the calling thread: tiny numbers cost as others do
        stack.enter_context(torch.no_grad())

    def send(self, tensor: torch.Tensor, to: Lane) -> Message:
        """See :meth:`Lane.send`."""
        return Message(tensor)

    def receive(self, message: Message) -> torch.Tensor:
        """See :meth:`Lane.receive`."""
        if message.ready is not None:
            message.ready.synchronize()
        if message.tensor.device.type == "cpu" and message.ready is not None:
            return message.tensor  # staged for this lane alone
        return message.tensor.clone()

    def finish(self) -> None:
        """See :meth:`Lane.finish`."""
        pass


class Gpu:
    """A CUDA device: one stream computes, another copies."""

    def __init__(self, number: int) -> None:
        self.device = torch.device("cuda", number)
        self.stream = torch.cuda.Stream(self.device)
        self.copies = torch.cuda.Stream(self.device)

    def enter(self, stack: ExitStack) -> None:
        """See :meth:`Lane.enter`."""
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.cuda.device(self.device))
        stack.enter_context(torch.cuda.stream(self.stream))

    def send(self, tensor: torch.Tensor, to: Lane) -> Message:
        """See :meth:`Lane.send`."""
        ready = self.stream.record_event()
        if to.device.type == "cuda":
            return Message(tensor, ready)
        with torch.cuda.stream(self.copies):
            self.copies.wait_event(ready)
            staged = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            staged.copy_(tensor, non_blocking=True)
            tensor.record_stream(self.copies)
            return Message(staged, self.copies.record_event())

    def receive(self, message: Message) -> torch.Tensor:
        """See :meth:`Lane.receive`."""
        tensor = message.tensor
        with torch.cuda.stream(self.copies):
            if message.ready is not None:
                self.copies.wait_event(message.ready)
            source = tensor if tensor.is_cuda else tensor.pin_memory()
            copy = source.to(self.device, non_blocking=True)
            if tensor.is_cuda:
                tensor.record_stream(self.copies)
            arrived = self.copies.record_event()
        self.stream.wait_event(arrived)
        copy.record_stream(self.stream)
        return copy

    def finish(self) -> None:
        """See :meth:`Lane.finish`."""
        self.copies.synchronize()
        self.stream.synchronize()


def make_lane(place: Place, urgent: bool = False) -> Lane:
    """The lane of a place on this machine; raises HardwareError if there is no such device.

    ``urgent``: ask the OS to run a core's worker before other programs.
    """
    if place.kind == "cpu":
        cores = usable_cores()
        if place.number >= len(cores):
            raise HardwareError(
                f"no core cpu:{place.number} here: this process may use {len(cores)} "
                f"(numbers {cores}), which are cpu:0 to cpu:{len(cores) - 1}"
            )
        return Core(cores[place.number], urgent)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if place.number >= count:
        raise HardwareError(f"no device cuda:{place.number} here: {count} CUDA devices")
    return Gpu(place.number)
