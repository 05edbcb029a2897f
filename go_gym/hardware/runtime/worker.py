"""A device's worker: does its part of a step when it is asked to, and reports times and results."""

import gc
import io
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
import torch

from go_gym.capture.program import Program
from go_gym.hardware.program.code import Values
from go_gym.hardware.runtime.control import WAITING, Control, Inbox, Outbox
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.loops import Halted, Ports, make_loop
from go_gym.hardware.runtime.platform import preemptions
from go_gym.hardware.runtime.ready import Queues
from go_gym.hardware.runtime.schedule import Schedule
from go_gym.hardware.runtime.transport import PAGE, Transport

RESULTS = "results"
"""The question to a worker that asks for results, not steps."""
STOPPED = ""
"""The answer of a worker that stopped since another failed."""


class WorkerTimes(NamedTuple):
    """Of one worker in one step: start and end on the monotonic clock, CPU time, preemptions."""

    start_ns: int
    finish_ns: int
    cpu_ns: int
    switches: int


@dataclass(frozen=True, eq=False)
class Assignment:
    """What a worker is given.

    Attributes:
        device: its number.
        lane: where it runs.
        order: the order of all devices' ops.
        placement: (n,) device of each op.
        transport: how it sends and receives tensors.
        control: the signals of all workers.
        forked: whether it is a process of its own.
        memory: bytes to be used once before the steps.
    """

    device: int
    lane: Lane
    order: Schedule | Queues
    placement: np.ndarray
    transport: Transport
    control: Control
    forked: bool
    memory: int = 0


class Worker:
    """Runs its part of a step, again and again, as it is asked to.

    Args:
        program: what runs.
        inputs: the program's, on the CPU; each is put where its op is.
        assignment: its share.

    Attributes:
        device: its number.
        loop: what it does in a step.
    """

    def __init__(
        self, program: Program, inputs: Sequence[torch.Tensor], assignment: Assignment
    ) -> None:
        self._program, self._assignment = program, assignment
        self.device = me = assignment.device
        control, order = assignment.control, assignment.order
        ports = Ports(
            me,
            order.channels,
            assignment.transport,
            Inbox(control, me),
            Outbox(control, me),
            control,
            assignment.forked,
        )
        self.loop = make_loop(program, order, ports, assignment.lane.device)
        self._step = 0
        self._values: Values = [None] * program.graph.num_tensors
        self._resident: dict[int, torch.Tensor] = {}
        for op in np.flatnonzero(assignment.placement == me).tolist():
            step = program.steps[op]
            held = step.constant if step.placeholder is None else inputs[step.placeholder]
            if held is not None:
                self._resident[step.tensors[0]] = held.to(assignment.lane.device)

    def serve(self, connection: Connection) -> None:
        """Answer what comes through ``connection``: a number of steps, RESULTS, or None to end.

        The answers: a list of WorkerTimes, results as bytes, or a text that says what failed.
        """
        assignment = self._assignment
        try:
            with ExitStack() as stack:
                assignment.lane.enter(stack)
                if assignment.forked:
                    gc.disable()
                    _touch(assignment.memory)
                while (asked := connection.recv()) is not None:
                    if asked == RESULTS:
                        connection.send(self._results())
                    else:
                        connection.send([self._run_step() for _ in range(asked)])
        except (EOFError, ConnectionError):  # nobody asks any more
            pass
        except Halted:
            connection.send(STOPPED)
        except BaseException as error:  # whatever it is, the executor reports it
            assignment.control.halt[0] = 1
            connection.send(self._complaint(error))
        finally:
            self._values.clear()

    def _run_step(self) -> WorkerTimes:
        control, values = self._assignment.control, self._values
        self._step += 1
        values[:] = [None] * self._program.graph.num_tensors
        for tensor, held in self._resident.items():
            values[tensor] = held
        self._assignment.transport.begin_step(self._step)
        control.ready_for[self.device] = self._step
        if not control.wait_for_all(self._step):
            raise Halted
        switches, cpu = preemptions(), time.thread_time_ns()
        start = time.perf_counter_ns()
        self.loop.run(values)
        control.position[self.device] = WAITING
        self._assignment.lane.finish()
        finish = time.perf_counter_ns()
        return WorkerTimes(start, finish, time.thread_time_ns() - cpu, preemptions() - switches)

    def _results(self) -> bytes:
        """The program's results that were made here, as torch.save writes them."""
        found = {
            name: self._values[self._program.steps[value.op].tensors[value.position]]
            for name, value in self._program.outputs.items()
            if self._assignment.placement[value.op] == self.device
        }
        buffer = io.BytesIO()
        torch.save({name: each.detach().cpu().contiguous() for name, each in found.items()}, buffer)
        return buffer.getvalue()

    def _complaint(self, error: BaseException) -> str:
        """What went wrong here, in one line."""
        position = int(self._assignment.control.position[self.device])
        where = self.loop.describe(position) if position != WAITING else "outside all ops"
        text = str(error).strip().split("\n")[0]
        memory = isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text
        kind = "out of memory" if memory else type(error).__name__
        return f"device {self.device}, {where}: {kind}: {text}"


def _touch(size: int) -> None:
    """Use memory once and give it back to the allocator, which keeps it: a forked process pays
    for the first use of every page, and which pages a step uses varies with its order."""
    with suppress(RuntimeError):  # as much is not allowed: then it is used when it is needed
        torch.empty(size, dtype=torch.uint8)[::PAGE] = 0
