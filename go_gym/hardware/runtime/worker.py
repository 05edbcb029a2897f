"""One device's part of a step: the loop that runs its ops, sends and receives."""

import gc
import io
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from resource import RUSAGE_THREAD, getrusage
from typing import Any

import numpy as np
import torch

from go_gym.capture.program import Program
from go_gym.hardware.program.code import Call, Values, compile_step
from go_gym.hardware.runtime.control import (
    AT,
    COUNT,
    GATE,
    HALT,
    LOG,
    PTR,
    STAMP,
    view,
    wait_at_gate,
    wait_for_arrival,
    words,
)
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.mail import PAGE, Mail
from go_gym.hardware.runtime.ready import BITS, HALTED, Queues, advance, begin
from go_gym.hardware.runtime.schedule import Channel, Kind, Schedule

TARRY = 3
"""See ``wait_for_arrival``; among threads on two cores, 4 µs a transfer instead of 34."""
_LOW = (1 << BITS) - 1
_clock = time.perf_counter_ns


class Halted(Exception):
    """Another worker failed, or the executor was told to stop."""


@dataclass(frozen=True, eq=False)
class Part:
    """What a worker is given.

    Attributes:
        number: the device.
        lane: where it runs.
        mail: how it sends and receives.
        board: see :mod:`go_gym.hardware.runtime.control`.
        plan: the schedule or the queues of all devices.
        placement: (n,) device of each op.
        alone: it is a process of its own.
        memory: bytes to be used once before the steps.
    """

    number: int
    lane: Lane
    mail: Mail
    board: np.ndarray
    plan: Schedule | Queues
    placement: np.ndarray
    alone: bool
    memory: int = 0


