"""Plans that keep layers whole: each device a stretch of them, as runtimes can express."""

import numpy as np

from go_gym.agent import Budget
from go_gym.baselines.placements import settle
from go_gym.baselines.priorities import PRIORITIES, prioritised
from go_gym.errors import GoGymError
from go_gym.pipeline import CUTS, Blocks
from go_gym.problem import Decision, Problem

WHOLE_LAYERS = "whole-layers"
"""The name under which such a plan stands among agents."""
CALLS = 300
"""Simulator calls to find one, at most (our choice)."""


def whole_layers(problem: Problem, budget: int = CALLS) -> Decision | None:
    """The fastest placement found among cuts of the graph into stretches of whole blocks.

    Every cut by rule into one stage and more, under either rule of priorities, then the best one
    with single boundaries moved while that gains (our choice). Ops without a layer follow their
    inputs.

    Args:
        problem: task placement.
        budget: simulator calls, at most ``CALLS`` of which are used.

    Returns:
        None for a graph without layers, and where no such plan is valid.
    """
    try:
        blocks = Blocks.of(problem)
    except GoGymError:
        return None
    search = _Search(blocks, Budget(problem, min(budget, CALLS)))
    for stages in range(1, min(problem.num_devices, blocks.count) + 1):
        for cut in CUTS.values():
            search.tries(cut(blocks, stages))
    while search.improves():
        pass
    best = search.budget.best
    return None if best is None else Decision(best.placement)


class _Search:
    def __init__(self, blocks: Blocks, budget: Budget) -> None:
        self.blocks, self.budget = blocks, budget
        self.best: np.ndarray | None = None
        self.seen: set[tuple[int, ...]] = set()

    def tries(self, cuts: np.ndarray) -> bool:
        """Simulate a cut that is new; is it the best?"""
        key = tuple(cuts.tolist())
        if key in self.seen or self.budget.remaining < len(PRIORITIES):
            return False
        self.seen.add(key)
        placement = settle(self.blocks.problem, self.blocks.stages(cuts))
        before = self.budget.best_step_time_ns
        for rule in PRIORITIES:
            self.budget.evaluate(prioritised(self.blocks.problem, Decision(placement), rule))
        if self.budget.best_step_time_ns != before:
            self.best = cuts
            return True
        return False

    def improves(self) -> bool:
        """Move each boundary of the best cut by a block; was that better?"""
        if self.best is None:
            return False
        for boundary in range(1, len(self.best) - 1):
            for step in (-1, 1):
                moved = self.best.copy()
                moved[boundary] += step
                if (np.diff(moved) > 0).all() and self.tries(moved):
                    return True
        return False
