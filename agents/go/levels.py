"""Levels of clusters: partitions of the units, coarse to fine, that samples decide by."""

from collections.abc import Sequence

import numpy as np
import torch

from go_gym.partition import partition
from go_gym.problem import Problem

from ..common.units import UnitGraph, coarsened, unit_layers
from .policy import Clusters

STRETCHES = (1, 2, 4, 8, 32)
"""Into how many stretches of equal work the layers are cut."""
METIS_PARTS = 64
"""The finest level that METIS makes; it fails on parts of few vertices."""


def cluster_levels(
    problem: Problem, units: UnitGraph, coarse: Sequence[int], device: torch.device
) -> list[Clusters]:
    """The levels, ending with the units themselves; all of it is our choice.

    METIS's parts, equal in work, up to METIS_PARTS; beyond, clusters by heavy edges. Then the
    layers of the model (the tags that the human expert cuts along too), whole and cut into
    stretches of the topological order.
    """
    labels = []
    layer = unit_layers(problem, units)
    weight = units.work + units.work.mean()  # METIS fails on many vertices of no weight
    for parts in coarse:
        if 1 < parts < units.count / 2:
            by_metis = parts <= METIS_PARTS and 8 * parts <= units.count
            labels.append(
                partition(problem, units.groups, weight, parts)
                if by_metis
                else coarsened(units, parts, layer)
            )
    share = (np.cumsum(units.work) - units.work / 2) / max(float(units.work.sum()), 1.0)
    for cuts in STRETCHES:
        labels.append(layer * cuts + np.minimum((share * cuts).astype(np.int64), cuts - 1))
    labels.append(np.arange(units.count))
    levels = [Clusters.of(np.unique(each, return_inverse=True)[1], device) for each in labels]
    return [level for level in levels if level.count > 1 or units.count == 1]


def refined(
    level: Clusters,
    previous: np.ndarray | None,
    split: float,
    halve: bool,
    random: np.random.Generator,
) -> Clusters:
    """``level`` as a later round decides by it: its clusters cut, so that borders can move.

    Args:
        level: the level.
        previous: (U,) int64 choices of the previous round, None in a first round.
        split: probability that units of a cluster that were chosen apart are decided apart.
        halve: cut each cluster's topological order in two at a random place.
        random: the only source of chance.
    """
    if previous is None:
        return level
    label = level.of_unit.cpu().numpy()
    if random.random() < split:
        label = np.unique(label * (int(previous.max()) + 1) + previous, return_inverse=True)[1]
    if halve:
        order = np.argsort(label, kind="stable")
        size = np.bincount(label)
        first = np.cumsum(size) - size
        rank = np.empty(len(label), dtype=np.int64)
        rank[order] = np.arange(len(label)) - first[label[order]]
        cut = np.ceil(random.random(len(size)) * size)
        label = np.unique(2 * label + (rank >= cut[label]), return_inverse=True)[1]
    return Clusters.of(label, level.of_unit.device)


class LevelChooser:
    """Which level the next samples decide by: those that lately brought gains, more often.

    Attributes:
        success: (levels,) float64, recent share of batches that gained, at first one each.
    """

    LEAST = 0.02
    """Added to every level's share, so that none is forgotten."""
    RATE = 0.1

    def __init__(self, levels: Sequence[Clusters], first_round: int) -> None:
        coarse = np.array([level.count <= first_round for level in levels], dtype=np.float64)
        self.coarse = coarse if coarse.any() else np.ones(len(levels))
        self.success = np.ones(len(levels))

    def choose(self, later: bool, random: np.random.Generator) -> int:
        """A level; in a first round one of the coarse."""
        weight = self.success + self.LEAST if later else self.coarse
        return int(random.choice(len(weight), p=weight / weight.sum()))

    def note(self, level: int, gained: bool) -> None:
        """Tell whether a batch of that level in a later round gained."""
        self.success[level] += self.RATE * (float(gained) - self.success[level])
