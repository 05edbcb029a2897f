"""Cuts of blocks into stages: even by number, by parameters, or the heaviest as light as can be.

Each gives (stages + 1,) int64: stage s has the blocks from ``cuts[s]`` to before ``cuts[s + 1]``,
at least one.
"""

import numpy as np

from go_gym.errors import GoGymError
from go_gym.pipeline.stages import Blocks


def uniform(blocks: Blocks, stages: int) -> np.ndarray:
    """As many blocks a stage."""
    _check(blocks, stages)
    return np.arange(stages + 1) * blocks.count // stages


def uniform_parameters(blocks: Blocks, stages: int) -> np.ndarray:
    """As many parameters a stage: the heaviest stage's are as few as can be."""
    return lightest(blocks.parameters.astype(np.float64), stages, blocks)


def balanced(blocks: Blocks, stages: int) -> np.ndarray:
    """As much work a stage: the slowest stage is as fast as any cut makes it, exactly, as the
    dynamic programs of PipeDream (Narayanan et al., SOSP 2019, section 3.1) and Piper (Tarnawski
    et al., NeurIPS 2021) find for one model replica. Transfers, which overlap with work, do not
    count (our choice)."""
    return lightest(blocks.work, stages, blocks)


def lightest(load: np.ndarray, stages: int, blocks: Blocks) -> np.ndarray:
    """The cut of ``load`` (blocks,) whose heaviest stage is the lightest, by dynamic programming;
    of several such the one whose last stages begin first."""
    _check(blocks, stages)
    count = len(load)
    sums = np.concatenate([[0.0], np.cumsum(load)])
    best = np.full((stages + 1, count + 1), np.inf)  # heaviest of s stages of the first b blocks
    came = np.zeros((stages + 1, count + 1), dtype=np.int64)
    best[0, 0] = 0.0
    for stage in range(1, stages + 1):
        for end in range(stage, count - (stages - stage) + 1):
            begins = np.arange(stage - 1, end)
            heaviest = np.maximum(best[stage - 1, begins], sums[end] - sums[begins])
            at = int(heaviest.argmin())
            best[stage, end], came[stage, end] = heaviest[at], begins[at]
    cuts = np.zeros(stages + 1, dtype=np.int64)
    cuts[stages] = count
    for stage in range(stages, 0, -1):
        cuts[stage - 1] = came[stage, cuts[stage]]
    return cuts


CUTS = {"uniform": uniform, "parameters": uniform_parameters, "balanced": balanced}
"""By name, for blocks and a number of stages."""


def check_cuts(cuts: np.ndarray, blocks: Blocks) -> None:
    """Raise GoGymError unless each stage has a block, and all have one stage."""
    whole = cuts.ndim == 1 and len(cuts) > 1 and cuts[0] == 0 and cuts[-1] == blocks.count
    if not whole or (np.diff(cuts) < 1).any():
        raise GoGymError(f"cuts: {cuts.tolist()}, expected 0, rising numbers, {blocks.count}")


def _check(blocks: Blocks, stages: int) -> None:
    if not 1 <= stages <= blocks.count:
        raise GoGymError(
            f"graph {blocks.problem.graph.name!r}: {stages} stages, expected 1 to {blocks.count}, "
            "as it has so many blocks"
        )
