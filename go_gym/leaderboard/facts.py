"""What every row of a problem is measured against: expert, default and lower bound."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from go_gym.baselines.bounds import lower_bound_ns
from go_gym.baselines.default import default_by_rule, framework_default
from go_gym.baselines.placements import human_expert
from go_gym.baselines.priorities import FIFO, OWN, prioritised
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate


@dataclass(frozen=True)
class Facts:
    """Step times of the baselines under given priorities, and a bound that holds under any.

    Attributes:
        partition: (n,) int64, the default's placement where no rule gives it, see
            :func:`go_gym.baselines.default.framework_default`.
    """

    expert_ns: int
    default_ns: int
    lower_bound_ns: int
    partition: np.ndarray | None = None


def facts(problem: Problem, priorities_name: str, partition: np.ndarray | None = None) -> Facts:
    """The facts of ``problem``: the human expert's placement (or the given one) without fusion, and
    the framework's default.

    Args:
        problem: any.
        priorities_name: rule of the priorities, of the agent's own that of first in, first out.
        partition: the default's placement where no rule gives it; default that of METIS as it is
            installed.
    """
    given = problem.placement
    rule = FIFO if priorities_name == OWN else priorities_name
    expert = Decision(human_expert(problem) if given is None else given)
    default = default_by_rule(problem, rule)
    by_rule = default is not None
    if default is None:
        default = framework_default(problem, rule, partition)
    return Facts(
        expert_ns=simulate(problem, prioritised(problem, expert, rule)).step_time_ns,
        default_ns=simulate(problem, default).step_time_ns,
        lower_bound_ns=lower_bound_ns(problem),
        partition=None if by_rule else np.asarray(default.placement),
    )


def measures(result: Result, known: Facts) -> dict[str, Any]:
    """The columns that follow from a result and its problem's facts."""
    step = max(result.step_time_ns, 1)
    bound = max(known.lower_bound_ns, 1)
    return {
        "step_time_ns": result.step_time_ns,
        "expert_ns": known.expert_ns,
        "default_ns": known.default_ns,
        "speedup_over_expert": round(known.expert_ns / step, 6),
        "speedup_over_default": round(known.default_ns / step, 6),
        "lower_bound_ns": known.lower_bound_ns,
        "gap": round(step / bound - 1, 6),
        "peak_memory_bytes": int(result.peak_memory.max()),
        "valid": result.valid,
        "reason": result.reason,
    }
