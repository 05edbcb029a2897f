"""A row's plan as its page shows it: a timeline and a map of layers, both thinned."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from go_gym.graph import PHASES
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board
from go_gym.problem import Decision, Problem
from go_gym.render.gantt import COLOURS
from go_gym.render.kernels import Shown, shown
from go_gym.render.placement_map import device_colours, layer_rows
from go_gym.simulator import Result, simulate
from go_gym.site.scripts import file_name

MOST_SPANS = 1000
"""Spans of ops in a plan's timeline."""
MOST_TRANSFERS = 400
"""Spans of outgoing transfers, likewise."""
NAMED = 300
"""Up to this many ops that take time, each has its own span and its name."""
WIDEST_GAP = 64
"""The longest idle stretch that a span may hold is the step over this, where ops must be drawn
together; beyond, ops of different layers are."""
PARTS = 1_000_000
"""Times are whole parts of the step, this many of a long one: far below what a screen shows."""
COLUMNS = 160
"""Stretches of the topological order in the map of layers."""


def plan_data(board: Board, row: Row) -> dict[str, Any]:
    """A row's plan, simulated by the simulator that is installed.

    Raises:
        GoGymError: if the decision is missing or not about the row's problem.
    """
    problem, decision = board.problem(row), board.decision(row)
    result = simulate(problem, decision, trace=True)
    what = shown(problem, decision, result)
    layer, labels = layer_rows(what.problem)
    unit = max(1, result.step_time_ns // PARTS)
    ops, named = _op_spans(what, layer, unit)
    return {
        "agent": row.agent_name,
        "task": row.task,
        "graph": row.graph,
        "cluster": row.cluster,
        "priorities": row.priorities,
        "seed": row.seed,
        "commands": _commands(board, row),
        "row_ms": row.step_time_ns / 1e6,
        "row_simulator": row.simulator_version,
        "ms": result.step_time_ns / 1e6,
        "reason": result.reason,
        "unit": unit,
        "ops": what.problem.num_ops,
        "fused": what.plan is not None,
        "devices": _devices(problem, what.decision, result),
        "device_colours": [to_hex(colour) for colour in device_colours(problem.num_devices)],
        "phases": list(PHASES),
        "colours": COLOURS,
        "layers": labels,
        "spans": ops,
        "names": named,
        "transfers": _transfer_spans(what, unit),
        "map": _layer_map(what, layer, len(labels)),
    }


def _commands(board: Board, row: Row) -> list[str]:
    """The commands that make the whole trace, op by op."""
    named = ("--graph", row.graph, "--cluster", row.cluster)
    file = f"{file_name(f'{row.graph}-{row.cluster}-{row.agent_name}-{row.seed}')}.npz"
    which = ("--task", row.task, "--priorities", row.priorities, "--seed", str(row.seed))
    export = ("export", str(board.folder), "--agent", row.agent_name, *named, *which)
    whole = ((*export, "--out", file), ("trace", *named, "--decision", file))
    return [shlex.join(("go-gym", *words)) for words in whole]


def _devices(problem: Problem, decision: Decision, result: Result) -> list[list[Any]]:
    """By device: name, share of the step that it computes, peak memory and capacity in GB, ops."""
    busy = result.busy_ns / max(result.step_time_ns, 1)
    ops = np.bincount(np.asarray(decision.placement), minlength=problem.num_devices)
    return [
        [
            f"{number} {device.name}",
            round(float(busy[number]), 4),
            round(float(result.peak_memory[number]) / 1e9, 4),
            round(device.memory_bytes / 1e9, 4),
            int(ops[number]),
        ]
        for number, device in enumerate(problem.cluster.devices)
    ]


def _op_spans(what: Shown, layer: np.ndarray, unit: int) -> tuple[list[list[int]], list[str]]:
    """Spans of ops, ``[device, start, length, phase, layer, ops, busy]`` in units of ``unit``
    ns, and their names where each is an op."""
    trace, graph = what.trace, what.problem.graph
    ops = np.flatnonzero(trace.op_finish > trace.op_start)
    device = np.asarray(what.decision.placement)[ops]
    order = np.lexsort((trace.op_start[ops], device))
    ops, device = ops[order], device[order]
    start, finish = trace.op_start[ops], trace.op_finish[ops]
    phase = graph.phase[ops].astype(np.int64)
    if len(ops) <= NAMED:
        heads, names = np.arange(len(ops)), [what.name(op) for op in ops.tolist()]
    else:
        kind = phase * (int(layer.max(initial=0)) + 1) + layer[ops]
        heads, names = joined(device, start, finish, kind, MOST_SPANS), []
    spans = _spans(heads, start, finish, unit)
    told = (device[heads], spans[0], spans[1], phase[heads], layer[ops][heads], *spans[2:])
    return np.stack(told, axis=1).tolist(), names


def _transfer_spans(what: Shown, unit: int) -> list[list[int]]:
    """Spans of outgoing transfers: ``[device, start, length, transfers, busy]`` in
    units of ``unit`` ns."""
    trace = what.trace
    order = np.lexsort((trace.transfer_start, trace.transfer_source))
    device = trace.transfer_source[order]
    start, finish = trace.transfer_start[order], trace.transfer_finish[order]
    kind = trace.transfer_destination[order]
    heads = joined(device, start, finish, kind, MOST_TRANSFERS)
    spans = _spans(heads, start, finish, unit)
    return np.stack((device[heads], *spans), axis=1).tolist()


def joined(
    device: np.ndarray, start: np.ndarray, finish: np.ndarray, kind: np.ndarray, most: int
) -> np.ndarray:
    """(k,) int64: where spans begin if neighbours are drawn together until ``most`` are left.

    Neighbours on a device are joined across idle stretches that are as short as can be, first only
    those of the same kind; more than ``most`` are left where devices are more than that.

    Args:
        device, start, finish, kind: (n,) in order of device, then start.
        most: spans.
    """
    if not len(start):
        return np.zeros(0, dtype=np.int64)
    end = int(finish.max())
    near = device[1:] == device[:-1]
    idle = np.maximum(start[1:] - finish[:-1], 0)
    alike = kind[1:] == kind[:-1]
    gaps = [-1, 0, *(end >> shift for shift in range(16, WIDEST_GAP.bit_length() - 2, -1))]
    heads = np.arange(len(start))
    for same in (alike, np.ones_like(alike)):
        for gap in gaps:
            together = near & same & (idle <= gap)
            heads = np.flatnonzero(np.concatenate([[True], ~together]))
            if len(heads) <= most:
                return heads
    return np.flatnonzero(np.concatenate([[True], ~near]))


def _spans(
    heads: np.ndarray, start: np.ndarray, finish: np.ndarray, unit: int
) -> tuple[np.ndarray, ...]:
    """Start, length, number and busy time of the spans that begin at ``heads``."""
    if not len(heads):
        return (np.zeros(0, dtype=np.int64),) * 4
    first = start[heads] // unit
    length = np.maximum.reduceat(finish, heads) // unit - first
    count = np.diff(np.append(heads, len(start)))
    busy = np.minimum(np.add.reduceat(finish - start, heads) // unit, length)
    return first, length, count, busy


def _layer_map(what: Shown, layer: np.ndarray, rows: int) -> list[list[int]]:
    """Spots of the map: ``[column, row, device, per cent]``, the device with most of its work."""
    problem = what.problem
    device = np.asarray(what.decision.placement)
    work = problem.durations[problem.device_class[device], np.arange(problem.num_ops)] + 1
    columns = min(COLUMNS, problem.num_ops)
    column = np.arange(problem.num_ops) * columns // problem.num_ops
    spot = layer * columns + column
    share = np.zeros((problem.num_devices, rows * columns))
    np.add.at(share, (device, spot), work)
    whole = share.sum(axis=0)
    there = np.flatnonzero(whole)
    most = share[:, there].argmax(axis=0)
    per_cent = np.rint(100 * share[most, there] / whole[there]).astype(np.int64)
    return np.stack((there % columns, there // columns, most, per_cent), axis=1).tolist()


def worth_showing(
    here: Mapping[str, Sequence[Row]], reference: str, most: int | None
) -> dict[str, Row]:
    """Whose plans are shown of the agents of one cell, each with its fastest valid seed.

    Args:
        here: each agent's rows.
        reference: an agent that is always among them where it has a valid row.
        most: how many others at most, the fastest; None for all, 0 for no plan at all.
    """
    valid = {
        agent: min(rows, key=lambda row: (row.step_time_ns, row.seed))
        for agent, every in here.items()
        if (rows := [row for row in every if row.valid])
    }
    ordered = sorted(valid, key=lambda agent: (valid[agent].step_time_ns, agent))
    others = [agent for agent in ordered if agent != reference][:most]
    kept = set() if most == 0 else {*others, reference}
    return {agent: valid[agent] for agent in ordered if agent in kept}
