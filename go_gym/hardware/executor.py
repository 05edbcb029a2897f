"""Runs a program's step on several devices at once, a worker thread for each."""

import gc
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from resource import RUSAGE_THREAD, getrusage
from typing import Any

import numpy as np
import torch

from go_gym.capture.program import Program
from go_gym.errors import HardwareError
from go_gym.hardware.code import Call, Values, compile_step
from go_gym.hardware.lanes import Lane
from go_gym.hardware.schedule import Kind, Schedule
from go_gym.hardware.spin import compile_all, find_any, wait_any, wait_for

EARLY = 8
"""A worker that waits for a tensor copies any of the next so many that is there (our choice)."""


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


class Halted(Exception):
    """Another worker failed, or the executor was told to stop."""


class Executor:
    """A program on lanes under a schedule: threads that run one step after another when asked.

    A context manager: leaving it ends the threads.

    Args:
        program: what runs.
        schedule: what each lane does.
        lanes: the devices, in the schedule's order.
        inputs: the program's inputs, on the CPU; each is put where its op is.
        placement: (n,) lane of each op.
    """

    def __init__(
        self,
        program: Program,
        schedule: Schedule,
        lanes: Sequence[Lane],
        inputs: Sequence[torch.Tensor],
        placement: np.ndarray,
    ) -> None:
        program.check(inputs)
        compile_all()
        self.program, self.schedule = program, schedule
        self.posted = np.zeros(len(schedule.channels) + 1, dtype=np.int64)  # the last is never up
        self.box: list[Any] = [None] * len(schedule.channels)
        self.gate = np.zeros(len(lanes), dtype=np.int64)
        self.halt = np.zeros(1, dtype=np.int64)
        self.workers = [
            Worker(self, number, lane, lanes, inputs, placement)
            for number, lane in enumerate(lanes)
        ]
        for worker in self.workers:
            worker.thread.start()

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
            HardwareError: naming device and op, if a worker raised or did not end in time.
        """
        gc.collect()
        gc.disable()
        try:
            for worker in self.workers:
                worker.ask(steps)
            end = time.monotonic() + patience * steps
            if not all(worker.ended_by(end) for worker in self.workers):
                self.halt[0] = 1
                raise HardwareError(self._stuck(patience * steps))
        finally:
            gc.enable()
        for worker in self.workers:
            if worker.error is not None and not isinstance(worker.error, Halted):
                raise HardwareError(worker.complaint()) from worker.error
        tables = [np.array(worker.times[-steps:], dtype=np.int64) for worker in self.workers]
        return [StepTimes(*np.stack(rows).T) for rows in zip(*tables, strict=True)]

    def _stuck(self, seconds: float) -> str:
        """Who is late, and in what: in an op rather than in a wait for another's."""
        found = [(each.number, each.whereabouts()) for each in self.workers if each.busy]
        number, where = next((each for each in found if each[1].startswith("op")), found[0])
        return (
            f"device {number} is still in {where} after {seconds:.0f} s: it hangs, or the step "
            "takes longer than its patience"
        )

    def results(self) -> dict[str, torch.Tensor]:
        """The program's results by name, after the last step: copies on the CPU."""
        found = {}
        for name, value in self.program.outputs.items():
            tensor = self.program.steps[value.op].tensors[value.position]
            for worker in self.workers:
                if worker.keeps(value.op):
                    found[name] = worker.values[tensor].detach().to("cpu", copy=True)
        return found

    def close(self) -> None:
        """End the threads; a thread that hangs in an op cannot be ended, and is left behind."""
        self.halt[0] = 1
        for worker in self.workers:
            worker.ask(0)
        for worker in self.workers:
            worker.thread.join(timeout=2.0)


