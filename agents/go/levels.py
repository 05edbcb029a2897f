"""Levels of clusters: partitions of the units, coarse to fine, that samples decide by."""

from collections.abc import Sequence

import numpy as np

from go_gym.partitions.metis import partition
from go_gym.problem import Problem

from ..common.clusterings import Clustering, clusterings, stretches
from ..common.units import UnitGraph, coarsened, unit_layers

STRETCHES = (1, 2, 4, 8, 32)
"""Into how many stretches of equal work the layers are cut."""
METIS_PARTS = 64
"""The finest level that METIS makes; it fails on parts of few vertices."""


def cluster_levels(
    problem: Problem, units: UnitGraph, coarse: Sequence[int]
) -> tuple[Clustering, ...]:
    """The levels from coarse to fine, ending with the units themselves; all of it is our choice.

    The clusterings that the searches move by; METIS's parts, equal in work, up to METIS_PARTS;
    beyond, clusters by heavy edges; and the layers of the model cut into stretches of the
    topological order.
    """
    levels = list(clusterings(problem, units))
    layer = unit_layers(problem, units)
    weight = units.work + units.work.mean()  # METIS fails on many vertices of no weight
    for parts in coarse:
        if 1 < parts < units.count / 2:
            by_metis = parts <= METIS_PARTS and 8 * parts <= units.count
            label = (
                partition(problem, units.groups, weight, parts)
                if by_metis
                else coarsened(units, parts, layer)
            )
            levels.append(Clustering.of(label))
    for cuts in STRETCHES:
        levels.append(Clustering.of(layer, np.minimum(stretches(units, cuts), cuts - 1)))
    levels = [level for level in levels if level.count > 1 or units.count == 1]
    different = {level.of_unit.tobytes(): level for level in levels}
    return tuple(sorted(different.values(), key=lambda level: level.count))


def coarse_rungs(problem: Problem, units: UnitGraph, most: int) -> tuple[Clustering, ...]:
    """The clusterings of at most ``most`` clusters that whole decisions are drawn by."""
    found = sorted(clusterings(problem, units), key=lambda level: level.count)
    return tuple(level for level in found if level.count <= most) or tuple(found[:1])


class LevelChooser:
    """Which level the next moves begin at: from coarse to fine, and those that lately gained.

    Attributes:
        success: (levels,) float64, recent share of moves that gained, at first a half.
    """

    LEAST = 0.1
    """Added to every level's share, so that none is forgotten."""
    RATE = 0.03
    WIDTH = 0.15
    """How sharply the search goes from coarse to fine, as a share of the levels."""

    def __init__(self, levels: Sequence[Clustering]) -> None:
        self.position = np.arange(len(levels)) / max(len(levels) - 1, 1)
        self.success = np.full(len(levels), 0.5)

    def choose(self, count: int, progress: float, random: np.random.Generator) -> np.ndarray:
        """(count,) int64 levels, for moves."""
        away = (self.position - progress) / self.WIDTH
        weight = np.cumsum((self.success + self.LEAST) * np.exp(-away * away))
        return np.searchsorted(weight, random.random(count) * weight[-1])

    def note(self, level: int, gained: bool) -> None:
        """Tell whether a move at that level gained."""
        self.success[level] += self.RATE * (float(gained) - self.success[level])
