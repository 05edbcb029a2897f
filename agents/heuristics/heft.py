"""HEFT as published, and HEFT that knows what transfers occupy."""

from go_gym.agent import Budget
from go_gym.problem import Decision, Problem

from .listing import Schedule, by_rank, mean_upward_ranks, schedule_in_order


def heft_schedule(problem: Problem) -> Schedule:
    """The schedule of Topcuoglu, Hariri and Wu (TPDS 2002, section 4.2).

    Ops by upward rank of mean durations and mean communication costs; each on the device where it
    finishes first, inserted between ops that stand there where it fits; no contention.
    """
    return schedule_in_order(problem, by_rank(mean_upward_ranks(problem)))


class Heft:
    """HEFT (Topcuoglu et al. 2002) as published; a co-location group follows its first op."""

    version = "1"

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of :func:`heft_schedule`; no simulator call, the seed plays no part."""
        return Decision(placement=heft_schedule(problem).placement)


class ContentionHeft:
    """HEFT that books the ports a transfer occupies, as the cluster's contention model says.

    Our choice: every transfer takes the earliest gap that its ports have in common.
    """

    version = "1"

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of the schedule; no simulator call, the seed plays no part."""
        order = by_rank(mean_upward_ranks(problem))
        plan = schedule_in_order(problem, order, contention=problem.cluster.contention)
        return Decision(placement=plan.placement)
