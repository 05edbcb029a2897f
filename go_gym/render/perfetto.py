"""Traces in Chrome's event format, to look at in ui.perfetto.dev or chrome://tracing.

The format: "Trace Event Format", Google, https://chromium.googlesource.com/catapult. Spans of one
track must not overlap, and ids are whole numbers.
"""

import heapq
import json
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.files import atomic_write
from go_gym.graph import PHASES, Alias, Outlives
from go_gym.problem import Decision, Problem
from go_gym.render.kernels import shown
from go_gym.simulator import Result, Trace

COMPUTE, SEND, RECEIVE = 0, 1, 2
"""Thread numbers of a device's tracks. Where its transfers overlap (contention models other than
``duplex``), the second track of each kind is SEND + 2, RECEIVE + 2, and so on."""


def chrome_trace(problem: Problem, decision: Decision, result: Result) -> dict[str, Any]:
    """The trace of a result that was simulated with ``trace=True``; times in µs.

    A process a device; tracks for its ops, the transfers that it sends and those that it
    receives (several where transfers overlap), and a counter of the bytes that it holds. Zero-cost
    ops are left out. Where ops are fused a span is a kernel, named by its last op, with the names
    and types of its parts. Raises GoGymError if the result has no trace.
    """
    original = problem.graph
    what = shown(problem, decision, result)
    problem, decision, trace, plan = what
    graph, cluster = problem.graph, problem.cluster
    placement = np.asarray(decision.placement).tolist()
    events: list[dict[str, Any]] = []
    for number, device in enumerate(cluster.devices):
        events.append(_name("process_name", number, 0, f"{number} {device.name}"))
        events += _track(number, COMPUTE, "compute", 0)
    flops, kinds, layers = graph.flops.tolist(), graph.op_type.tolist(), graph.layer.tolist()
    phases = graph.phase.tolist()
    starts, finishes = trace.op_start.tolist(), trace.op_finish.tolist()
    for op, (start, finish) in enumerate(zip(starts, finishes, strict=True)):
        if finish > start:
            details = {
                "op": op,
                "type": graph.op_types[kinds[op]],
                "layer": graph.layers[layers[op]] if layers[op] >= 0 else "",
                "flops": flops[op],
            }
            if plan is not None:
                parts = plan.parts[plan.part_ptr[op] : plan.part_ptr[op + 1]].tolist()
                details["parts"] = [
                    f"{original.op_names[part]} ({original.op_types[original.op_type[part]]})"
                    for part in parts
                ]
            category = PHASES[phases[op]]
            name = what.name(op)
            events.append(_span(name, category, placement[op], COMPUTE, start, finish, details))
    events += _transfer_spans(problem, trace)
    events += _counters(problem, decision, trace)
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _transfer_spans(problem: Problem, trace: Trace) -> list[dict[str, Any]]:
    """Each transfer on a track of its source and on one of its destination."""
    graph = problem.graph
    moves = _transfers(trace)
    producers, sizes = graph.tensor_producer.tolist(), graph.tensor_bytes.tolist()
    events: list[dict[str, Any]] = []
    for kind, label, arrow, owner in ((SEND, "send", "→", 1), (RECEIVE, "receive", "←", 2)):
        tracks: set[tuple[int, int]] = set()
        lanes = _lanes([(move[owner], move[3], move[4]) for move in moves])
        for move, lane in zip(moves, lanes, strict=True):
            tensor, _, _, start, finish = move
            name = f"{graph.op_names[producers[tensor]]} {arrow} {move[3 - owner]}"
            details = {"tensor": tensor, "bytes": sizes[tensor]}
            thread = kind + 2 * lane
            tracks.add((move[owner], lane))
            events.append(_span(name, "transfer", move[owner], thread, start, finish, details))
        for device, lane in sorted(tracks):
            title = label if lane == 0 else f"{label} {lane + 1}"
            order = 1 + lane if kind == SEND else 1_000_000 + lane  # all sends, then all receives
            events += _track(device, kind + 2 * lane, title, order)
    return events


def _lanes(spans: list[tuple[int, int, int]]) -> list[int]:
    """For (device, start, finish) in order of start: the lowest lane of the device that is free."""
    busy: dict[int, list[tuple[int, int]]] = {}  # heap of (finish, lane)
    free: dict[int, list[int]] = {}  # heap of lanes
    count: dict[int, int] = {}
    result = []
    for device, start, finish in spans:
        running, idle = busy.setdefault(device, []), free.setdefault(device, [])
        while running and running[0][0] <= start:
            heapq.heappush(idle, heapq.heappop(running)[1])
        if idle:
            lane = heapq.heappop(idle)
        else:
            lane = count.get(device, 0)
            count[device] = lane + 1
        heapq.heappush(running, (finish, lane))
        result.append(lane)
    return result


