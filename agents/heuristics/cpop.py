"""CPOP: the critical path on one processor (Topcuoglu, Hariri and Wu 2002)."""

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.partitions import colocation_partition
from go_gym.problem import Decision, Problem

from .listing import (
    EstimatedSchedule,
    by_ready_priority,
    mean_downward_ranks,
    mean_upward_ranks,
    schedule_in_order,
)


def critical_path_ops(problem: Problem, upward: np.ndarray) -> list[int]:
    """Ops of a longest path, from an op of highest upward rank (n,) along what made its rank."""
    graph = problem.graph
    delays = problem.mean_delays
    op = int(np.argmax(upward))
    path = [op]
    while True:
        low, high = graph.tensor_use_ptr[graph.op_tensor_ptr[op : op + 2]]
        if low == high:
            return path
        consumers = graph.use_consumer[low:high]
        op = int(consumers[np.argmax(delays[graph.use_tensor[low:high]] + upward[consumers])])
        path.append(op)


def cpop_schedule(problem: Problem) -> EstimatedSchedule:
    """The schedule of section 4.3 of the paper.

    Ready ops by upward + downward rank; those of the critical path on the device that runs them
    all fastest, others where they finish first, inserted; no contention.
    """
    upward = mean_upward_ranks(problem)
    path = critical_path_ops(problem, upward)
    totals = problem.durations[:, path].sum(axis=1)[problem.device_class]
    units = colocation_partition(problem)
    given = np.full(units.count, -1, dtype=np.int64)
    given[units.part_of[path]] = int(np.argmin(totals))
    order = by_ready_priority(problem, upward + mean_downward_ranks(problem))
    return schedule_in_order(problem, order, given=given, units=units)


class Cpop:
    """CPOP (Topcuoglu et al. 2002) as published; co-location groups follow their first op."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of :func:`cpop_schedule`; no simulator call, the seed plays no part."""
        return Decision(placement=cpop_schedule(problem).placement)
