"""How long ops and transfers take on this machine's devices."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from go_gym.capture import inference_program
from go_gym.capture.program import Program
from go_gym.cluster import Cluster
from go_gym.hardware.program.code import compile_step
from go_gym.hardware.runtime.executor import Executor
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.orders import program_queues, program_schedule
from go_gym.hardware.runtime.schedule import Action, simulated_order
from go_gym.hardware.runtime.team import forks, together
from go_gym.problem import Decision, Problem

CHAIN = 64
"""Ops of the chain whose tensors travel back and forth."""
SIZES = (2**8, 2**12, 2**16, 2**20)
"""Elements (of four bytes) of the tensors that travel."""


def profile_ops(
    program: Program,
    lanes: Sequence[Lane],
    inputs: Sequence[torch.Tensor],
    steps: int,
    patience: float,
) -> list[np.ndarray]:
    """What every op takes on each lane: (n,) int64 ns each.

    As long as it takes while all other lanes run the program as well (our choice: a placement
    worth simulating keeps them busy, and cores share cache, memory and heat): the median of
    ``steps`` steps. What an executor takes between the ops, and the clock did not see, is shared
    out evenly: it is what a step on that lane alone takes longer than its ops do alone.

    The ops run in the order of a ready queue, first in, first out, as they will in a step: in the
    order of the program a step can take less, since an op mostly reads what was made just before
    it.
    """
    fork = forks(lanes)
    clocked = [partial(_op_times, program, lane, inputs, steps) for lane in lanes]
    alone = [together([each], fork)[0] for each in clocked]
    company = together(clocked, fork)
    found = []
    for lane, own, shared in zip(lanes, alone, company, strict=True):
        whole = _alone(program, lane, inputs, steps, patience)
        parts = np.median(own, axis=0)
        called = parts > 0
        between = (whole - parts.sum()) / max(1, called.sum())
        ops = np.maximum(np.median(shared, axis=0) + between, 1)
        found.append(np.rint(np.where(called, ops, 0)).astype(np.int64))
    return found


def _alone(
    program: Program, lane: Lane, inputs: Sequence[torch.Tensor], steps: int, patience: float
) -> float:
    """The median step on one lane, ns; of the quieter half."""
    ops = program.graph.num_ops
    times = _chain_times(program, [lane], inputs, np.zeros(ops, dtype=np.int64), steps, patience)
    return float(np.median(times))


def _chain_times(
    program: Program,
    lanes: Sequence[Lane],
    inputs: Sequence[torch.Tensor],
    placement: np.ndarray,
    steps: int,
    patience: float = 60.0,
) -> list[int]:
    """Step times, those of the steps that others took the least of."""
    queues = program_queues(program, placement, None, len(lanes))
    with Executor(program, queues, lanes, inputs, placement) as executor:
        executor.run(3, patience)
        times = executor.run(2 * steps, patience)
    return [each.step_ns for each in sorted(times, key=lambda each: each.taken)[:steps]]


def _op_times(
    program: Program, lane: Lane, inputs: Sequence[torch.Tensor], steps: int
) -> np.ndarray:
    """(steps, n) ns of each op; freeing tensors counts to the op after which it happens."""
    graph = program.graph
    place = np.zeros(graph.num_ops, dtype=np.int64)
    order = simulated_order(Problem(graph, Cluster.uniform(1, 1e9)), Decision(place))
    schedule = program_schedule(program, place, order, 1)
    resident: dict[int, torch.Tensor] = {}
    calls: list[tuple[Callable[[list[Any]], None], list[int], int]] = []
    for action, number in schedule.devices[0]:
        if action == Action.FREE:
            if calls:
                calls[-1][1].append(number)
            continue
        step = program.steps[number].on(lane.device)
        call = compile_step(program, step)
        if call is None:
            held = step.constant if step.placeholder is None else inputs[step.placeholder]
            assert held is not None
            resident[step.tensors[0]] = held.to(lane.device)
        else:
            calls.append((call, [], number))
    times = np.zeros((steps, graph.num_ops), dtype=np.int64)
    clock = _event_clock if lane.device.type == "cuda" else _host_clock
    with ExitStack() as stack:
        lane.enter(stack)
        for step_number in range(-2, steps):  # the first two touch memory
            values: list[Any] = [None] * graph.num_tensors
            for tensor, held in resident.items():
                values[tensor] = held
            row = clock(calls, values)
            if step_number >= 0:
                times[step_number, [op for _, _, op in calls]] = row
    return times


def _host_clock(calls: Sequence[Any], values: list[Any]) -> np.ndarray:
    marks = np.empty(len(calls) + 1, dtype=np.int64)
    clock = time.perf_counter_ns
    marks[0] = clock()
    for number, (call, drops, _) in enumerate(calls, start=1):
        call(values)
        for tensor in drops:
            values[tensor] = None
        marks[number] = clock()
    return np.diff(marks)


def _event_clock(calls: Sequence[Any], values: list[Any]) -> np.ndarray:
    events = [torch.cuda.Event(enable_timing=True) for _ in range(len(calls) + 1)]
    events[0].record()
    for event, (call, drops, _) in zip(events[1:], calls, strict=True):
        call(values)
        for tensor in drops:
            values[tensor] = None
        event.record()
    torch.cuda.synchronize()
    return np.array([a.elapsed_time(b) * 1e6 for a, b in pairwise(events)])


def profile_transfers(lanes: Sequence[Lane]) -> list[dict[str, float]]:
    """Latency and bandwidth between each two lanes, the mean of both directions.

    A chain of ops on one lane, and the same chain from lane to lane and back: what it takes
    longer, divided by its transfers, for tensors of several sizes; then the line that fits best
    in relative terms.
    """
    programs = [_chain(size) for size in SIZES]
    found = []
    for a in range(len(lanes)):
        for b in range(a + 1, len(lanes)):
            pair = [lanes[a], lanes[b]]
            costs = [_transfer_ns(program, pair) for program in programs]
            latency, slowness = fit_line(4.0 * np.array(SIZES), np.array(costs))
            found.append(
                {"a": a, "b": b, "latency_ns": round(latency), "bandwidth": 1e9 / slowness}
            )
    return found


def fit_line(size: np.ndarray, cost: np.ndarray) -> tuple[float, float]:
    """Latency and ns per byte of the best line in relative error, neither below a trace."""
    weight = 1.0 / np.maximum(cost, 1.0)
    design = np.stack([weight, size * weight], axis=1)
    latency, slowness = np.linalg.lstsq(design, cost * weight, rcond=None)[0]
    return max(0.0, float(latency)), max(1e-6, float(slowness))


def _transfer_ns(program: Program, lanes: Sequence[Lane]) -> float:
    inputs = program.sample_inputs()
    alone = np.zeros(program.graph.num_ops, dtype=np.int64)
    there_and_back = np.arange(program.graph.num_ops) % 2
    moved = _chain_times(program, lanes, inputs, there_and_back, steps=20)
    still = _chain_times(program, lanes, inputs, alone, steps=20)
    return max(1.0, float(np.median(moved) - np.median(still))) / (program.graph.num_ops - 1)


class _Chain(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(CHAIN):
            x = x + 1
        return x


def _chain(size: int) -> Program:
    return inference_program(f"chain-{size}", _Chain, lambda: [torch.zeros(size)])


def profile_rates(lane: Lane) -> dict[str, float]:
    """Peak FLOP/s of a float32 product, bytes/s of a copy, ns of the smallest op."""

    def measure() -> dict[str, float]:
        with ExitStack() as stack:
            lane.enter(stack)
            small, square = torch.zeros(1), torch.zeros(512, 512)
            large = torch.zeros(2**22)
            small, square, large = (x.to(lane.device) for x in (small, square, large))
            return {
                "peak_flops": 2 * 512**3 / _seconds(lambda: square @ square, lane),
                "memory_bandwidth": 2 * large.nbytes / _seconds(large.clone, lane),
                "launch_overhead_ns": 1e9 * _seconds(lambda: small + 1, lane),
            }

    return together([measure], forks([lane]))[0]


def _seconds(call: Callable[[], Any], lane: Lane) -> float:
    best = []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(10):
            call()
        lane.finish()
        best.append((time.perf_counter() - start) / 10)
    return float(np.median(best))
