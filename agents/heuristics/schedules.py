"""Priorities by rule, on the placement that the task gives."""

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.baselines.priorities import critical_path, frees_most
from go_gym.problem import Decision, Problem

LEVELS = 8
"""Levels that random priorities are drawn from: those of GO-Scheduling-v0."""


class PriorityRule:
    """What the rules share: the given placement, and priorities on it."""

    version = "1"
    reproducible = EXACT
    tasks = ("scheduling",)

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The rule's priorities; no simulator call."""
        placement = np.asarray(problem.placement)
        return Decision(placement, self.priority(problem, placement, seed))

    def priority(self, problem: Problem, placement: np.ndarray, seed: int) -> np.ndarray:
        """(n,) int64."""
        raise NotImplementedError


class Fifo(PriorityRule):
    """First in, first out: all priorities are equal."""

    def priority(self, problem: Problem, placement: np.ndarray, seed: int) -> np.ndarray:
        """(n,) int64: zeros."""
        return np.zeros(problem.num_ops, dtype=np.int64)


class CriticalPath(PriorityRule):
    """The longest path to the end first: list scheduling by upward rank."""

    def priority(self, problem: Problem, placement: np.ndarray, seed: int) -> np.ndarray:
        """(n,) int64: longest path from each op to the end."""
        return critical_path(problem, placement)


class MemoryAware(PriorityRule):
    """What frees most memory first."""

    def priority(self, problem: Problem, placement: np.ndarray, seed: int) -> np.ndarray:
        """(n,) int64: bytes that each op frees less those that it takes."""
        return frees_most(problem)


class RandomPriorities(PriorityRule):
    """Each op's priority drawn by the seed."""

    def priority(self, problem: Problem, placement: np.ndarray, seed: int) -> np.ndarray:
        """(n,) int64: drawn from 0 … LEVELS − 1."""
        return np.random.default_rng(seed).integers(0, LEVELS, problem.num_ops)
