"""Runs a program's step on several devices at once, a worker for each."""

import gc
import io
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

import numpy as np
import torch

from go_gym.capture.program import Program
from go_gym.errors import HardwareError
from go_gym.hardware.runtime.control import WAITING, Control, compile_waits
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.platform import check_platform
from go_gym.hardware.runtime.ready import Queues
from go_gym.hardware.runtime.schedule import Schedule
from go_gym.hardware.runtime.team import Member, forks
from go_gym.hardware.runtime.transport import (
    ProcessTransport,
    SharedTensors,
    ThreadTransport,
    Transport,
)
from go_gym.hardware.runtime.worker import RESULTS, STOPPED, Assignment, Worker

GAPS = 2
"""An allocator takes up to so many times what is in use (our choice)."""
LOOK_EVERY = 0.25
"""Seconds between looks at whether steps go on."""
ENDING = 2.0
"""Seconds that workers have to end when they are asked to."""


@dataclass(frozen=True)
class StepTimes:
    """Of one step, by worker: (workers,) each.

    Attributes:
        start_ns, finish_ns: on the machine's monotonic clock.
        cpu_ns: CPU time between them. A CPU worker never sleeps: what is missing was taken.
        switches: how often the core was given to another thread meanwhile.
    """

    start_ns: np.ndarray
    finish_ns: np.ndarray
    cpu_ns: np.ndarray
    switches: np.ndarray

    @property
    def step_ns(self) -> int:
        """From the moment at which all were ready to the last one's end."""
        return int(self.finish_ns.max() - self.start_ns.max())

    @property
    def taken(self) -> float:
        """The largest share of the step that other programs took from a worker."""
        wall = self.finish_ns - self.start_ns
        missing = np.where(self.switches > 0, wall - self.cpu_ns, 0)
        return float(max(0, missing.max()) / max(1, self.step_ns))


