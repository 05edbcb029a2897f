"""From choices a unit to a Decision about every op."""

from collections.abc import Mapping

import numpy as np

from go_gym.priorities import critical_path
from go_gym.problem import Decision, Problem

from ..common.units import UnitGraph

DECIDES = {
    "placement": ("placement",),
    "scheduling": ("priority",),
    "fusion": ("fusion",),
    "joint": ("fusion", "placement", "priority"),
}
"""What a task decides, in the order of the network's task layers."""

Choices = Mapping[str, np.ndarray]
"""(U,) int64 by name: a device, a priority level or a fusion level of each unit."""


def to_decision(
    problem: Problem, units: UnitGraph, choices: Choices, levels: int, scheduled: bool = False
) -> Decision:
    """The Decision that ``choices`` stand for.

    Args:
        problem: its given placement is used where none is chosen.
        units: spread over their ops.
        choices: by name.
        levels: how many there are of priority and fusion.
        scheduled: give critical-path priorities where none are chosen.
    """
    of_op = units.groups.of_op
    if "placement" in choices:
        placement = choices["placement"][of_op]
    else:
        assert problem.placement is not None  # a Problem without one decides it
        placement = np.asarray(problem.placement)
    priority = None
    if "priority" in choices:
        priority = tilted(problem, placement, choices["priority"][of_op], levels)
    elif scheduled:
        priority = critical_path(problem, placement)
    fusion = choices["fusion"][of_op] if "fusion" in choices else None
    return Decision(placement, priority, fusion)


def tilted(problem: Problem, placement: np.ndarray, level: np.ndarray, levels: int) -> np.ndarray:
    """(n,) int64: the critical-path priority, raised or lowered by up to half the critical path.

    The middle level leaves list scheduling's order as it is. Levels that stand alone, as in the
    paper, would have to find that order anew (our choice).
    """
    rank = critical_path(problem, placement)
    middle = levels // 2
    return rank + (level - middle) * (int(rank.max()) // (2 * middle))


def canonical(problem: Problem, choices: Choices) -> Choices:
    """``choices`` with equal devices numbered by where their units lie in the topological order.

    Decisions that differ in the names of equal devices are one; a policy that imitates them needs
    one name for each. Left as they are where devices or links differ, or nothing is placed.
    """
    d = problem.num_devices
    memory = problem.cluster.memory_bytes
    alike = len(problem.durations) == len(problem.cluster.links) == 1
    if "placement" not in choices or not alike or (memory != memory[0]).any():
        return choices
    placement = choices["placement"]
    count = np.bincount(placement, minlength=d)
    middle = np.bincount(placement, np.arange(len(placement)), d) / np.maximum(count, 1)
    order = np.argsort(np.where(count > 0, middle, np.inf), kind="stable")
    return {**choices, "placement": np.argsort(order)[placement]}
