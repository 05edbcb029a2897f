"""Rewards: what a simulated step is worth."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from go_gym.errors import GoGymError
from go_gym.simulator import Result

INVALID = -10.0
"""Reward of an invalid decision (GO, NeurIPS 2020, section 4; HDP, ICLR 2018)."""


def go_reward(
    step_time_ns: np.ndarray | int,
    valid: np.ndarray | bool,
    baseline_ns: float,
    invalid: float = INVALID,
) -> np.ndarray:
    """(B,) float64: −sqrt(step time / baseline's) of B decisions, ``invalid`` where they are not
    ``valid`` (GO, section 4)."""
    return np.where(valid, -np.sqrt(step_time_ns / baseline_ns), invalid)


@dataclass(frozen=True)
class Outcome:
    """What a reward may look at: the result, the baseline's step time, the last valid one."""

    result: Result
    baseline_ns: int
    previous_ns: int


@dataclass(frozen=True)
class Reward:
    """A named reward.

    Attributes:
        name: as in ``gym.make(…, reward=name)``.
        of: the reward of an outcome.
        low, high: its range.
        deterministic: the same decision always earns the same (given the same measurement).
    """

    name: str
    of: Callable[[Outcome], float]
    low: float = -math.inf
    high: float = math.inf
    deterministic: bool = True


def _go(outcome: Outcome) -> float:
    result = outcome.result
    return float(go_reward(result.step_time_ns, result.valid, outcome.baseline_ns))


def _speedup(outcome: Outcome) -> float:
    if not outcome.result.valid:
        return 0.0
    return outcome.baseline_ns / max(outcome.result.step_time_ns, 1)


def _improvement(outcome: Outcome) -> float:
    if not outcome.result.valid:
        return INVALID
    return (outcome.previous_ns - outcome.result.step_time_ns) / outcome.baseline_ns


REWARDS = {
    reward.name: reward
    for reward in (
        Reward("go", _go, high=0.0),
        Reward("speedup", _speedup, low=0.0),  # baseline / step time; 0 if invalid: our choice
        # Placeto (NeurIPS 2019): less step time than before, in units of the baseline
        Reward("improvement", _improvement),
    )
}


def reward_named(name: str) -> Reward:
    """The reward of that name; raises GoGymError naming those that there are."""
    if not isinstance(name, str) or name not in REWARDS:
        raise GoGymError(f"reward {name!r}: expected one of {', '.join(REWARDS)}")
    return REWARDS[name]