class Worker:
    """Runs its part of a step, again and again, as it is told.

    Args:
        program: what runs.
        inputs: the program's, on the CPU; each is put where its op is.
        part: its share.

    Attributes:
        names: of what AT on the board speaks of.
    """

    def __init__(self, program: Program, inputs: Sequence[torch.Tensor], part: Part) -> None:
        self.program, self.part = program, part
        self.lane, self.mail, self.board, self.me = part.lane, part.mail, part.board, part.number
        self.channels: tuple[Channel, ...] = part.plan.channels
        self.tensor_of = [channel.tensor for channel in self.channels]
        self.step = 0
        self.values: Values = [None] * program.graph.num_tensors
        self.resident: dict[int, torch.Tensor] = {}
        workers = len(view(part.board, GATE))
        self.seen = np.zeros(workers, dtype=np.int64)
        self.posted = [0] * workers
        self.names: list[str] = []
        self.at = words(view(part.board, AT))
        self.run_ops = self._listed() if isinstance(part.plan, Schedule) else self._queued()
        self._place_inputs(inputs)

    # -- making

    def _place_inputs(self, inputs: Sequence[torch.Tensor]) -> None:
        for op in np.flatnonzero(self.part.placement == self.me).tolist():
            step = self.program.steps[op]
            held = step.constant if step.placeholder is None else inputs[step.placeholder]
            if held is not None:
                self.resident[step.tensors[0]] = held.to(self.lane.device)

    def _call(self, op: int) -> Call | None:
        return compile_step(self.program, self.program.steps[op].on(self.lane.device))

    def _listed(self) -> Callable[[], None]:
        """In the order of a Schedule."""
        assert isinstance(self.part.plan, Schedule)
        calls: list[Call] = []
        steps = self.program.steps
        for kind, number in self.part.plan.devices[self.me]:
            if kind == Kind.RUN:
                call, name = self._call(number), f"op {steps[number].name!r}"
                if call is None:
                    continue
            elif kind == Kind.TAKE:
                producer = self.program.graph.tensor_producer[self.tensor_of[number]]
                name = f"the wait for the result of op {steps[producer].name!r}"
                call = self._taking(self.tensor_of[number])
            elif kind == Kind.POST:
                call, name = self._posting(number), "handing out a result"
            else:
                call, name = _dropping(number), "forgetting a tensor"
            calls.append(call)
            self.names.append(name)
        values, at, me = self.values, self.at, self.me

        def run() -> None:
            for number, call in enumerate(calls):
                at[me] = number
                call(values)

        return run

    def _queued(self) -> Callable[[], None]:
        """In the order of a ready queue."""
        assert isinstance(self.part.plan, Queues)
        table, news = self.part.plan.tables[self.me], self.part.plan.news(self.me)
        ops, steps = self.part.plan.ops(self.me), self.program.steps
        self.names = [f"op {steps[op].name!r}" for op in ops]
        calls = [self._call(op) or _nothing for op in ops]
        leaving: dict[int, list[int]] = {}
        for number, channel in enumerate(self.channels):
            leaving.setdefault(channel.tensor, []).append(number)
        posts = [
            tuple(
                self._posting(number)
                for tensor in steps[op].tensors
                for number in leaving.get(tensor, ())
            )
            for op in ops
        ]
        values, at, me, board = self.values, self.at, self.me, self.board
        receive, tensor_of = self.mail.receive, self.tensor_of

        def run() -> None:
            begin(table, _clock())
            code = advance(table, board, -1, _clock())
            while code >= 0:
                if code > _LOW:
                    for fact in news[: code >> BITS].tolist():
                        if fact >= 0:
                            values[fact] = None
                        else:
                            values[tensor_of[-1 - fact]] = receive(-1 - fact)
                    code &= _LOW
                at[me] = code
                calls[code](values)
                for post in posts[code]:
                    post(values)
                code = advance(table, board, code, _clock())
            if code == HALTED:
                raise Halted

        return run

    def _posting(self, number: int) -> Call:
        send, posted, channel = self.mail.send, self.posted, self.channels[number]
        pair = self.me * len(posted) + channel.destination
        log, stamp, count = (words(view(self.board, each)) for each in (LOG, STAMP, COUNT))
        first, end = view(self.board, PTR)[pair : pair + 2].tolist()
        tensor, to = channel.tensor, channel.destination

        def call(values: Values) -> None:
            send(number, values[tensor])
            place = first + posted[to] % (end - first)
            log[place], stamp[place] = number, _clock()
            posted[to] += 1
            count[pair] = posted[to]  # the last, since it is what the receiver looks at

        return call

    def _taking(self, tensor: int) -> Call:
        board, seen, me, receive = self.board, self.seen, self.me, self.mail.receive
        tensor_of, tarry = self.tensor_of, 0 if self.part.alone else TARRY

        def call(values: Values) -> None:
            while values[tensor] is None:
                number = wait_for_arrival(board, seen, me, tarry)
                if number < 0:
                    raise Halted
                values[tensor_of[number]] = receive(number)

        return call

    # -- running

    def live(self, connection: Connection) -> None:
        """Do what comes through ``connection``: a number of steps, ``"results"``, or None to end.

        The answers: (workers' times), results as bytes, or a string that says what failed.
        """
        try:
            with ExitStack() as stack:
                self.lane.enter(stack)
                if self.part.alone:
                    gc.disable()
                    _touch(self.part.memory)
                while (asked := connection.recv()) is not None:
                    if asked == "results":
                        connection.send(self._results())
                    else:
                        connection.send([self._run_step() for _ in range(asked)])
        except (EOFError, ConnectionError):  # nobody asks any more
            pass
        except Halted:
            connection.send("")
        except BaseException as error:  # whatever it is, the executor reports it
            view(self.board, HALT)[0] = 1
            connection.send(self._complaint(error))
        finally:
            self.values.clear()

    def _run_step(self) -> tuple[int, int, int, int]:
        values = self.values
        self.step += 1
        values[:] = [None] * self.program.graph.num_tensors
        for tensor, held in self.resident.items():
            values[tensor] = held
        self.mail.begin(self.step)
        view(self.board, GATE)[self.me] = self.step
        if not wait_at_gate(self.board, self.step):
            raise Halted
        switches = getrusage(RUSAGE_THREAD).ru_nivcsw
        cpu, start = time.thread_time_ns(), _clock()
        self.run_ops()
        self.at[self.me] = -1
        self.lane.finish()
        finish, cpu = _clock(), time.thread_time_ns() - cpu
        switches = getrusage(RUSAGE_THREAD).ru_nivcsw - switches
        return start, finish, cpu, switches

    def _results(self) -> bytes:
        """The program's results that were made here, as torch.save writes them."""
        found = {
            name: self.values[self.program.steps[value.op].tensors[value.position]].detach().cpu()
            for name, value in self.program.outputs.items()
            if self.part.placement[value.op] == self.me
        }
        buffer = io.BytesIO()
        torch.save({name: tensor.contiguous() for name, tensor in found.items()}, buffer)
        return buffer.getvalue()

    def _complaint(self, error: BaseException) -> str:
        """What went wrong here, in one line."""
        at = int(self.at[self.me])
        where = self.names[at] if at >= 0 else "outside all ops"
        text = str(error).strip().split("\n")[0]
        memory = isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text
        kind = "out of memory" if memory else type(error).__name__
        return f"device {self.me}, {where}: {kind}: {text}"


def _touch(size: int) -> None:
    """Use memory once and give it back to the allocator, which keeps it: a forked process pays
    for the first use of every page, and which pages a step uses varies with its order."""
    with suppress(RuntimeError):  # as much is not allowed: then it is used when it is needed
        torch.empty(size, dtype=torch.uint8)[::PAGE] = 0


def _nothing(values: Values) -> Any:
    """The call of a tensor that is there from the start."""


def _dropping(tensor: int) -> Call:
    def call(values: Values) -> None:
        values[tensor] = None

    return call