class Worker:
    """One lane's thread."""

    def __init__(
        self,
        executor: Executor,
        number: int,
        lane: Lane,
        lanes: Sequence[Lane],
        inputs: Sequence[torch.Tensor],
        placement: np.ndarray,
    ) -> None:
        self.executor, self.number, self.lane, self.lanes = executor, number, lane, lanes
        self.placement = placement
        self.error: BaseException | None = None
        self.times: list[tuple[int, int, int, int]] = []
        self.step = 0
        self.resident: dict[int, torch.Tensor] = {}
        self.values: Values = [None] * executor.program.graph.num_tensors
        self.incoming = np.array([*executor.schedule.incoming(number)], dtype=np.int64)
        self.pending = self.incoming.copy()
        self.calls, self.names = self._compile(inputs)
        self._asked = threading.Semaphore(0)
        self._done = threading.Event()
        self._steps = 0
        name = f"go-gym worker {number}"
        self.thread = threading.Thread(target=self._live, name=name, daemon=True)

    # -- making

    def _compile(self, inputs: Sequence[torch.Tensor]) -> tuple[list[Call], list[str]]:
        program, calls, names = self.executor.program, [], []
        position = 0
        for kind, number in self.executor.schedule.devices[self.number]:
            if kind == Kind.RUN:
                step = program.steps[number].on(self.lane.device)
                call, name = compile_step(program, step), f"op {step.name!r}"
                if call is None:
                    held = step.constant if step.placeholder is None else inputs[step.placeholder]
                    assert held is not None
                    self.resident[step.tensors[0]] = held.to(self.lane.device)
                    continue
            elif kind == Kind.TAKE:
                call, name = self._take(position, number), f"the wait for {self._name(number)}"
                position += 1
            elif kind == Kind.POST:
                call, name = self._post(number), f"handing out {self._name(number)}"
            else:
                call, name = _drop(number), f"dropping tensor {number}"
            calls.append(call)
            names.append(name)
        return calls, names

    def _name(self, channel: int) -> str:
        graph = self.executor.program.graph
        producer = graph.tensor_producer[self.executor.schedule.channels[channel].tensor]
        return f"the result of op {graph.op_names[producer]!r}"

    def keeps(self, op: int) -> bool:
        """Whether op ``op`` is this worker's."""
        return bool(self.placement[op] == self.number)

    def _post(self, number: int) -> Call:
        executor, lane = self.executor, self.lane
        channel = executor.schedule.channels[number]
        box, posted, tensor = executor.box, executor.posted, channel.tensor
        to = self.lanes[channel.destination]

        def call(values: Values) -> None:
            box[number] = lane.send(values[tensor], to)
            posted[number] = self.step

        return call

    def _take(self, position: int, number: int) -> Call:
        executor = self.executor
        posted, halt, nothing = executor.posted, executor.halt, len(executor.schedule.channels)
        tensor = executor.schedule.channels[number].tensor

        def call(values: Values) -> None:
            while values[tensor] is None:
                near = self.pending[position : position + EARLY]
                found = find_any(posted, near, self.step)
                if found < 0:
                    found = wait_any(posted, near, self.step, halt)
                    if found < 0:
                        raise Halted
                self._fetch(position + found)
                self.pending[position + found] = nothing

        return call

    def _fetch(self, position: int) -> None:
        executor = self.executor
        number = int(self.pending[position])
        message, executor.box[number] = executor.box[number], None
        self.values[executor.schedule.channels[number].tensor] = self.lane.receive(message)

    # -- running

    def ask(self, steps: int) -> None:
        """Have the thread run so many steps; 0 ends it."""
        self._steps = steps
        self._done.clear()
        self._asked.release()

    def ended_by(self, end: float) -> bool:
        """Wait until the steps asked for are done or a worker failed; False if it is too late."""
        return self._done.wait(max(0.0, end - time.monotonic()))

    @property
    def busy(self) -> bool:
        """Whether steps asked for are not done."""
        return not self._done.is_set()

    def _live(self) -> None:
        try:
            with ExitStack() as stack:
                self.lane.enter(stack)
                while True:
                    self._asked.acquire()
                    if self._steps == 0:
                        return
                    for _ in range(self._steps):
                        self._run_step()
                    self._done.set()
        except BaseException as error:  # whatever it is, the main thread reports it
            self.error = error
            self.executor.halt[0] = 1
        finally:
            self.values = []
            self._done.set()

    def _run_step(self) -> None:
        executor, values = self.executor, self.values
        self.step += 1
        self.pending = self.incoming.copy()
        values[:] = [None] * len(values)
        for tensor, held in self.resident.items():
            values[tensor] = held
        gate, halt, step = executor.gate, executor.halt, self.step
        gate[self.number] = step
        for other in range(len(gate)):
            if not wait_for(gate, other, step, halt):
                raise Halted
        switches = getrusage(RUSAGE_THREAD).ru_nivcsw
        cpu, start = time.thread_time_ns(), time.perf_counter_ns()
        for call in self.calls:
            call(values)
        self.lane.finish()
        finish, cpu = time.perf_counter_ns(), time.thread_time_ns() - cpu
        switches = getrusage(RUSAGE_THREAD).ru_nivcsw - switches
        self.times.append((start, finish, cpu, switches))

    # -- failing

    def complaint(self) -> str:
        """What went wrong here, in one line."""
        error = self.error
        assert error is not None
        where = self._found(error.__traceback__)
        text = str(error).strip().split("\n")[0]
        memory = isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text
        kind = "out of memory" if memory else type(error).__name__
        return f"device {self.number}, {where}: {kind}: {text}"

    def _found(self, traceback: Any) -> str:
        while traceback is not None:
            if traceback.tb_frame.f_code is Worker._run_step.__code__:
                return self._called(traceback.tb_frame)
            traceback = traceback.tb_next
        return "outside all ops"

    def whereabouts(self) -> str:
        frame = sys._current_frames().get(self.thread.ident or 0)
        while frame is not None:
            if frame.f_code is Worker._run_step.__code__:
                return self._called(frame)
            frame = frame.f_back
        return "no op"

    def _called(self, frame: Any) -> str:
        call = frame.f_locals.get("call")
        return self.names[self.calls.index(call)] if call in self.calls else "the start of a step"


def _drop(tensor: int) -> Call:
    def call(values: Values) -> None:
        values[tensor] = None

    return call
