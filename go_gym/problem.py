"""A Problem (graph, cluster) and a Decision about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from go_gym.cluster.cost import duration_table
from go_gym.cluster.model import Cluster
from go_gym.errors import DecisionError, ProblemError
from go_gym.graph.model import ComputationGraph

TASKS = ("placement",)
MAX_TIME_NS = 2**61
"""Bound on all work and all transfers of a problem together, so that no sum overflows int64."""
MAX_MEMORY = 2**61
"""Likewise for bytes."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One instance: which device should run which op of ``graph`` on ``cluster``?

    Raises:
        ProblemError: if the graph has durations for another number of devices, or if its costs
            could overflow 64-bit nanoseconds or bytes.
    """

    graph: ComputationGraph
    cluster: Cluster
    task: str = "placement"

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ProblemError(f"task {self.task!r}: expected one of {', '.join(TASKS)}")
        graph, cluster = self.graph, self.cluster
        slowest = max(link.ns_per_byte for link in cluster.links)
        latency = max(link.latency_ns for link in cluster.links)
        size = graph.tensor_bytes.astype(np.float64)
        copies = np.minimum(np.diff(graph.tensor_use_ptr), cluster.num_devices - 1)
        time = self.durations.max(axis=0).astype(np.float64).sum()
        time += ((size * slowest + latency) * copies).sum()
        memory = (size * (1 + copies)).sum() + graph.parameter_bytes.astype(np.float64).sum()
        if time > MAX_TIME_NS or memory > MAX_MEMORY:
            raise ProblemError(
                f"graph {graph.name!r} on {cluster.name!r}: up to {time:.3g} ns and "
                f"{memory:.3g} bytes, more than 64-bit sums can hold"
            )

    def __repr__(self) -> str:
        return f"Problem({self.graph.name!r} on {self.cluster.name!r})"

    @property
    def num_ops(self) -> int:
        return self.graph.num_ops

    @property
    def num_devices(self) -> int:
        return self.cluster.num_devices

    @cached_property
    def _durations(self) -> tuple[np.ndarray, np.ndarray]:
        table, device_class = duration_table(self.graph, self.cluster)
        table.setflags(write=False)
        device_class.setflags(write=False)
        return table, device_class

    @property
    def durations(self) -> np.ndarray:
        """(classes, n) int64 ns: what each op takes on each class of equal devices."""
        return self._durations[0]

    @property
    def device_class(self) -> np.ndarray:
        """(d,) int64: the row of ``durations`` of each device."""
        return self._durations[1]

    def durations_on(self, device: int) -> np.ndarray:
        """(n,) int64 ns: what each op takes on ``device``."""
        return self.durations[self.device_class[device]]

    @cached_property
    def colocation_leader(self) -> np.ndarray:
        """(n,) int64: the first op of each op's co-location group; itself where it has none."""
        groups = self.graph.colocation
        leader = np.arange(len(groups), dtype=np.int64)
        member = groups >= 0
        _, first, inverse = np.unique(groups[member], return_index=True, return_inverse=True)
        leader[member] = np.flatnonzero(member)[first][inverse.reshape(-1)]
        leader.setflags(write=False)
        return leader


@dataclass(frozen=True, eq=False)
class Decision:
    """What an agent decides, per stored op of the graph.

    Attributes:
        placement: (n,) device numbers.
        priority: (n,) whole numbers above -2⁶³, the highest ready op runs first; None for FIFO.

    Raises:
        DecisionError: for a column that is not one of whole numbers.
    """

    placement: np.ndarray | Sequence[int]
    priority: np.ndarray | Sequence[int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "placement", _whole_column("placement", self.placement))
        if self.priority is not None:
            priority = _whole_column("priority", self.priority)
            if (
                priority.min() == np.iinfo(np.int64).min
            ):  # its negative, which orders a heap, is none
                place = int(priority.argmin())
                raise DecisionError(f"priority[{place}]: {priority[place]}, expected above -2^63")
            object.__setattr__(self, "priority", priority)


def check_decision(problem: Problem, decision: Decision) -> None:
    """Raise DecisionError, naming the op, unless ``decision`` has the problem's shape and range."""
    if not isinstance(decision, Decision):
        raise DecisionError(f"expected a Decision, got {type(decision).__name__}")
    n, devices = problem.num_ops, problem.num_devices
    for label in ("placement", "priority"):
        column = getattr(decision, label)
        if column is not None and len(column) != n:
            raise DecisionError(f"{label}: {len(column)} entries for {n} ops")
    placement = np.asarray(decision.placement)
    if placement.min() < 0 or placement.max() >= devices:
        op = int(np.argmax((placement < 0) | (placement >= devices)))
        raise DecisionError(
            f"placement[{op}]: op {problem.graph.op_names[op]!r} on device {placement[op]}, "
            f"expected 0 to {devices - 1}"
        )


def _whole_column(label: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise DecisionError(f"{label}: not an array of whole numbers: {error}") from None
    if array.ndim != 1 or array.size == 0:
        raise DecisionError(f"{label}: shape {array.shape}, expected (ops,)")
    if array.dtype.kind not in "iu" or array.dtype == np.uint64:
        raise DecisionError(f"{label}: dtype {array.dtype}, expected whole numbers (int64)")
    if array.dtype == np.int64 and not array.flags.writeable and array.base is None:
        return array
    column = array.astype(np.int64)
    column.setflags(write=False)
    return column
