"""A decision with fusion as pictures show it: kernels in place of ops."""

from typing import NamedTuple

from go_gym.errors import GoGymError
from go_gym.fusion.fused import fuse
from go_gym.fusion.plan import FusionPlan
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, Trace
from go_gym.simulator.fused import trace_of_kernels


class Shown(NamedTuple):
    """What runs: the ops themselves, or their kernels; ``plan`` says which ops each computes."""

    problem: Problem
    decision: Decision
    trace: Trace
    plan: FusionPlan | None

    def name(self, number: int) -> str:
        """The name of an op, or of a kernel: its last op's and how many others it computes."""
        own = self.problem.graph.op_names[number]
        others = 0 if self.plan is None else self.plan.size(number) - 1
        return f"{own} +{others}" if others else own


def shown(problem: Problem, decision: Decision, result: Result) -> Shown:
    """What runs under a ``decision`` whose ``result`` was simulated with ``trace=True``.

    Raises GoGymError if the result has no trace.
    """
    trace = result.trace
    if trace is None:
        raise GoGymError("a picture of a step needs simulate(…, trace=True)")
    if decision.fusion is None:
        return Shown(problem, decision, trace, None)
    fused = fuse(problem, decision)
    kernels = trace_of_kernels(fused, trace)
    return Shown(fused.problem, fused.decision, kernels, fused.plan)
