"""A graph and a cluster with the figures of this machine, for the simulator to use."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from go_gym.cluster import Cluster, Device
from go_gym.cluster.model import DEFAULT_DTYPE
from go_gym.graph import ComputationGraph
from go_gym.hardware.process.session import Session


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was measured.

    Attributes:
        graph: the graph with measured durations by device kind.
        cluster: the cluster with measured rates, latencies and bandwidths.
        machine: what it was measured on.
        load: the machine's load average then.
    """

    graph: ComputationGraph
    cluster: Cluster
    machine: Mapping[str, str]
    load: float


def calibrate(session: Session, cluster: Cluster, steps: int = 10) -> Calibration:
    """Profile the session's graph, and the transfers between the devices of ``cluster``.

    Devices of one kind are one kind afterwards as well: an op's duration is the mean of theirs.

    Args:
        session: has the graph.
        cluster: devices of this machine; its name and its contention model are kept.
        steps: how many steps are profiled on each device.

    Raises:
        HardwareError: if the graph cannot be run here.
    """
    found = session.profile(cluster, steps)
    raw = np.array(found["durations"], dtype=np.int64)
    kinds = list(dict.fromkeys(device.kind for device in cluster.devices))
    columns = []
    for kind in kinds:
        of_kind = [device.kind == kind for device in cluster.devices]
        columns.append(np.rint(raw[of_kind].mean(axis=0)).astype(np.int64))
    table = np.stack([charge_views(session.graph, column) for column in columns], axis=1)
    graph = replace(session.graph, durations=table, duration_kinds=tuple(kinds))
    machine = dict(found["machine"])
    return Calibration(graph, _cluster(cluster, found, machine), machine, float(found["load"]))


def charge_views(graph: ComputationGraph, durations: np.ndarray) -> np.ndarray:
    """(n,) int64 ns: what ops that cost nothing took is charged to those that they follow.

    A view takes its microsecond of calling on a CPU; in a graph it is free and stays with its
    input. So the op that made its input pays, or, for views of parameters, the first op that
    reads it.
    """
    charged, free = durations.astype(np.int64).copy(), graph.is_free
    source = np.full(graph.num_ops, -1, dtype=np.int64)
    source[graph.use_consumer[::-1]] = graph.use_producer[::-1]
    reader = np.full(graph.num_ops, -1, dtype=np.int64)
    reader[graph.use_producer[::-1]] = graph.use_consumer[::-1]
    payer = np.where(free, -1, np.arange(graph.num_ops))
    for op in np.flatnonzero(free).tolist():
        if source[op] >= 0:
            payer[op] = payer[source[op]]
    for op in np.flatnonzero(free)[::-1].tolist():
        if payer[op] < 0 and reader[op] >= 0:
            payer[op] = payer[reader[op]]
    for op in np.flatnonzero(free & (payer >= 0)).tolist():
        charged[payer[op]] += charged[op]
    charged[free] = 0
    return charged


def _cluster(cluster: Cluster, found: Mapping[str, Any], machine: Mapping[str, str]) -> Cluster:
    devices = []
    for device, rates in zip(cluster.devices, _by_kind(cluster, found["rates"]), strict=True):
        devices.append(
            Device(
                name=device.name,
                kind=device.kind,
                peak_flops={DEFAULT_DTYPE: _figures(rates["peak_flops"])},
                memory_bandwidth=_figures(rates["memory_bandwidth"]),
                memory_bytes=device.memory_bytes,
                launch_overhead_ns=round(rates["launch_overhead_ns"]),
            )
        )
    count = cluster.num_devices
    bandwidth, latency = np.ones((count, count)), np.zeros((count, count), dtype=np.int64)
    for link in found["transfers"]:
        for a, b in ((link["a"], link["b"]), (link["b"], link["a"])):
            bandwidth[a, b], latency[a, b] = _figures(link["bandwidth"]), link["latency_ns"]
    made = Cluster.from_matrix(cluster.name, devices, bandwidth, latency, cluster.contention)
    words = ", ".join(f"{key} {value}" for key, value in machine.items())
    sources = {"what": "Measured by go-gym calibrate", "machine": words}
    return replace(made, version=cluster.version, sources=sources)


def _by_kind(cluster: Cluster, rates: list[dict[str, float]]) -> list[dict[str, float]]:
    """The mean of the devices of each one's kind, so that equal devices stay equal."""
    means = {}
    for kind in {device.kind for device in cluster.devices}:
        each = [r for r, d in zip(rates, cluster.devices, strict=True) if d.kind == kind]
        means[kind] = {key: float(np.mean([rate[key] for rate in each])) for key in each[0]}
    return [means[device.kind] for device in cluster.devices]


def _figures(number: float) -> float:
    """Three significant figures: no measurement has more."""
    return float(f"{number:.3g}")
