"""Fusion by rule; for the joint task on the framework's default placement."""

from dataclasses import replace

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.baselines.default import framework_default
from go_gym.baselines.metis import metis_placement
from go_gym.baselines.placements import human_expert, single_device
from go_gym.baselines.priorities import critical_path
from go_gym.fusion.greedy import default_fusion
from go_gym.problem import Decision, Problem

LEVELS = 20
"""Levels that random fusion is drawn from: those of GO-Fusion-v0."""


class FrameworkDefault:
    """Greedy fusion by the cost model's benefit, as XLA's priority fusion does it."""

    version = "1"
    reproducible = EXACT
    tasks = ("fusion", "joint")

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """:func:`go_gym.baselines.default.framework_default`; no simulator call of the budget's."""
        return framework_default(problem)


class NoFusion:
    """Every op a kernel of its own."""

    version = "1"
    reproducible = EXACT
    tasks = ("fusion", "joint")

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The default without its fusion; no simulator call of the budget's."""
        return replace(framework_default(problem), fusion=None)


class RandomFusion:
    """Each op's level drawn by the seed, 0 (not fused) among them."""

    version = "1"
    reproducible = EXACT
    tasks = ("fusion", "joint")

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The default with random levels; no simulator call of the budget's."""
        levels = np.random.default_rng(seed).integers(0, LEVELS, problem.num_ops)
        return replace(framework_default(problem), fusion=levels)


class OneByOne:
    """The tasks one after another: a classical placement, greedy fusion, critical-path priorities.

    What GO compares its joint policy with (NeurIPS 2020, section 4.4), with classical methods.
    """

    version = "1"
    reproducible = EXACT
    deterministic = True
    tasks = ("joint",)

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The best of three placements, fused and scheduled; at most three simulator calls."""
        decisions = []
        for place in (human_expert(problem), metis_placement(problem), single_device(problem)):
            fusion = default_fusion(problem, place)
            decisions.append(Decision(place, critical_path(problem, place), fusion))
        for decision in decisions[: budget.remaining]:
            budget.evaluate(decision)
        return budget.best or decisions[0]
