"""Genomes: a whole number for each unit and column, and the decisions that they stand for."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from go_gym.baselines.priorities import critical_path
from go_gym.partitions import Hierarchy, Partition
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import Decision, Problem
from go_gym.simulator import BatchResult, Result

COLUMNS = {
    "placement": ("placement",),
    "scheduling": ("priority",),
    "fusion": ("fusion",),
    "joint": ("placement", "priority", "fusion"),
}
"""What each task decides."""
PRIORITY_LEVELS = 17
"""Boosts of a priority above or below the critical path's; the middle one is none (our choice)."""
BOOST = 0.25
"""The largest boost, as a share of the critical path's length (our choice)."""
FUSION_LEVELS = 20
"""As many as one re-implementation of GO has; level 0 is not fused."""
MEMORY_PENALTY = 4.0
"""Cost of a device twice as full as it can be, in step times (our choice)."""


class Space:
    """The genomes of a problem: (columns, units) int64, a row for each of ``columns``.

    Attributes:
        problem: what is decided about.
        units: what shares a value.
        representative: (units,) int64, the longest op of each, whose device is its device.
        columns: what is decided, of ``"placement"``, ``"priority"``, ``"fusion"``.
        values: how many values each column has.
        scheduled: give critical-path priorities where the task decides none.
    """

    def __init__(self, problem: Problem, scheduled: bool = False) -> None:
        self.problem = problem
        self.scheduled = scheduled
        self.units = smallest_units(problem)
        self.representative = self.units.partition.longest(problem.mean_durations)
        self.columns = COLUMNS[problem.task]
        sizes = {
            "placement": problem.num_devices,
            "priority": PRIORITY_LEVELS,
            "fusion": FUSION_LEVELS,
        }
        self.values = tuple(sizes[column] for column in self.columns)

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """Of the units, those that a start or a child may be drawn by."""
        return structural_partitions(self.problem, self.units)

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """The same from coarse to fine: the levels at which a move may act."""
        return Hierarchy.of(self.partitions)

    def neutral(
        self, placement: np.ndarray | None = None, fusion: np.ndarray | None = None
    ) -> np.ndarray:
        """(columns, units): ``placement`` (n,) or device 0, no boosts, ``fusion`` (n,) or none.

        Fusion's levels, any whole numbers, are brought to FUSION_LEVELS in order.
        """
        genome = np.zeros((len(self.columns), self.units.count), dtype=np.int64)
        for row, column in enumerate(self.columns):
            if column == "placement" and placement is not None:
                genome[row] = placement[self.representative]
            elif column == "priority":
                genome[row] = PRIORITY_LEVELS // 2
            elif column == "fusion" and fusion is not None:
                level = np.zeros(self.units.count, dtype=np.int64)
                np.maximum.at(level, self.units.part_of, fusion)
                step = max(int(level.max()), 1)
                genome[row] = -(-level * (FUSION_LEVELS - 1) // step)
        return genome

    def decision(self, genome: np.ndarray) -> Decision:
        """The decision that a genome stands for; columns that the task does not decide are None,
        but for ``scheduled`` priorities."""
        rows = dict(zip(self.columns, genome, strict=True))
        of_op = self.units.part_of
        given = self.problem.placement
        placement = _frozen(rows["placement"][of_op]) if given is None else np.asarray(given)
        priority = fusion = None
        if "priority" in rows:
            rank = critical_path(self.problem, placement)
            boost = (rows["priority"][of_op] - PRIORITY_LEVELS // 2) / (PRIORITY_LEVELS // 2)
            priority = _frozen(rank + np.rint(boost * BOOST * rank.max()).astype(np.int64))
        elif self.scheduled:
            priority = _frozen(critical_path(self.problem, placement))
        if "fusion" in rows:
            fusion = _frozen(rows["fusion"][of_op])
        return Decision(placement, priority, fusion)

    def decisions(self, genomes: Sequence[np.ndarray]) -> list[Decision]:
        """:meth:`decision` of each of several genomes."""
        return [self.decision(genome) for genome in genomes]

    def cost(self, result: Result) -> float:
        """:meth:`costs` of one result."""
        return max(result.step_time_ns, 1) * float(self._raised(result.peak_memory))

    def costs(self, results: BatchResult) -> np.ndarray:
        """(b,) float64 ns: step times, those of decisions out of memory raised.

        The raise is in proportion to the bytes over each device's memory, so that a search that
        starts without a valid decision finds its way to one.
        """
        return np.maximum(results.step_time_ns, 1) * self._raised(results.peak_memory)

    def _raised(self, peak_memory: np.ndarray) -> Any:
        capacity = self.problem.cluster.memory_bytes
        over = np.maximum(peak_memory - capacity, 0) / capacity
        return 1.0 + MEMORY_PENALTY * over.sum(axis=-1)


def _frozen(column: np.ndarray) -> np.ndarray:
    column.setflags(write=False)
    return column
