"""A Problem: graph, cluster and task; and whether a decision fits it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np

from go_gym.cluster.cost import duration_table
from go_gym.cluster.model import Cluster
from go_gym.errors import DecisionError, ProblemError
from go_gym.graph import ComputationGraph
from go_gym.graph.frozen import ReadOnlyArrays
from go_gym.problem.decision import Decision, whole_column
from go_gym.problem.task import FUSING_TASKS, PLACED_TASKS, TASKS

MAX_TIME_NS = 2**61
"""Bound on all work and all transfers of a problem together, so that no sum overflows int64."""
MAX_MEMORY = 2**61
"""Likewise for bytes."""


@dataclass(frozen=True, eq=False)
class Problem(ReadOnlyArrays):
    """One instance: what is to be decided about the ops of ``graph`` on ``cluster``?

    Attributes:
        graph, cluster: what runs, and on what.
        task: ``"placement"`` (a device an op), ``"scheduling"`` (a priority an op), ``"fusion"``
            (a fusion level an op) or ``"joint"`` (all three).
        placement: (n,) int64 devices, given for the tasks scheduling and fusion, None for the
            others; :func:`go_gym.catalogue.problems.make_problem` supplies the human expert's.

    Raises:
        ProblemError: if the graph has durations for another number of devices, if its costs
            could overflow 64-bit nanoseconds or bytes, or if the placement is missing where the
            task needs one, there where it needs none, or not one of this graph and cluster.
    """

    graph: ComputationGraph
    cluster: Cluster
    task: str = "placement"
    placement: np.ndarray | Sequence[int] | None = None

    def __post_init__(self) -> None:
        for value, kind in ((self.graph, ComputationGraph), (self.cluster, Cluster)):
            if not isinstance(value, kind):
                raise ProblemError(f"{value!r}: expected a {kind.__name__}")
        if not isinstance(self.task, str) or self.task not in TASKS:
            raise ProblemError(f"task {self.task!r}: expected one of {', '.join(TASKS)}")
        self._check_placement()
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

    def _check_placement(self) -> None:
        given = self.placement
        if (given is not None) != (self.task in PLACED_TASKS):
            verb = "needs" if given is None else "takes no"
            raise ProblemError(f"task {self.task!r} {verb} given placement")
        if given is None:
            return
        try:
            column = whole_column("placement", given)
            _check_devices(self, column)
        except DecisionError as error:
            raise ProblemError(f"given {error}") from None
        object.__setattr__(self, "placement", column)

    def __repr__(self) -> str:
        task = "" if self.task == "placement" else f", {self.task}"
        return f"Problem({self.graph.name!r} on {self.cluster.name!r}{task})"

    @property
    def num_ops(self) -> int:
        """n, the graph's."""
        return self.graph.num_ops

    @property
    def num_devices(self) -> int:
        """d, the cluster's."""
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
        times: np.ndarray = self.durations[self.device_class[device]]
        return times

    @cached_property
    def mean_durations(self) -> np.ndarray:
        """(n,) float64 ns: what each op takes, the mean over the devices."""
        weight = np.bincount(self.device_class, minlength=len(self.durations))
        mean: np.ndarray = weight @ self.durations / self.num_devices
        mean.setflags(write=False)
        return mean

    @cached_property
    def mean_delays(self) -> np.ndarray:
        """(t,) float64 ns: what moving each tensor takes, the mean over all pairs of devices."""
        cluster, d = self.cluster, self.num_devices
        if d == 1:
            delays = np.zeros(self.graph.num_tensors)
        else:
            pairs = cluster.link_of[~np.eye(d, dtype=bool)]
            weight = np.bincount(pairs, minlength=len(cluster.links)) / len(pairs)
            latency = fsum(weight * np.array([link.latency_ns for link in cluster.links]))
            slowness = fsum(weight * np.array([link.ns_per_byte for link in cluster.links]))
            delays = latency + self.graph.tensor_bytes * slowness
        delays.setflags(write=False)
        return delays

    @cached_property
    def one_device_ns(self) -> int:
        """What all ops take on the fastest device, whatever its memory; at least 1."""
        return max(int(self.durations.sum(axis=1).min()), 1)

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


def check_decision(problem: Problem, decision: Decision) -> None:
    """Raise DecisionError, naming the op, unless ``decision`` fits the problem.

    It must have the problem's shape and range, keep the placement that the problem gives, and
    fuse only where the task decides fusion. Priorities may come with every task.
    """
    if not isinstance(decision, Decision):
        raise DecisionError(f"expected a Decision, got {type(decision).__name__}")
    for label in ("placement", "priority", "fusion", "order"):
        column = getattr(decision, label)
        if column is not None and len(column) != problem.num_ops:
            raise DecisionError(f"{label}: {len(column)} entries for {problem.num_ops} ops")
    placement = np.asarray(decision.placement)
    _check_devices(problem, placement)
    given = problem.placement
    if given is not None and given is not placement and not np.array_equal(given, placement):
        op = int(np.argmax(given != placement))
        raise DecisionError(
            f"placement[{op}]: op {problem.graph.op_names[op]!r} on device {placement[op]}, but "
            f"task {problem.task!r} gives device {given[op]}"
        )
    if decision.fusion is not None and problem.task not in FUSING_TASKS:
        raise DecisionError(
            f"fusion: task {problem.task!r} decides none; expected None, or a problem of task "
            f"{' or '.join(map(repr, FUSING_TASKS))}"
        )


def _check_devices(problem: Problem, placement: np.ndarray) -> None:
    n, devices = problem.graph.num_ops, problem.cluster.num_devices
    if len(placement) != n:
        raise DecisionError(f"placement: {len(placement)} entries for {n} ops")
    if placement.min() < 0 or placement.max() >= devices:
        op = int(np.argmax((placement < 0) | (placement >= devices)))
        raise DecisionError(
            f"placement[{op}]: op {problem.graph.op_names[op]!r} on device {placement[op]}, "
            f"expected 0 to {devices - 1}"
        )
