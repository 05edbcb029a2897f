"""From choices a unit to a Decision about every op."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.baselines.placements import single_device
from go_gym.baselines.priorities import critical_path
from go_gym.fusion.greedy import default_fusion
from go_gym.partitions import QuotientGraph
from go_gym.problem import Decision, Problem

DECIDES = {
    "placement": ("placement",),
    "scheduling": ("priority",),
    "fusion": ("fusion",),
    "joint": ("fusion", "placement", "priority"),
}
"""What a task decides, in the order of the network's task layers."""

Choices = Mapping[str, np.ndarray]
"""(U,) int64 by name: a device, a priority level or a fusion level of each unit."""


@dataclass(frozen=True, eq=False)
class Decoder:
    """What choices stand for.

    The middle level of priority is list scheduling's critical-path order, that of fusion the
    framework's default; the levels above and below raise and lower ops against it. Levels that
    all stand alone, as in the paper, would have to find those orders anew (our choice).

    Attributes:
        problem: its given placement is used where none is chosen.
        units: spread over their ops.
        levels: how many there are of priority and fusion.
        scheduled: give critical-path priorities where none are chosen.
    """

    problem: Problem
    units: QuotientGraph
    levels: int
    scheduled: bool = False

    def decision(self, choices: Choices) -> Decision:
        """The Decision about every op."""
        of_op = self.units.part_of
        if "placement" in choices:
            placement = choices["placement"][of_op]
        else:
            assert self.problem.placement is not None  # a Problem without one decides it
            placement = np.asarray(self.problem.placement)
        priority = None
        if "priority" in choices:
            priority = self._tilted_priority(placement, choices["priority"][of_op])
        elif self.scheduled:
            priority = critical_path(self.problem, placement)
        fusion = self._tilted_fusion(choices["fusion"][of_op]) if "fusion" in choices else None
        return Decision(placement, priority, fusion)

    def _tilted_priority(self, placement: np.ndarray, level: np.ndarray) -> np.ndarray:
        """(n,) int64: the critical path, with up to half of its length added or taken away."""
        rank = critical_path(self.problem, placement)
        middle = self.levels // 2
        return rank + (level - middle) * (int(rank.max()) // (2 * middle))

    def _tilted_fusion(self, level: np.ndarray) -> np.ndarray:
        """(n,) int64 fusion levels: 0 never; the middle as the default does; the levels below it
        after all that the default fuses, those above it before."""
        default = self._default_fusion
        middle = self.levels // 2
        known = np.where(default > 0, default + middle - 1, 0)
        apart = np.where(level > middle, known.max() + level, level)
        return np.where(level == middle, known, apart)

    @cached_property
    def _default_fusion(self) -> np.ndarray:
        """(n,) int64: the default under the given placement, else on one device (our choice:
        worked out once, not for every placement)."""
        given = self.problem.placement
        return default_fusion(
            self.problem, single_device(self.problem) if given is None else np.asarray(given)
        )


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
