"""HEFT as published, and HEFT that knows what transfers occupy."""

from collections.abc import Iterator

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.partitions.rules import edge_zeroed_partition
from go_gym.problem import Decision, Problem

from .listing import EstimatedSchedule, by_rank, mean_upward_ranks, schedule_in_order


def heft_schedule(problem: Problem) -> EstimatedSchedule:
    """The schedule of Topcuoglu, Hariri and Wu (TPDS 2002, section 4.2).

    Ops by upward rank of mean durations and mean communication costs; each on the device where it
    finishes first, inserted between ops that stand there where it fits; no contention.
    """
    return schedule_in_order(problem, by_rank(mean_upward_ranks(problem)))


class Heft:
    """HEFT (Topcuoglu et al. 2002) as published; a co-location group follows its first op."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of :func:`heft_schedule`; no simulator call, the seed plays no part."""
        return Decision(placement=heft_schedule(problem).placement)


GRAINS = (np.inf, 16.0, 12.0, 8.0, 4.0)
"""Uses whose transfer takes more than this times the work at both its ends are not cut."""
TOLLS = (0.0, 1.0)
"""Weights of the port time that a choice takes, beside its finish."""


def contention_schedules(problem: Problem) -> Iterator[EstimatedSchedule]:
    """HEFT's schedules under the cluster's contention model, one for each of GRAINS × TOLLS.

    Every transfer takes the earliest gap that its ports have in common. Earliest finish alone
    is short-sighted: it sends a gradient of 100 MB to where its addition would be done a little
    sooner, and the ports are full when others need them. Hence the coarser grains (uses that
    would never pay are united first) and the toll. All our choice.
    """
    graph = problem.graph
    order = by_rank(mean_upward_ranks(problem))
    work, delay = problem.mean_durations, problem.mean_delays[graph.use_tensor]
    both_ends = work[graph.use_producer] + work[graph.use_consumer]
    sizes = set()
    for grain in GRAINS:
        if grain == np.inf:
            kept = np.zeros(graph.num_uses, dtype=bool)
        else:
            kept = delay > grain * both_ends
        units = edge_zeroed_partition(problem, kept)
        if units.count in sizes:  # nothing more was united
            continue
        sizes.add(units.count)
        for toll in TOLLS:
            yield schedule_in_order(
                problem, order, contention=problem.cluster.contention, toll=toll, units=units
            )


class ContentionHeft:
    """HEFT that books the ports a transfer occupies, as the cluster's contention model says.

    It makes a few schedules (:func:`contention_schedules`) and takes the fastest valid one as
    simulated if the budget allows a call for each, else the one with the shortest makespan in its
    own belief.
    """

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of the best schedule; a simulator call for each, or none; no seed."""
        schedules = list(contention_schedules(problem))
        believed = [schedule.makespan_ns for schedule in schedules]
        decisions = [Decision(placement=schedule.placement) for schedule in schedules]
        if budget.remaining < len(schedules):
            return decisions[int(np.argmin(believed))]
        results = budget.evaluate_batch(decisions)
        order = np.lexsort((np.array(believed), results.step_time_ns, ~results.valid))
        return decisions[int(order[0])]
