"""What every row of a problem is measured against: expert, default and lower bound."""

from dataclasses import dataclass
from typing import Any

from go_gym.baselines.bounds import lower_bound_ns
from go_gym.baselines.default import framework_default
from go_gym.baselines.placements import human_expert
from go_gym.baselines.priorities import prioritised
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate


@dataclass(frozen=True)
class Facts:
    """Step times of the baselines under given priorities, and a bound that holds under any."""

    expert_ns: int
    default_ns: int
    lower_bound_ns: int


def facts(problem: Problem, priorities_name: str) -> Facts:
    """The facts of ``problem``: the human expert's placement (or the given one) without fusion, and
    the framework's default (:func:`go_gym.baselines.default.framework_default`)."""
    given = problem.placement
    expert = Decision(human_expert(problem) if given is None else given)
    default = framework_default(problem, priorities_name)
    return Facts(
        expert_ns=simulate(problem, prioritised(problem, expert, priorities_name)).step_time_ns,
        default_ns=simulate(problem, default).step_time_ns,
        lower_bound_ns=lower_bound_ns(problem),
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
