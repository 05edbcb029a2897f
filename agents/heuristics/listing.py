"""What the list schedulers share: ranks, orders, and the call of the jitted loop."""

import heapq
from dataclasses import dataclass

import numpy as np

from go_gym.graph.topology import upward_ranks
from go_gym.partitions import Partition, colocation_partition
from go_gym.problem import Problem

from .arrays import cost_arrays, graph_arrays
from .kernels import Case, list_schedule, new_plan, ports_of


@dataclass(frozen=True, eq=False)
class EstimatedSchedule:
    """What a list scheduler planned: its own belief, not the simulator's word.

    Attributes:
        placement: (n,) int64 devices.
        start, finish: (n,) int64 ns.
    """

    placement: np.ndarray
    start: np.ndarray
    finish: np.ndarray

    @property
    def makespan_ns(self) -> int:
        """When the last op ends."""
        return int(self.finish.max())


def mean_upward_ranks(problem: Problem) -> np.ndarray:
    """(n,) float64 ns: HEFT's upward rank (Topcuoglu et al. 2002, equation 4)."""
    return upward_ranks(problem.graph, problem.mean_durations, problem.mean_delays)


def mean_downward_ranks(problem: Problem) -> np.ndarray:
    """(n,) float64 ns: HEFT's downward rank (equation 6), the longest path up to each op."""
    graph = problem.graph
    durations, delays = problem.mean_durations.tolist(), problem.mean_delays.tolist()
    rank = [0.0] * graph.num_ops
    producers = graph.use_producer[graph.op_uses].tolist()
    tensors = graph.use_tensor[graph.op_uses].tolist()
    pointers = graph.op_use_ptr.tolist()
    for op in range(graph.num_ops):
        for i in range(pointers[op], pointers[op + 1]):
            length = rank[producers[i]] + durations[producers[i]] + delays[tensors[i]]
            rank[op] = max(rank[op], length)
    return np.array(rank)


def by_rank(rank: np.ndarray) -> np.ndarray:
    """(n,) int64: ops by falling upward rank, ties in topological order."""
    return np.argsort(-rank, kind="stable")


def by_ready_priority(problem: Problem, priority: np.ndarray) -> np.ndarray:
    """(n,) int64: always the listable op of highest priority, then lowest number."""
    graph = problem.graph
    missing = np.diff(graph.op_use_ptr).tolist()
    level = (-priority).tolist()
    consumers = graph.use_consumer.tolist()
    first = graph.tensor_use_ptr[graph.op_tensor_ptr].tolist()
    ready = [(level[op], op) for op in range(graph.num_ops) if missing[op] == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        op = heapq.heappop(ready)[1]
        order.append(op)
        for consumer in consumers[first[op] : first[op + 1]]:
            missing[consumer] -= 1
            if missing[consumer] == 0:
                heapq.heappush(ready, (level[consumer], consumer))
    return np.array(order, dtype=np.int64)


def schedule_in_order(
    problem: Problem,
    order: np.ndarray,
    *,
    contention: str = "none",
    toll: float = 0.0,
    given: np.ndarray | None = None,
    units: Partition | None = None,
) -> EstimatedSchedule:
    """Place ops in ``order`` (n,), each where it finishes first; see ``kernels.list_schedule``.

    Args:
        problem: graph and cluster.
        order: a topological order.
        contention: what a transfer is believed to occupy, one of ``CONTENTION_MODELS``.
        toll: weight of the port time that a choice takes.
        given: (units,) int64 devices decided beforehand, -1 for open.
        units: what shares a device; default :func:`colocation_partition`.
    """
    units = units or colocation_partition(problem)
    case = Case(
        units.part_of,
        graph_arrays(problem),
        cost_arrays(problem),
        ports_of(contention, problem.num_devices),
    )
    open_units = np.full(units.count, -1, dtype=np.int64) if given is None else given
    plan = new_plan(case, open_units)
    list_schedule(case, plan, order, float(toll))
    return EstimatedSchedule(np.maximum(plan.device_of, 0)[units.part_of], plan.start, plan.finish)
