"""What a traced simulation ran: the ops of a problem or, under fusion, kernels of them."""

from dataclasses import dataclass

import numpy as np

from go_gym.fusion.fused import fuse
from go_gym.fusion.plan import FusionPlan
from go_gym.problem import Decision, Problem
from go_gym.simulator import Trace
from go_gym.simulator.fused import trace_of_kernels


@dataclass(frozen=True, eq=False)
class Traced:
    """A step as what its devices ran: k ops or kernels.

    Attributes:
        problem: of the k.
        placement: (k,) int64 devices.
        trace: of these.
        of_op: (n,) int64, the one that stands for each op of the original problem.
        work: (n,) float64 ns, mean duration of each op alone over the devices.
        plan: what the kernels are made of, None without fusion.
    """

    problem: Problem
    placement: np.ndarray
    trace: Trace
    of_op: np.ndarray
    work: np.ndarray
    plan: FusionPlan | None

    def shares_of_ops(self, which: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shares (m,) of ``which`` (m,) of the k as those of ops: (p,) int64 and (p,) float64.

        A kernel's share is divided among its parts by what they take alone (our choice).
        """
        if self.plan is None:
            return which, share.astype(np.float64)
        first, count = self.plan.part_ptr[which], np.diff(self.plan.part_ptr)[which]
        owner = np.repeat(np.arange(len(which)), count)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        ops = self.plan.parts[first[owner] + within]
        work = self.work[ops] + 1.0  # views cost nothing, and may have waited for a transfer
        return ops, (share / np.bincount(owner, work))[owner] * work


def traced(problem: Problem, decision: Decision, trace: Trace) -> Traced:
    """What ``trace``, of simulating ``decision``, shows; fuses again where that has fusion."""
    work = problem.mean_durations
    if decision.fusion is None:
        every = np.arange(problem.num_ops)
        return Traced(problem, np.asarray(decision.placement), trace, every, work, None)
    fused = fuse(problem, decision)
    of_kernels = trace_of_kernels(fused, trace)
    placement = np.asarray(fused.decision.placement)
    of_op = fused.kernel_of(problem.graph)
    return Traced(fused.problem, placement, of_kernels, of_op, work, fused.plan)
