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
from go_gym.graph import ComputationGraph
from go_gym.hardware.runtime.control import (
    AT,
    HALT,
    arrival,
    new_board,
    view,
    wait_at_gate,
    wait_for_arrival,
)
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.mail import Common, Handover, Mail, Post
from go_gym.hardware.runtime.ready import Queues, advance, begin, build_queues
from go_gym.hardware.runtime.schedule import Schedule
from go_gym.hardware.runtime.team import Member, forks
from go_gym.hardware.runtime.worker import Part, Worker

GAPS = 2
"""An allocator takes up to so many times what is in use (our choice)."""
ENDING = 2.0
"""Seconds that workers have to end when they are told to."""


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
    """A program on lanes under a plan: workers that run one step after another when asked.

    A context manager: leaving it ends the workers. They are forked processes on CPU cores, and
    threads where there is a GPU (see :mod:`go_gym.hardware.runtime.team`).

    Args:
        program: what runs.
        plan: the order of each lane's ops: queues of ready ops, or lists (a Schedule).
        lanes: the devices, in the plan's order.
        inputs: the program's inputs, on the CPU; each is put where its op is.
        placement: (n,) lane of each op.
        fork: whether the workers are processes; None: as the lanes need it.
        memory: bytes that each lane's tensors take at most; used once before the steps.
    """

    def __init__(
        self,
        program: Program,
        plan: Schedule | Queues,
        lanes: Sequence[Lane],
        inputs: Sequence[torch.Tensor],
        placement: np.ndarray,
        fork: bool | None = None,
        memory: Sequence[int] | None = None,
    ) -> None:
        program.check(inputs)
        compile_all()
        fork = forks(lanes) if fork is None else fork
        channels = plan.channels
        self.board = new_board([each[1:] for each in channels], len(lanes))
        constants = [step.constant for step in program.steps if step.constant is not None]
        resident = [*inputs, *constants]
        common = Common(program.graph, channels, self.board, resident) if fork else None
        box: list[Any] = [None] * len(channels)
        spare = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        self.workers: list[Worker] = []
        for number, lane in enumerate(lanes):
            mail: Mail = (
                Handover(channels, lanes, number, box) if common is None else Post(common, number)
            )
            room = min(GAPS * memory[number], spare // len(lanes)) if memory is not None else 0
            part = Part(number, lane, mail, self.board, plan, np.asarray(placement), fork, room)
            self.workers.append(Worker(program, inputs, part))
        self.members: list[Member] = []
        try:
            for worker in self.workers:
                name = f"go-gym worker {worker.me}"
                self.members.append(Member(name, fork, worker.live))
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
            answers = self._ask(steps, patience * steps)
        finally:
            gc.enable()
        tables = [np.array(answer, dtype=np.int64) for answer in answers]
        return [StepTimes(*np.stack(rows).T) for rows in zip(*tables, strict=True)]

    def results(self) -> dict[str, torch.Tensor]:
        """The program's results by name, after the last step: copies on the CPU."""
        found: dict[str, torch.Tensor] = {}
        for answer in self._ask("results", 60.0):
            found |= torch.load(io.BytesIO(answer), weights_only=True)
        return found

    def _ask(self, question: Any, seconds: float) -> list[Any]:
        """The workers' answers."""
        for member in self.members:
            member.connection.send(question)
        answers: dict[int, Any] = {}
        end = time.monotonic() + seconds
        while len(answers) < len(self.members):
            waiting = [n for n in range(len(self.members)) if n not in answers]
            ends = [each for number in waiting for each in self.members[number].ends]
            if not wait(ends, max(0.0, end - time.monotonic())):
                raise self._failed(self._stuck(waiting, seconds))
            for number in waiting:
                member = self.members[number]
                if member.connection.poll():
                    answers[number] = answer = self._heard(number)
                    if isinstance(answer, str) and answer:
                        raise self._failed(answer)
                elif member.death is not None:
                    raise self._failed(self._obituary(number))
        if "" in answers.values():
            raise self._failed("the workers were told to stop")
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
        at = int(view(self.board, AT)[number])
        return self.workers[number].names[at] if at >= 0 else "a wait for others"

    def _stuck(self, waiting: Sequence[int], seconds: float) -> str:
        """Who is late, and in what: in an op rather than in a wait for another's."""
        found = [(number, self._whereabouts(number)) for number in waiting]
        number, where = next((each for each in found if each[1].startswith("op")), found[0])
        return (
            f"device {number} is still in {where} after {seconds:.0f} s: it hangs, or the step "
            "takes longer than its patience"
        )

    def _failed(self, message: str) -> HardwareError:
        view(self.board, HALT)[0] = 1
        return HardwareError(message)

    def close(self) -> None:
        """End the workers; a thread that hangs in an op cannot be ended, and is left behind."""
        view(self.board, HALT)[0] = 1
        for member in self.members:
            with suppress(ConnectionError):  # it ended before
                member.connection.send(None)
        end = time.monotonic() + ENDING
        for member in self.members:
            member.close(max(0.0, end - time.monotonic()))
        self.members = []


def compile_all() -> None:
    """Compile before workers are started, which would all compile at once."""
    board = new_board([(0, 0)], 1)
    seen = np.zeros(1, dtype=np.int64)
    view(board, HALT)[0] = 1
    wait_at_gate(board, 0)
    arrival(board, seen, 0)
    wait_for_arrival(board, seen, 0, 0)
    queues = build_queues(ComputationGraph.from_costs([1], [(0, 8)], []), np.zeros(1, int), None, 1)
    begin(queues.tables[0], 0)
    advance(queues.tables[0], board, -1, 0)
