"""What HDP's two networks start from: a home group for each unit, layers that stay together."""

import math
from dataclasses import dataclass

import numpy as np

from go_gym.partitions import Partition
from go_gym.partitions.bounded import bounded_partition
from go_gym.partitions.quotient import directed_edges
from go_gym.problem import Problem

from .networks import TANH_BOUND, TEMPERATURE

NEAR, FAR = -6.0, -12.0
"""Logits, beside 0 for a unit's home, of groups that it shares tensors with, and of others."""
CHANGES_WITHIN = 0.4
"""Changes of device inside layers that a sample has at first, on average, all layers together."""
CHANGES_BETWEEN = 2.0
"""Changes of device from layer to layer, on average, times devices, short of drawing evenly."""


@dataclass(frozen=True, eq=False)
class Start:
    """U units, each with a home among G groups, which lie in the order of their layers.

    Attributes:
        units: the unit of each op.
        logits: (U, G) float32, added to the grouper's: most likely a unit is at home.
        stay: (G,) float32, how far each group leans to the device of the one before it.
    """

    units: Partition
    logits: np.ndarray
    stay: np.ndarray


def start_of(problem: Problem, groups: int, most_units: int) -> Start:
    """Units and groups by :func:`bounded_partition`: METIS's parts of each layer, at two scales."""
    units = bounded_partition(problem, most_units)
    coarse = bounded_partition(problem, groups)
    layer = problem.graph.layer[coarse.longest(problem.mean_durations)]
    order = np.argsort(layer, kind="stable")
    rank = np.empty(coarse.count, dtype=np.int64)
    rank[order] = np.arange(coarse.count)
    home = rank[coarse.part_of[units.longest(problem.mean_durations)]]
    logits = first_logits(problem, units, home, coarse.count)
    return Start(units, logits, first_stay(layer[order], problem.num_devices))


def first_logits(problem: Problem, units: Partition, home: np.ndarray, groups: int) -> np.ndarray:
    """(U, groups) float32: 0 at ``home`` (U,), NEAR where a neighbour is at home, else FAR."""
    source, target, _ = directed_edges(problem, units)
    logits = np.full((units.count, groups), FAR, dtype=np.float32)
    logits[source, home[target]] = NEAR
    logits[target, home[source]] = NEAR
    logits[np.arange(units.count), home] = 0.0
    return logits


def first_stay(layer: np.ndarray, devices: int) -> np.ndarray:
    """(G,) float32: for groups of ``layer`` (G,), in that order, so many changes of device."""
    begins = np.diff(layer, prepend=layer[:1]) != 0
    between = min(CHANGES_BETWEEN * devices / max(int(begins.sum()), 1), 1.0)
    within = min(CHANGES_WITHIN / len(layer), 1.0)
    return np.where(begins, lean(between, devices), lean(within, devices)).astype(np.float32)


def lean(change: float, devices: int) -> float:
    """l such that C·tanh(l / T) for the last device, and its negative for each other, leaves it
    with probability ``change``, or evenly where that is more; C sets the least."""
    even = 1 - 1 / devices
    if devices == 1 or change >= even:
        return 0.0
    half = math.log((devices - 1) * (1 - change) / change) / 2
    return TEMPERATURE * math.atanh(min(half / TANH_BOUND, 0.99))
