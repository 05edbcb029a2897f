"""What each device does in a step, in order: run ops, receive and send tensors, free them.

Plain Python, no torch: the same lists drive threads on one machine and processes on several.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

import numpy as np

from go_gym.graph import ComputationGraph
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate

Order = Literal["ready", "simulated"]
"""What decides which op a device runs next. ``"ready"``, the default: a queue at run time, by the
simulator's rule. ``"simulated"``: the order in which the simulator's queues started them, whatever
happens. A queue takes a little more an op, and what it runs is what is there: where much is moved,
steps can be shorter than in a fixed order, which waits for one copy while another op could run."""


class Action(IntEnum):
    """What an instruction does with its number."""

    RUN = 0  # number: an op
    RECEIVE = 1  # number: a channel; wait for its tensor
    SEND = 2  # number: a channel
    FREE = 3  # number: a tensor; nobody here needs it any more


class Instruction(NamedTuple):
    """One thing to do."""

    action: Action
    number: int


class Channel(NamedTuple):
    """A tensor on its way to another device; once a step each."""

    tensor: int
    source: int
    destination: int


@dataclass(frozen=True)
class Schedule:
    """The work of every device.

    Attributes:
        channels: tensors that travel, numbered.
        devices: for each device its instructions in order.
    """

    channels: tuple[Channel, ...]
    devices: tuple[tuple[Instruction, ...], ...]


def simulated_order(problem: Problem, decision: Decision) -> np.ndarray:
    """(n,) int64: all ops in the order in which the simulator's ready queues start them.

    A linear extension of the graph (ties by op number), so that devices which follow it, each in
    its own part, never wait for each other in a circle.
    """
    trace = simulate(problem, decision, trace=True).trace
    assert trace is not None
    return np.lexsort((np.arange(problem.num_ops), trace.op_start))


def find_channels(graph: ComputationGraph, placement: np.ndarray) -> tuple[Channel, ...]:
    """What must travel under a ``placement`` (n,), by tensor, then destination."""
    place = np.asarray(placement, dtype=np.int64)
    source, destination = place[graph.use_producer], place[graph.use_consumer]
    away = source != destination
    rows = np.stack([graph.use_tensor[away], source[away], destination[away]], axis=1)
    return tuple(Channel(*row) for row in np.unique(rows.astype(np.int64), axis=0).tolist())


def build_schedule(
    graph: ComputationGraph,
    placement: np.ndarray,
    order: np.ndarray,
    devices: int,
    results: Iterable[int] = (),
) -> Schedule:
    """The lists of all devices.

    Args:
        graph: the graph.
        placement: (n,) device of each op.
        order: (n,) a linear extension of the graph; each device runs its ops in this order.
        devices: how many there are.
        results: tensors that stay where they are produced to the end of the step.
    """
    place, producer = placement.tolist(), graph.tensor_producer.tolist()
    inputs, consumers = _inputs(graph), _consumers(graph)
    staying = set(results)
    position = np.empty(graph.num_ops, dtype=np.int64)
    position[order] = np.arange(graph.num_ops)
    at = position.tolist()

    channels = find_channels(graph, placement)
    numbers = {(each.tensor, each.destination): n for n, each in enumerate(channels)}
    last: dict[tuple[int, int], int] = {}  # (tensor, device) → op that needs it last there
    for tensor, users in enumerate(consumers):
        for user in sorted(users, key=at.__getitem__):
            last[tensor, place[user]] = user
    remote: dict[int, list[int]] = {}
    for number, channel in enumerate(channels):
        remote.setdefault(channel.tensor, []).append(number)

    lists: list[list[Instruction]] = [[] for _ in range(devices)]
    taken: set[int] = set()
    ptr = graph.op_tensor_ptr.tolist()
    for op in order.tolist():
        device = place[op]
        todo = lists[device]
        for tensor in inputs[op]:
            channel_number = numbers.get((tensor, device))
            if channel_number is not None and channel_number not in taken:
                taken.add(channel_number)
                todo.append(Instruction(Action.RECEIVE, channel_number))
        todo.append(Instruction(Action.RUN, op))
        for tensor in range(ptr[op], ptr[op + 1]):
            for channel_number in remote.get(tensor, ()):
                todo.append(Instruction(Action.SEND, channel_number))
            if (tensor, device) not in last and tensor not in staying:
                todo.append(Instruction(Action.FREE, tensor))
        for tensor in inputs[op]:
            here = place[producer[tensor]] == device
            if last[tensor, device] == op and not (here and tensor in staying):
                todo.append(Instruction(Action.FREE, tensor))
    return Schedule(channels, tuple(map(tuple, lists)))


def _inputs(graph: ComputationGraph) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(graph.num_ops)]
    for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
        found[op].append(tensor)
    return found


def _consumers(graph: ComputationGraph) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(graph.num_tensors)]
    for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
        found[tensor].append(op)
    return found