class Executor:
    """A program on lanes, its ops in an order: workers that run one step after another when asked.

    A context manager: leaving it ends the workers. They are forked processes on CPU cores, and
    threads where there is a GPU (see :mod:`go_gym.hardware.runtime.team`).

    Args:
        program: what runs.
        order: of each lane's ops: queues of ready ops, or lists (a Schedule).
        lanes: the devices, as the order numbers them.
        inputs: the program's inputs, on the CPU; each is put where its op is.
        placement: (n,) lane of each op.
        fork: whether the workers are processes; None: as the lanes need it.
        memory: bytes that each lane's tensors take at most; used once before the steps.

    Raises:
        PlatformError: if the machine cannot run such workers.
        CaptureError: if the inputs are not the program's.
    """

    def __init__(
        self,
        program: Program,
        order: Schedule | Queues,
        lanes: Sequence[Lane],
        inputs: Sequence[torch.Tensor],
        placement: np.ndarray,
        fork: bool | None = None,
        memory: Sequence[int] | None = None,
    ) -> None:
        fork = forks(lanes) if fork is None else fork
        check_platform(fork)
        program.check(inputs)
        compile_waits()
        self.control = Control(order.channels, len(lanes))
        transports = _transports(program, order, lanes, inputs, fork)
        spare = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        self.workers: list[Worker] = []
        for device, (lane, transport) in enumerate(zip(lanes, transports, strict=True)):
            room = min(GAPS * memory[device], spare // len(lanes)) if memory is not None else 0
            assignment = Assignment(
                device, lane, order, np.asarray(placement), transport, self.control, fork, room
            )
            self.workers.append(Worker(program, inputs, assignment))
        self.members: list[Member] = []
        try:
            for worker in self.workers:
                name = f"go-gym worker {worker.device}"
                self.members.append(Member(name, fork, worker.serve))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Executor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, steps: int, patience: float = 60.0) -> list[StepTimes]:
        """Run ``steps`` steps, one after another.

        Args:
            steps: how many.
            patience: seconds that a step may take.

        Raises:
            HardwareError: naming device and op, if a worker raised, died, or did not end in time.
        """
        gc.collect()
        gc.disable()
        try:
            answers = self._ask(steps, patience)
        finally:
            gc.enable()
        tables = [np.array(answer, dtype=np.int64) for answer in answers]
        return [StepTimes(*np.stack(rows).T) for rows in zip(*tables, strict=True)]

    def results(self) -> dict[str, torch.Tensor]:
        """The program's results by name, after the last step: copies on the CPU."""
        found: dict[str, torch.Tensor] = {}
        for answer in self._ask(RESULTS, 60.0):
            found |= torch.load(io.BytesIO(answer), weights_only=True)
        return found

    def _ask(self, question: Any, seconds: float) -> list[Any]:
        """The workers' answers; HardwareError if for so long none comes and no step begins."""
        for member in self.members:
            member.connection.send(question)
        answers: dict[int, Any] = {}
        begun, end = int(self.control.ready_for.min()), time.monotonic() + seconds
        while len(answers) < len(self.members):
            waiting = [n for n in range(len(self.members)) if n not in answers]
            ends = [each for number in waiting for each in self.members[number].ends]
            if not wait(ends, min(LOOK_EVERY, max(0.0, end - time.monotonic()))):
                now = int(self.control.ready_for.min())
                if now != begun:  # a step was ended by all
                    begun, end = now, time.monotonic() + seconds
                elif time.monotonic() >= end:
                    raise self._failed(self._stuck(waiting, seconds))
                continue
            for number in waiting:
                member = self.members[number]
                if member.connection.poll():
                    answers[number] = answer = self._heard(number)
                    if isinstance(answer, str) and answer != STOPPED:
                        raise self._failed(answer)
                elif member.death is not None:
                    raise self._failed(self._obituary(number))
        if STOPPED in answers.values():
            raise self._failed("the workers were stopped")
        return [answers[number] for number in sorted(answers)]

    def _heard(self, number: int) -> Any:
        try:
            return self.members[number].connection.recv()
        except EOFError:
            self.members[number].runs.join()
            return self._obituary(number)

    def _obituary(self, number: int) -> str:
        member = self.members[number]
        return f"device {number}, {self._whereabouts(number)}: the worker {member.death}"

    def _whereabouts(self, number: int) -> str:
        position = int(self.control.position[number])
        if position == WAITING:
            return "a wait for others"
        return self.workers[number].loop.describe(position)

    def _stuck(self, waiting: Sequence[int], seconds: float) -> str:
        """Who is late, and in what: in an op rather than in a wait for another's."""
        found = [(number, self._whereabouts(number)) for number in waiting]
        number, where = next((each for each in found if each[1].startswith("op")), found[0])
        return (
            f"device {number} is still in {where} after {seconds:.0f} s: it hangs, or the step "
            "takes longer than its patience"
        )

    def _failed(self, message: str) -> HardwareError:
        self.control.halt[0] = 1
        return HardwareError(message)

    def close(self) -> None:
        """End the workers; a thread that hangs in an op cannot be ended, and is left behind."""
        self.control.halt[0] = 1
        for member in self.members:
            with suppress(ConnectionError):  # it ended before
                member.connection.send(None)
        end = time.monotonic() + ENDING
        for member in self.members:
            member.close(max(0.0, end - time.monotonic()))
        self.members = []


def _transports(
    program: Program,
    order: Schedule | Queues,
    lanes: Sequence[Lane],
    inputs: Sequence[torch.Tensor],
    fork: bool,
) -> list[Transport]:
    """Each worker's way to send and receive."""
    workers, channels = range(len(lanes)), order.channels
    if not fork:
        slots: list[Any] = [None] * len(channels)
        return [ThreadTransport(channels, lanes, number, slots) for number in workers]
    constants = [step.constant for step in program.steps if step.constant is not None]
    shared = SharedTensors(program.graph, channels, len(lanes), [*inputs, *constants])
    return [ProcessTransport(shared, number) for number in workers]
