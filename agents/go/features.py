"""What GO sees: rows of decision units, a row a device, and what a decision puts where."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from go_gym.baselines.bounds import heads_and_tails
from go_gym.graph import PHASES, ComputationGraph
from go_gym.graph.columns import SHAPE_DIMS
from go_gym.partitions import QuotientGraph
from go_gym.partitions.units import merged_units
from go_gym.problem import Problem

from ..common.step_view import StepView, idle_shares

WAVES = 4
"""Octaves of sines and cosines that a fraction in [0, 1] is spread over."""
NEAR = 32
"""Units before and after one that count as near it."""
SPREAD = 1 + 2 * WAVES
UNIT_FEATURES = 10 + SHAPE_DIMS + len(PHASES) + 5 * SPREAD + 1
DEVICE_FEATURES = 7 + SPREAD
AFFINITY_FEATURES = 8
STATE_FEATURES = 8


@dataclass(frozen=True)
class GraphInputs:
    """A problem as tensors; n ops in U units in R rows, e edges between rows, D devices.

    A row is a unit or, in a large graph, several that the network sees as one; they are decided
    apart all the same.

    Attributes:
        op_types: (n,) int64 hashed types, ops sorted by row.
        type_offsets: (R,) int64, where each row's ops begin.
        rows: (R, UNIT_FEATURES) float32.
        row_of_unit: (U,) int64.
        row_sizes: (R,) float32 units in each.
        devices: (D, DEVICE_FEATURES) float32.
        producers, consumers: (e,) int64 neighbours of each row, in CSR order.
        producer_lengths, consumer_lengths: (R,) int64.
    """

    op_types: torch.Tensor
    type_offsets: torch.Tensor
    rows: torch.Tensor
    row_of_unit: torch.Tensor
    row_sizes: torch.Tensor
    devices: torch.Tensor
    producers: torch.Tensor
    producer_lengths: torch.Tensor
    consumers: torch.Tensor
    consumer_lengths: torch.Tensor

    @property
    def num_units(self) -> int:
        """U."""
        return len(self.row_of_unit)

    @property
    def num_devices(self) -> int:
        """How many devices the cluster has."""
        return len(self.devices)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """(U, k) → (R, k): the mean over each row's units."""
        shape = (len(self.rows), values.shape[1])
        total = torch.zeros(shape, dtype=values.dtype, device=values.device)
        return total.index_add(0, self.row_of_unit, values) / self.row_sizes[:, None]


@dataclass(frozen=True)
class State:
    """The previous round's decision as the network sees it.

    Attributes:
        placement, priority, fusion: (U,) int64, or None where there is no such decision.
        units: (U, STATE_FEATURES) float32: one, share of bytes cut, its device's work
            against the busiest's, share of the critical chain as a logarithm; when it starts,
            how long it takes and its slack, in step times; how idle its device is then.
        rows: (R, STATE_FEATURES) float32, their means.
        affinity: (U, D, AFFINITY_FEATURES) float32.
    """

    placement: torch.Tensor | None
    priority: torch.Tensor | None
    fusion: torch.Tensor | None
    units: torch.Tensor
    rows: torch.Tensor
    affinity: torch.Tensor


def graph_inputs(
    problem: Problem, units: QuotientGraph, buckets: int, device: torch.device, most_rows: int
) -> GraphInputs:
    """The tensors of a problem, on ``device``, with at most ``most_rows`` rows."""
    rows, parts = merged_units(problem, units, most_rows)
    types = hashed_types(problem.graph, buckets)[rows.partition.order]
    by_target = np.lexsort((rows.source, rows.target))

    def long(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values.astype(np.int64), device=device)

    return GraphInputs(
        op_types=long(types),
        type_offsets=long(rows.partition.pointers[:-1]),
        rows=torch.as_tensor(unit_features(problem, rows), device=device),
        row_of_unit=long(parts.part_of),
        row_sizes=torch.as_tensor(parts.sizes.astype(np.float32), device=device),
        devices=torch.as_tensor(device_features(problem), device=device),
        producers=long(rows.source[by_target]),
        producer_lengths=long(np.bincount(rows.target, minlength=rows.count)),
        consumers=long(rows.target),
        consumer_lengths=long(np.bincount(rows.source, minlength=rows.count)),
    )


