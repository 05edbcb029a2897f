"""What every row of a problem is measured against: expert, default and lower bound."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from go_gym.bounds import lower_bound_ns
from go_gym.placements import contiguous_balanced, human_expert, single_device
from go_gym.priorities import priorities
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate


@dataclass(frozen=True)
class Facts:
    """Step times of the baselines under given priorities, and a bound that holds under any."""

    expert_ns: int
    default_ns: int
    lower_bound_ns: int


def prioritised(problem: Problem, placement: np.ndarray, name: str) -> Decision:
    """A placement with the priorities of that name (``fifo`` or ``critical-path``)."""
    return Decision(placement=placement, priority=priorities(name, problem, placement))


def facts(problem: Problem, priorities_name: str) -> Facts:
    """The facts of ``problem``.

    The framework's default is a single device where the graph fits, else contiguous cuts of
    equal work (our choice: METIS, the other usual default, ignores the direction of edges).
    """

    def run(placement: np.ndarray) -> Result:
        return simulate(problem, prioritised(problem, placement, priorities_name))

    default = run(single_device(problem))
    if not default.valid:
        default = run(contiguous_balanced(problem))
    return Facts(
        expert_ns=run(human_expert(problem)).step_time_ns,
        default_ns=default.step_time_ns,
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
