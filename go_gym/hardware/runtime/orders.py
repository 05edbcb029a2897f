"""The order of a program's ops on its devices. Imports torch, unlike what it calls."""

import numpy as np

from go_gym.capture.program import Program
from go_gym.hardware.runtime.ready import Queues, build_queues
from go_gym.hardware.runtime.schedule import Schedule, build_schedule


def result_tensors(program: Program) -> list[int]:
    """The tensors that are the program's results."""
    return [program.steps[v.op].tensors[v.position] for v in program.outputs.values()]


def program_queues(
    program: Program, placement: np.ndarray, priority: np.ndarray | None, devices: int
) -> Queues:
    """Ready queues; see :func:`go_gym.hardware.runtime.ready.build_queues`."""
    resident = [
        step.op
        for step in program.steps
        if step.placeholder is not None or step.constant is not None
    ]
    results = result_tensors(program)
    return build_queues(program.graph, placement, priority, devices, resident, results)


def program_schedule(
    program: Program, placement: np.ndarray, order: np.ndarray, devices: int
) -> Schedule:
    """Lists; see :func:`go_gym.hardware.runtime.schedule.build_schedule`."""
    return build_schedule(program.graph, placement, order, devices, result_tensors(program))
