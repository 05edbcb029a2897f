"""Traces in Chrome's event format, to look at in ui.perfetto.dev or chrome://tracing."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.errors import GoGymError
from go_gym.files import atomic_write
from go_gym.graph.model import PHASES, Alias
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

COMPUTE, SEND, RECEIVE = 0, 1, 2  # thread numbers of a device's tracks


def chrome_trace(problem: Problem, decision: Decision, result: Result) -> dict[str, Any]:
    """The trace of a result that was simulated with ``trace=True``; times in µs.

    A process a device; tracks for its ops, the transfers that it sends and those that it
    receives, and a counter of the bytes of copies received and of its own outputs being made.
    """
    if result.trace is None:
        raise GoGymError("a trace needs simulate(…, trace=True)")
    graph, cluster, trace = problem.graph, problem.cluster, result.trace
    placement = np.asarray(decision.placement).tolist()
    events: list[dict[str, Any]] = []
    for number, device in enumerate(cluster.devices):
        events.append(_name("process_name", number, 0, f"{number} {device.name}"))
        for thread, label in ((COMPUTE, "compute"), (SEND, "send"), (RECEIVE, "receive")):
            events.append(_name("thread_name", number, thread, label))
    starts, finishes = trace.op_start.tolist(), trace.op_finish.tolist()
    for op, (start, finish) in enumerate(zip(starts, finishes, strict=True)):
        if finish > start:
            layer = graph.layer[op]
            details = {
                "op": op,
                "type": graph.op_types[graph.op_type[op]],
                "layer": graph.layers[layer] if layer >= 0 else "",
                "flops": int(graph.flops[op]),
            }
            category = PHASES[graph.phase[op]]
            events.append(
                _span(graph.op_names[op], category, placement[op], COMPUTE, start, finish, details)
            )
    for tensor, source, destination, start, finish in _transfers(result):
        producer = graph.op_names[graph.tensor_producer[tensor]]
        details = {"tensor": tensor, "bytes": int(graph.tensor_bytes[tensor])}
        for process, thread, label in (
            (source, SEND, f"{producer} → {destination}"),
            (destination, RECEIVE, f"{producer} ← {source}"),
        ):
            events.append(_span(label, "transfer", process, thread, start, finish, details))
    events += memory_counters(problem, decision, result)
    return {"displayTimeUnit": "ms", "traceEvents": events}


def memory_counters(problem: Problem, decision: Decision, result: Result) -> list[dict[str, Any]]:
    """Counter events of the bytes that each device holds, parameters included.

    An output counts from its op's start to the finish of its last consumer or transfer there, a
    copy from its transfer's start to the finish of its last consumer there; views count nothing.
    """
    graph, trace = problem.graph, result.trace
    assert trace is not None
    placement = np.asarray(decision.placement)
    held_until: dict[tuple[int, int], int] = {}
    for tensor, consumer in zip(
        graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True
    ):
        key = (tensor, int(placement[consumer]))
        held_until[key] = max(held_until.get(key, 0), int(trace.op_finish[consumer]))
    begins: dict[tuple[int, int], int] = {}
    producer = graph.tensor_producer
    for tensor in range(graph.num_tensors):
        home = (tensor, int(placement[producer[tensor]]))
        begins[home] = int(trace.op_start[producer[tensor]])
        held_until.setdefault(home, int(trace.op_finish[producer[tensor]]))
    for tensor, source, destination, start, finish in _transfers(result):
        begins[tensor, destination] = start
        held_until[tensor, source] = max(held_until[tensor, source], finish)
    alias = graph.tensor_alias.tolist()
    for tensor in range(graph.num_tensors - 1, -1, -1):  # a view keeps what it views
        home = int(placement[producer[tensor]])
        if alias[tensor] >= 0:
            base = (alias[tensor], home)
            held_until[base] = max(held_until[base], held_until[tensor, home])
    changes: list[tuple[int, int, int]] = []  # (time, device, bytes)
    for (tensor, device), start in begins.items():
        local = device == placement[producer[tensor]]
        size = 0 if local and alias[tensor] != Alias.OWN else int(graph.tensor_bytes[tensor])
        if size:
            changes += [(start, device, size), (held_until[tensor, device], device, -size)]
    held = [0] * problem.num_devices
    for op in np.flatnonzero(graph.parameter_bytes).tolist():
        held[int(placement[op])] += int(graph.parameter_bytes[op])
    events = [_counter(device, 0, size) for device, size in enumerate(held)]
    for time, device, size in sorted(changes):
        held[device] += size
        events.append(_counter(device, time, held[device]))
    return events


def save_chrome_trace(
    path: str | Path, problem: Problem, decision: Decision, result: Result
) -> None:
    """Write the trace as JSON, whole or not at all."""
    atomic_write(path, json.dumps(chrome_trace(problem, decision, result)))


def _transfers(result: Result) -> list[tuple[int, int, int, int, int]]:
    trace = result.trace
    assert trace is not None
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