AFTER = 2**63 - 1
"""Until when what outlives the step is held."""


def memory_counters(problem: Problem, decision: Decision, result: Result) -> list[dict[str, Any]]:
    """Counter events: the bytes that each device holds after each moment, parameters included.

    Their maximum is the result's peak memory, except for what ops or transfers that take no time
    hold only within a moment. An output counts from its op's start to the finish of its last
    consumer or transfer there, a copy from its transfer's start to the finish of its last consumer
    there; what outlives the step stays, and views, and what is written in place, count nothing.
    """
    shown_problem, shown_decision, trace, _ = shown(problem, decision, result)
    return _counters(shown_problem, shown_decision, trace)


def _counters(problem: Problem, decision: Decision, trace: Trace) -> list[dict[str, Any]]:
    graph = problem.graph
    placement = np.asarray(decision.placement).tolist()
    producer, sizes = graph.tensor_producer.tolist(), graph.tensor_bytes.tolist()
    op_start, op_finish = trace.op_start.tolist(), trace.op_finish.tolist()
    outlives = graph.tensor_outlives.tolist()
    held_until: dict[tuple[int, int], int] = {}
    for tensor, consumer in zip(
        graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True
    ):
        key = (tensor, placement[consumer])
        held_until[key] = max(held_until.get(key, 0), op_finish[consumer])
    begins: dict[tuple[int, int], int] = {}
    for tensor in range(graph.num_tensors):
        home = (tensor, placement[producer[tensor]])
        begins[home] = op_start[producer[tensor]]
        held_until.setdefault(home, op_finish[producer[tensor]])
        if outlives[tensor] != Outlives.NO:
            held_until[home] = AFTER
    for tensor, source, destination, start, finish in _transfers(trace):
        begins[tensor, destination] = start
        held_until[tensor, source] = max(held_until[tensor, source], finish)
    alias = graph.tensor_alias.tolist()
    for tensor in range(graph.num_tensors - 1, -1, -1):  # a view keeps what it views
        home = placement[producer[tensor]]
        if alias[tensor] >= 0:
            base = (alias[tensor], home)
            held_until[base] = max(held_until[base], held_until[tensor, home])
    changes: dict[tuple[int, int], int] = {}  # (time, device) → bytes
    for (tensor, device), start in begins.items():
        local = device == placement[producer[tensor]]
        own = alias[tensor] == Alias.OWN and outlives[tensor] != Outlives.IN_PLACE
        size = sizes[tensor] if own or not local else 0
        if size:
            until = held_until[tensor, device]
            for time, change in ((start, size), (until, -size))[: 1 if until == AFTER else 2]:
                changes[time, device] = changes.get((time, device), 0) + change
    held = [0] * problem.num_devices
    for op in np.flatnonzero(graph.parameter_bytes).tolist():
        held[placement[op]] += int(graph.parameter_bytes[op])
    events = [_counter(device, 0, size) for device, size in enumerate(held)]
    for (time, device), change in sorted(changes.items()):
        if change:
            held[device] += change
            events.append(_counter(device, time, held[device]))
    return events


def save_chrome_trace(
    path: str | Path, problem: Problem, decision: Decision, result: Result
) -> None:
    """Write the trace as JSON, whole or not at all."""
    atomic_write(path, json.dumps(chrome_trace(problem, decision, result)))


def _transfers(trace: Trace) -> list[tuple[int, int, int, int, int]]:
    columns = (
        trace.transfer_tensor,
        trace.transfer_source,
        trace.transfer_destination,
        trace.transfer_start,
        trace.transfer_finish,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _name(kind: str, process: int, thread: int, text: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": text}}


def _track(process: int, thread: int, title: str, order: int) -> list[dict[str, Any]]:
    place = {"ph": "M", "name": "thread_sort_index", "pid": process, "tid": thread}
    return [_name("thread_name", process, thread, title), {**place, "args": {"sort_index": order}}]


def _span(
    name: str, category: str, process: int, thread: int, start: int, finish: int, details: Any
) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": process,
        "tid": thread,
        "ts": start / 1000,
        "dur": (finish - start) / 1000,
        "args": details,
    }


def _counter(process: int, time: int, size: int) -> dict[str, Any]:
    return {"ph": "C", "name": "memory", "pid": process, "ts": time / 1000, "args": {"bytes": size}}
