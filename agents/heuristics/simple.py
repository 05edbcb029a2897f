"""Placements by rule: one device, random, round-robin, contiguous, by layers."""

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.baselines.placements import contiguous_balanced, human_expert, single_device
from go_gym.partitions import attached_partition
from go_gym.problem import Decision, Problem


class SingleDevice:
    """Everything on the fastest device that holds it."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """:func:`go_gym.baselines.placements.single_device`; no simulator call."""
        return Decision(placement=single_device(problem))


class Random:
    """Each group of ops on a device drawn by the seed; co-location kept, views with producers."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """A uniform draw for each group; no simulator call."""
        groups = attached_partition(problem)
        drawn = np.random.default_rng(seed).integers(0, problem.num_devices, groups.count)
        return Decision(placement=drawn[groups.part_of])


class RoundRobin:
    """Groups of ops dealt out in topological order, one device after the other."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Group i on device i modulo devices; no simulator call."""
        return Decision(placement=attached_partition(problem).part_of % problem.num_devices)


class Contiguous:
    """The topological order cut into one piece of equal work for each device."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """:func:`go_gym.baselines.placements.contiguous_balanced`; no simulator call."""
        return Decision(placement=contiguous_balanced(problem))


class HumanExpert:
    """Cut along the layers, as the papers' authors did for each family of models."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """:func:`go_gym.baselines.placements.human_expert`; no simulator call."""
        return Decision(placement=human_expert(problem))
