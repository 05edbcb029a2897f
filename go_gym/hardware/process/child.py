"""The process that measures: ``python -m go_gym.hardware.process.child DESCRIPTOR``.

Started by :mod:`go_gym.hardware.process.parent`, which can end it whatever happens in it. It
answers one request at a time: JSON, then the bytes that go with it. Nothing of it outlives its
parent.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from go_gym.capture.program import Program
from go_gym.errors import GoGymError, HardwareError
from go_gym.files import unpack_arrays
from go_gym.fusion.plan import FusionPlan
from go_gym.graph import ComputationGraph
from go_gym.hardware.measure.measurement import Measurement
from go_gym.hardware.measure.profile import profile_ops, profile_rates, profile_transfers
from go_gym.hardware.measure.timing import measure_steps
from go_gym.hardware.process.machine import describe, load
from go_gym.hardware.program.fused import compile_kernels, fused_program
from go_gym.hardware.program.source import program_of_graph
from go_gym.hardware.runtime.executor import Executor
from go_gym.hardware.runtime.lanes import make_lane
from go_gym.hardware.runtime.orders import program_queues, program_schedule
from go_gym.hardware.runtime.places import Place
from go_gym.hardware.runtime.ready import Queues
from go_gym.hardware.runtime.schedule import Schedule
from go_gym.problem import Decision

Request = Mapping[str, Any]


class Child:
    """What the process knows between requests."""

    def __init__(self) -> None:
        self.program: Program | None = None
        self.inputs: list[torch.Tensor] = []
        self.urgent = False

    def answer(self, request: Request, data: bytes) -> dict[str, Any]:
        """What a request gives; raises GoGymError for one that fails."""
        does: dict[str, Callable[[Request, bytes], dict[str, Any]]] = {
            "open": self.open,
            "measure": self.measure,
            "profile": self.profile,
        }
        return does[request["do"]](request, data)

    def open(self, request: Request, data: bytes) -> dict[str, Any]:
        """Capture the program of the graph in ``data``, and make its inputs."""
        if request["memory"] is not None:
            resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
        self.urgent = bool(request["urgent"])
        torch.set_num_threads(1)
        self.program = program_of_graph(ComputationGraph.from_bytes(data), request["maker"])
        try:
            self.inputs = self.program.sample_inputs()
        except RuntimeError as error:
            raise HardwareError(f"out of memory for the program's inputs: {error}") from error
        return {}

    def measure(self, request: Request, data: bytes) -> dict[str, Any]:
        """Run a decision: its placement, priorities and order are in ``data``."""
        program = self.opened
        arrays = unpack_arrays(data, "request")
        found = [Place(*place) for place in request["places"]]
        decision, devices = Decision(arrays["placement"], arrays["priority"]), len(found)
        if "roots" in arrays:
            kernels = FusionPlan(**{field.name: arrays[field.name] for field in fields(FusionPlan)})
            program, decision = fused_program(program, decision, kernels)
            compile_kernels(program, self.inputs)
        placement, priority = np.asarray(decision.placement), np.asarray(decision.priority)
        plan: Schedule | Queues
        if request["order"] == "simulated":
            plan = program_schedule(program, placement, arrays["order"], devices)
        else:
            plan = program_queues(program, placement, priority, devices)
        before = load()
        lanes = [make_lane(place, self.urgent) for place in found]
        peaks = request["peaks"]
        with Executor(program, plan, lanes, self.inputs, placement, memory=peaks) as executor:
            steps = measure_steps(
                lambda count: executor.run(count, request["patience"]),
                request["steps"],
                request["warmups"],
                request["seconds"],
            )
            results = executor.results()
        first = next(iter(results.values()), None)
        return Measurement(
            **steps,
            loss=float(first) if first is not None and first.numel() == 1 else None,
            load=before,
            machine=describe(found),
        ).as_dict()

    def profile(self, request: Request, data: bytes) -> dict[str, Any]:
        """Durations of all ops on each kind of place, and of transfers between pairs."""
        found = [Place(*place) for place in request["places"]]
        lanes = [make_lane(place, self.urgent) for place in found]
        durations = profile_ops(
            self.opened, lanes, self.inputs, request["steps"], request["patience"]
        )
        return {
            "durations": np.stack(durations).tolist(),
            "transfers": profile_transfers(lanes),
            "rates": [profile_rates(lane) for lane in lanes],
            "machine": describe(found),
            "load": load(),
        }

    @property
    def opened(self) -> Program:
        """The program that is open; raises HardwareError if none is."""
        if self.program is None:
            raise HardwareError("no program is open")
        return self.program


def main(descriptor: int) -> None:
    """Answer requests until the other end is closed."""
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    child = Child()
    with Connection(descriptor) as connection:
        while True:
            try:
                request, data = json.loads(connection.recv_bytes()), connection.recv_bytes()
            except (EOFError, ConnectionError):
                return
            reply: dict[str, Any]
            try:
                reply = {"ok": child.answer(request, data)}
            except GoGymError as error:
                reply = {"error": str(error)}
            except MemoryError as error:
                reply = {"error": f"out of memory: {error}"}
            connection.send_bytes(json.dumps(reply).encode())


def _leave_with(parent: int) -> None:
    """End the process, hung threads and all, when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # a thread that hangs in an op must not hold the process
