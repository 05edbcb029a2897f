"""Rewards: what a simulated step is worth."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from go_gym.errors import GoGymError
from go_gym.problem import Decision, Problem
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
    """What a reward may look at.

    Attributes:
        problem, decision, result: what was decided about, what, and what came of it.
        baseline_ns: the step time of the environment's baseline, 1 or more.
        previous_ns: the last valid step time of the episode before this decision, else the
            baseline's.
    """

    problem: Problem
    decision: Decision
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
        every_step: in GO-PlacementSteps-v0, whether each step's placement earns it; False: the
            episode's last one does, and the steps before it earn 0.
    """

    name: str
    of: Callable[[Outcome], float]
    low: float = -math.inf
    high: float = math.inf
    deterministic: bool = True
    every_step: bool = False


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


@dataclass(frozen=True)
class Called:
    """A function of problem, decision and result as that of an Outcome; pickles if it does."""

    function: Callable[[Problem, Decision, Result], float]

    def __call__(self, outcome: Outcome) -> float:
        """The function's value."""
        return self.function(outcome.problem, outcome.decision, outcome.result)


RewardLike = str | Reward | Callable[[Problem, Decision, Result], float]
"""A name of ``REWARDS``, a Reward, or a function of problem, decision and result."""


def resolve_reward(reward: RewardLike) -> Reward:
    """The Reward that ``reward`` stands for; raises GoGymError for anything else.

    A function's is called at every decision, in GO-PlacementSteps-v0 at an episode's last one
    (``Reward(name, …, every_step=True)`` for each). In spawned workers it works as anything that
    pickles does: a function of a module, or any with cloudpickle, as Gymnasium uses.
    """
    if isinstance(reward, str) and reward in REWARDS:
        return REWARDS[reward]
    if isinstance(reward, Reward):
        return reward
    if callable(reward):
        return Reward(getattr(reward, "__name__", type(reward).__name__), Called(reward))
    raise GoGymError(
        f"reward {reward!r}: expected one of {', '.join(REWARDS)}, a Reward, or a function of "
        f"problem, decision and result"
    )


def earned(reward: Reward, outcome: Outcome) -> float:
    """What an outcome earns; raises GoGymError if that is no number."""
    value = reward.of(outcome)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise GoGymError(f"reward {reward.name!r}: gave {value!r}, expected a number") from None
    if math.isnan(number):
        raise GoGymError(f"reward {reward.name!r}: gave {value!r}, expected a number")
    return number