def hashed_types(graph: ComputationGraph, buckets: int) -> np.ndarray:
    """(n,) int64: each op's type as CRC-32 modulo ``buckets``, the same on every machine."""
    table = np.array([zlib.crc32(name.encode()) % buckets for name in graph.op_types])
    return table[graph.op_type]


def unit_features(problem: Problem, units: QuotientGraph) -> np.ndarray:
    """(U, UNIT_FEATURES) float32, all of the order of one.

    Sums over the unit's ops as logarithms; shape and layer of its longest op; degrees; and, as
    waves, its place in the topological order, depth, layer, and how much of the critical path
    lies before and after it. Places are our choice: they let a policy cut along a graph.
    """
    graph, of_op, count = problem.graph, units.part_of, units.count
    duration = problem.mean_durations
    longest = units.partition.longest(problem.mean_durations)
    head, tail = heads_and_tails(problem, duration.astype(np.int64))
    path = max(float((head + duration + tail).max()), 1.0)
    step = max(float(duration.sum()), 1.0)
    sent = np.bincount(units.source, units.size, count)
    received = np.bincount(units.target, units.size, count)
    slowness = np.mean([link.ns_per_byte for link in problem.cluster.links])
    sums = [
        np.bincount(of_op, column, count)
        for column in (graph.flops, graph.bytes_read + graph.bytes_written, graph.parameter_bytes)
    ]
    phases = [np.bincount(of_op, graph.phase == phase, count) for phase in range(len(PHASES))]
    members = np.bincount(of_op, minlength=count)
    tagged = graph.layer[longest]
    layer = np.where(tagged >= 0, tagged, 0) / max(len(graph.layers) - 1, 1)
    columns = [
        *(_log(column) for column in sums),
        _log(sent),
        _log(received),
        _log(units.work),
        np.log1p(units.work / step * 1000),
        np.log1p((sent + received) * slowness / step * 1000),
        _log(np.bincount(units.source, minlength=count)) * 4,
        _log(np.bincount(units.target, minlength=count)) * 4,
        *(_log(np.maximum(graph.shape[longest], 0)).T * 2),
        *(phase / members for phase in phases),
        *_waves(longest / max(graph.num_ops - 1, 1)),
        *_waves(graph.depth[longest] / max(int(graph.depth.max()), 1)),
        *_waves(layer),
        tagged >= 0,
        *_waves(head[longest] / path),
        *_waves(tail[longest] / path),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def device_features(problem: Problem) -> np.ndarray:
    """(D, DEVICE_FEATURES) float32: speed and memory against the cluster's best, links, number.

    The number, as waves, tells equal devices apart (our choice); how many there are is said too.
    """
    cluster, d = problem.cluster, problem.num_devices
    work = problem.durations.sum(axis=1, dtype=np.float64)[problem.device_class]
    capacity = cluster.memory_bytes.astype(np.float64)
    slowness = np.array([link.ns_per_byte for link in cluster.links])[cluster.link_of]
    latency = np.array([float(link.latency_ns) for link in cluster.links])[cluster.link_of]
    columns = [
        np.log(np.maximum(work, 1) / max(work.min(), 1)),
        capacity / capacity.max(),
        np.log1p(slowness.mean(axis=0)),
        np.log1p(slowness.mean(axis=1)),
        np.log1p(latency.mean(axis=1)) / 10,
        np.full(d, np.log2(d) / 3),
        np.full(d, problem.graph.parameter_bytes.sum() / capacity.sum()),
        *_waves(np.arange(d) / max(d - 1, 1)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def no_state(inputs: GraphInputs) -> State:
    """The state of the first round: nothing is decided yet."""
    u, d, where = inputs.num_units, inputs.num_devices, inputs.rows.device
    return State(
        None,
        None,
        None,
        torch.zeros(u, STATE_FEATURES, device=where),
        torch.zeros(len(inputs.rows), STATE_FEATURES, device=where),
        torch.zeros(u, d, AFFINITY_FEATURES, device=where),
    )


def state_of(
    problem: Problem,
    units: QuotientGraph,
    inputs: GraphInputs,
    choices: Mapping[str, np.ndarray],
    view: StepView | None = None,
) -> State:
    """The state after a round that decided ``choices``, or before one with a given placement.

    Affinity of unit u to device d: is it there; the share of its bytes that come from there, and
    go there; the device's work and parameter bytes against the mean; which share of the units just
    before and after it in the topological order, and of its layer, are there; and how idle the
    device is while u runs.

    Args:
        problem, units, inputs: as elsewhere.
        choices: (U,) int64 by name, "placement" among them.
        view: of the traced step, None where there is none.
    """
    view = view or StepView.unknown(units.count, problem.num_devices)
    placement = choices["placement"]
    d, count = problem.num_devices, units.count
    where = inputs.rows.device
    one_hot = np.eye(d, dtype=np.float32)[placement]
    total = np.bincount(units.source, units.size, count)
    total += np.bincount(units.target, units.size, count)
    total = np.maximum(total, 1.0)[:, None]
    coming = _bytes_by_device(units.target, placement[units.source], units.size, count, d) / total
    going = _bytes_by_device(units.source, placement[units.target], units.size, count, d) / total
    load = np.bincount(placement, units.work, d)
    load = load / max(load.mean(), 1.0)
    resident = np.bincount(units.part_of, problem.graph.parameter_bytes, count)
    held = np.bincount(placement, resident, d)
    held = held / max(held.mean(), 1.0)
    near = _moving_mean(one_hot, NEAR)
    layer = units.layers(problem) + 1
    alike = np.stack([np.bincount(layer, column) for column in one_hot.T], axis=1)
    alike = (alike / np.maximum(np.bincount(layer), 1)[:, None])[layer]
    flat = np.ones((count, 1))
    idle = idle_shares(view)
    affinity = np.stack(
        [one_hot, coming, going, flat * load, flat * held, near, alike, idle], axis=2
    )
    kept = (one_hot * (coming + going)).sum(axis=1)
    columns = np.stack(
        [
            np.ones(count),
            1 - kept,
            load[placement] / max(load.max(), 1e-9),
            np.log1p(view.share * count),
            view.start / view.step,
            (view.finish - view.start) / view.step,
            view.slack / view.step,
            idle[np.arange(count), placement],
        ],
        axis=1,
    )
    by_unit = torch.as_tensor(columns.astype(np.float32), device=where)

    def long(values: np.ndarray | None) -> torch.Tensor | None:
        return None if values is None else torch.as_tensor(values, device=where)

    return State(
        long(placement),
        long(choices.get("priority")),
        long(choices.get("fusion")),
        by_unit,
        inputs.mean(by_unit),
        torch.as_tensor(affinity.astype(np.float32), device=where),
    )


def _bytes_by_device(
    unit: np.ndarray, device: np.ndarray, size: np.ndarray, count: int, d: int
) -> np.ndarray:
    return np.bincount(unit * d + device, size, count * d).reshape(count, d)


def _moving_mean(rows: np.ndarray, reach: int) -> np.ndarray:
    """(U, D): the mean of the rows up to ``reach`` before and after each."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    low = np.maximum(np.arange(len(rows)) - reach, 0)
    high = np.minimum(np.arange(len(rows)) + reach + 1, len(rows))
    return (sums[high] - sums[low]) / (high - low)[:, None]


def _log(values: np.ndarray) -> np.ndarray:
    return np.log2(1.0 + values) / 16.0


def _waves(fraction: np.ndarray) -> list[np.ndarray]:
    """SPREAD columns: the fraction, and sines and cosines of 1, 2, 4, … half turns of it."""
    turns = [np.pi * fraction * 2**octave for octave in range(WAVES)]
    return [fraction, *(np.sin(turn) for turn in turns), *(np.cos(turn) for turn in turns)]
