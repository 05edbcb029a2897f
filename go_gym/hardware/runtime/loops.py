"""A device's part of a step as one loop: in the order of a schedule, or of a ready queue."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from go_gym.capture.program import Program
from go_gym.hardware.program.code import Call, Values, compile_step
from go_gym.hardware.runtime.control import WAITING, Control, Inbox, Outbox
from go_gym.hardware.runtime.ready import Queues
from go_gym.hardware.runtime.schedule import Action, Channel, Schedule
from go_gym.hardware.runtime.transport import Transport

THREAD_YIELDS = 3
"""How often a thread gives its core away before it takes a message: the sender holds the
interpreter's lock until its next op, and who wakes at once finds it taken, sleeps, and pays tens
of microseconds. On two cores, 4 µs a transfer instead of 34."""
_clock = time.perf_counter_ns


class Halted(Exception):
    """Another worker failed, or the executor was closed."""


class Loop(Protocol):
    """What a worker does in each step."""

    def run(self, values: Values) -> None:
        """Run the device's part of a step on its tensors; raises Halted if another failed."""
        ...

    def describe(self, position: int) -> str:
        """What the worker does at a position that the control block shows."""
        ...


@dataclass(frozen=True, eq=False)
class Ports:
    """How a device sends and receives in a step.

    Attributes:
        me: the device.
        channels: tensors that travel, numbered.
        transport: carries the tensors.
        inbox, outbox: carry the messages that say that a tensor is there.
        control: where the device shows what it does.
        forked: whether the workers are processes.
    """

    me: int
    channels: tuple[Channel, ...]
    transport: Transport
    inbox: Inbox
    outbox: Outbox
    control: Control
    forked: bool

    def sender(self, channel: int) -> Call:
        """What sends a channel's tensor."""
        tensor, _, receiver = self.channels[channel]
        send, post = self.transport.send, self.outbox.post

        def call(values: Values) -> None:
            send(channel, values[tensor])
            post(channel, receiver, _clock())

        return call

    def receiver(self, channel: int) -> Call:
        """What waits for a channel's tensor, and takes all others that come before it."""
        awaited = self.channels[channel].tensor
        tensor_of = [each.tensor for each in self.channels]
        poll, wait, receive = self.inbox.poll, self.inbox.wait, self.transport.receive
        yields = 0 if self.forked else THREAD_YIELDS

        def call(values: Values) -> None:
            while values[awaited] is None:
                if not wait(yields):
                    raise Halted
                for message in poll():
                    values[tensor_of[message.channel]] = receive(message.channel)

        return call


class ScheduleLoop:
    """Follows the device's list of a Schedule."""

    def __init__(
        self, program: Program, schedule: Schedule, ports: Ports, device: torch.device
    ) -> None:
        self._position, self._me = ports.control.position.data, ports.me
        self._calls: list[Call] = []
        self._names: list[str] = []
        for action, number in schedule.devices[ports.me]:
            call: Call | None
            if action == Action.RUN:
                step = program.steps[number]
                call, name = compile_step(program, step.on(device)), f"op {step.name!r}"
            elif action == Action.RECEIVE:
                producer = program.graph.tensor_producer[schedule.channels[number].tensor]
                name = f"the wait for the result of op {program.steps[producer].name!r}"
                call = ports.receiver(number)
            elif action == Action.SEND:
                call, name = ports.sender(number), "sending a result"
            else:
                call, name = _freeing(number), "freeing a tensor"
            if call is not None:
                self._calls.append(call)
                self._names.append(name)

    def run(self, values: Values) -> None:
        """See :meth:`Loop.run`."""
        position, me = self._position, self._me
        for number, call in enumerate(self._calls):
            position[me] = number
            call(values)

    def describe(self, position: int) -> str:
        """See :meth:`Loop.describe`."""
        return self._names[position]


class QueueLoop:
    """Runs what the device's ready queue gives out."""

    def __init__(
        self, program: Program, queues: Queues, ports: Ports, device: torch.device
    ) -> None:
        self._program, self._ports = program, ports
        self._queue, self._uses = queues.ready[ports.me], queues.uses[ports.me]
        self._calls: list[Call] = [_nothing] * len(program.steps)
        self._sends: list[Sequence[Call]] = [()] * len(program.steps)
        leaving: dict[int, list[int]] = {}
        for number, channel in enumerate(queues.channels):
            leaving.setdefault(channel.tensor, []).append(number)
        for op in self._queue.ops:
            step = program.steps[op]
            self._calls[op] = compile_step(program, step.on(device)) or _nothing
            self._sends[op] = [
                ports.sender(number)
                for tensor in step.tensors
                for number in leaving.get(tensor, ())
            ]

    def run(self, values: Values) -> None:
        """See :meth:`Loop.run`."""
        queue, uses, ports = self._queue, self._uses, self._ports
        calls, sends = self._calls, self._sends
        poll, receive = ports.inbox.poll, ports.transport.receive
        tensor_of = [channel.tensor for channel in ports.channels]
        position, me = ports.control.position.data, ports.me
        pop, notify, free_after = queue.pop, queue.notify, uses.free_after
        first_channel = len(calls)
        uses.begin()
        now = _clock()
        queue.begin(now)
        while queue.remaining:
            for channel, posted_ns in poll():
                values[tensor_of[channel]] = receive(channel)
                notify(first_channel + channel, posted_ns)
            op = pop(now)
            if op is None:
                position[me] = WAITING
                if queue.remaining and not ports.inbox.wait():
                    raise Halted
                now = _clock()
                continue
            position[me] = op
            calls[op](values)
            for send in sends[op]:
                send(values)
            now = _clock()
            notify(op, now)
            free_after(op, values)

    def describe(self, position: int) -> str:
        """See :meth:`Loop.describe`."""
        return f"op {self._program.steps[position].name!r}"


def make_loop(
    program: Program, order: Schedule | Queues, ports: Ports, device: torch.device
) -> Loop:
    """The loop of a device under an order of its ops."""
    if isinstance(order, Schedule):
        return ScheduleLoop(program, order, ports, device)
    return QueueLoop(program, order, ports, device)


def _nothing(values: Values) -> None:
    """The call of a tensor that is there from the start."""


def _freeing(tensor: int) -> Call:
    def call(values: Values) -> None:
        values[tensor] = None

    return call
