"""The cost model: how long an op takes on a device."""

import numpy as np

from go_gym.cluster.model import Cluster, Device
from go_gym.errors import ProblemError
from go_gym.graph import ComputationGraph
from go_gym.graph.columns import ANY_DEVICE, BY_POSITION


def roofline_ns(graph: ComputationGraph, device: Device) -> np.ndarray:
    """(n,) int64 ns: launch overhead + max(FLOPs / peak, bytes / bandwidth), rounded up.

    Ops that cost nothing (views, getitems, parameters) take no time and no launch. The roofline
    of Williams, Waterman and Patterson (CACM 2009); GO uses an analytical roofline for its
    scheduling and fusion tasks.
    """
    arithmetic = graph.flops / device.rates()[graph.dtype]
    memory = (graph.bytes_read + graph.bytes_written) / float(device.memory_bandwidth)
    seconds = np.maximum(arithmetic, memory)
    if seconds.max(initial=0.0) > 1e6:
        op = graph.op_names[int(seconds.argmax())]
        raise ProblemError(f"op {op!r} would take {seconds.max():.3g} s on {device.name!r}")
    times: np.ndarray = device.launch_overhead_ns + np.ceil(seconds * 1e9).astype(np.int64)
    times[graph.is_free] = 0
    return times


def duration_table(graph: ComputationGraph, cluster: Cluster) -> tuple[np.ndarray, np.ndarray]:
    """What every op costs everywhere.

    Returns:
        durations: (classes, n) int64 ns, a row for each class of devices that cost the same.
        device_class: (d,) int64, the row of each device.

    Raises:
        ProblemError: if the graph has durations for another number of devices.
    """
    kinds = graph.duration_kinds
    by_position = bool(kinds) and kinds[0].startswith(BY_POSITION)
    if by_position and len(kinds) != cluster.num_devices:
        raise ProblemError(
            f"graph {graph.name!r} has durations for {len(kinds)} devices, cluster "
            f"{cluster.name!r} has {cluster.num_devices}"
        )
    rows: dict[object, int] = {}
    table: list[np.ndarray] = []
    device_class = np.empty(cluster.num_devices, dtype=np.int64)
    for number, device in enumerate(cluster.devices):
        column = next(
            (
                kinds.index(kind)
                for kind in (f"{BY_POSITION}{number}", device.kind, ANY_DEVICE)
                if kind in kinds
            ),
            None,
        )
        speed = (*device.rates(), device.memory_bandwidth, device.launch_overhead_ns)
        key = (column, speed)
        if key not in rows:
            rows[key] = len(table)
            table.append(_durations(graph, device, column))
        device_class[number] = rows[key]
    return np.stack(table), device_class


def _durations(graph: ComputationGraph, device: Device, column: int | None) -> np.ndarray:
    if column is None:
        return roofline_ns(graph, device)
    measured = graph.durations[:, column]
    if (measured >= 0).all():
        return measured.copy()
    return np.where(measured >= 0, measured, roofline_ns(graph, device))
