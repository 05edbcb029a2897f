"""Genomes: a whole number for each unit and column, and the decisions that they stand for."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.baselines.placements import single_device
from go_gym.baselines.priorities import critical_path
from go_gym.fusion.greedy import default_fusion
from go_gym.partitions import QuotientGraph
from go_gym.problem import Decision, Problem

COLUMNS = {
    "placement": ("placement",),
    "scheduling": ("priority",),
    "fusion": ("fusion",),
    "joint": ("placement", "priority", "fusion"),
}
"""What each task decides."""


@dataclass(frozen=True)
class Ranks:
    """What the values of priority and fusion stand for; our choice.

    Attributes:
        priority: values of priority. The middle one is the critical path's priority, those above
            and below raise and lower an op against it.
        boost: how far, at most, as a share of the critical path's length.
        fusion: values of fusion; 0 is not fused. As many as one re-implementation of GO has.
        around_default: whether the middle value of fusion is what the framework's default does,
            those below it come after all that the default fuses and those above it before; else a
            value is the fusion rank itself.
    """

    priority: int = 17
    boost: float = 0.25
    fusion: int = 20
    around_default: bool = False


class Encoding:
    """The genomes of a problem: (columns, units) int64, a row for each of ``columns``.

    Args:
        problem: what is decided about; its given placement is used where none is decided.
        units: what shares a value.
        ranks: what priority and fusion are in.
        scheduled: give critical-path priorities where the task decides none.

    Attributes:
        columns: what is decided, of ``"placement"``, ``"priority"``, ``"fusion"``.
        values: how many values each column has.
    """

    def __init__(
        self,
        problem: Problem,
        units: QuotientGraph,
        ranks: Ranks | None = None,
        scheduled: bool = False,
    ) -> None:
        self.problem, self.units, self.scheduled = problem, units, scheduled
        self.ranks = ranks or Ranks()
        self.columns = COLUMNS[problem.task]
        sizes = {
            "placement": problem.num_devices,
            "priority": self.ranks.priority,
            "fusion": self.ranks.fusion,
        }
        self.values = tuple(sizes[column] for column in self.columns)

    @cached_property
    def representative(self) -> np.ndarray:
        """(units,) int64: the longest op of each unit, whose device is the unit's."""
        return self.units.partition.longest(self.problem.mean_durations)

    def neutral(
        self, placement: np.ndarray | None = None, fusion: np.ndarray | None = None
    ) -> np.ndarray:
        """(columns, units): ``placement`` (n,) or device 0, critical-path priorities, ``fusion``.

        Fusion's ranks (n,), any whole numbers, are brought to as many as there are values, in
        order. Without them nothing is fused or, around the default, what that fuses.
        """
        genome = np.zeros((len(self.columns), self.units.count), dtype=np.int64)
        for row, column in enumerate(self.columns):
            if column == "placement" and placement is not None:
                genome[row] = placement[self.representative]
            elif column == "priority":
                genome[row] = self.ranks.priority // 2
            elif column == "fusion" and self.ranks.around_default:
                genome[row] = self.ranks.fusion // 2
            elif column == "fusion" and fusion is not None:
                rank = np.zeros(self.units.count, dtype=np.int64)
                np.maximum.at(rank, self.units.part_of, fusion)
                step = max(int(rank.max()), 1)
                genome[row] = -(-rank * (self.ranks.fusion - 1) // step)
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
            priority = _frozen(self._priority(placement, rows["priority"][of_op]))
        elif self.scheduled:
            priority = _frozen(critical_path(self.problem, placement))
        if "fusion" in rows:
            fusion = _frozen(self._fusion(rows["fusion"][of_op]))
        return Decision(placement, priority, fusion)

    def placement_of_units(self, genome: np.ndarray) -> np.ndarray:
        """(U,) int64: the devices of the units, decided or given."""
        if self.problem.placement is None:
            return genome[self.columns.index("placement")]
        return self.given_placement

    @cached_property
    def given_placement(self) -> np.ndarray:
        """(U,) int64: the problem's placement, for tasks that do not decide it."""
        return np.asarray(self.problem.placement)[self.representative]

    def decisions(self, genomes: Iterable[np.ndarray]) -> list[Decision]:
        """:meth:`decision` of each."""
        return [self.decision(genome) for genome in genomes]

    def _priority(self, placement: np.ndarray, value: np.ndarray) -> np.ndarray:
        """(n,) int64: the critical path, with up to ``boost`` of its length added or taken."""
        rank = critical_path(self.problem, placement)
        middle = self.ranks.priority // 2
        boost = (value - middle) / middle
        return rank + np.rint(boost * self.ranks.boost * rank.max()).astype(np.int64)

    def _fusion(self, value: np.ndarray) -> np.ndarray:
        """(n,) int64 fusion ranks."""
        if not self.ranks.around_default:
            return value
        default = self._default_fusion
        middle = self.ranks.fusion // 2
        known = np.where(default > 0, default + middle - 1, 0)
        apart = np.where(value > middle, known.max() + value, value)
        return np.where(value == middle, known, apart)

    @cached_property
    def _default_fusion(self) -> np.ndarray:
        """(n,) int64: the default under the given placement, else on one device (our choice:
        worked out once, not for every placement)."""
        given = self.problem.placement
        placement = single_device(self.problem) if given is None else np.asarray(given)
        return default_fusion(self.problem, placement)


def _frozen(column: np.ndarray) -> np.ndarray:
    column.setflags(write=False)
    return column
