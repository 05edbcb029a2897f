"""Where a pipeline may be cut: between layers, whole residual blocks on one side."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.errors import GoGymError
from go_gym.graph import PHASES
from go_gym.pipeline.passes import Kind, step_parts
from go_gym.problem import Problem

FORWARD = PHASES.index("forward")
NEAR = 8
CONTEXT = 3
PARTED = 0.25


@dataclass(frozen=True, eq=False)
class Blocks:
    """Layers in their order of execution, joined where a cut would part a residual block.

    A residual stream is one tensor between blocks, and more within one: a boundary between two
    layers is no cut where fewer tensors cross, by more than the share ``PARTED``, forward, at one
    of the ``NEAR`` boundaries before and at one of those after (our choice; no name of a module is
    read). Tensors that more than
    ``CONTEXT`` layers use, as masks and positions, do not count.

    Attributes:
        problem: the captured step.
        block_of: (n,) int64, of each op, by its layer; -1 without one.
        count: number of blocks.
    """

    problem: Problem
    block_of: np.ndarray
    count: int

    @classmethod
    def of(cls, problem: Problem) -> "Blocks":
        """The blocks of a problem's graph; raises GoGymError where it has no layers."""
        graph = problem.graph
        forward = (graph.phase == FORWARD) & (graph.layer >= 0)
        if not forward.any():
            raise GoGymError(f"graph {graph.name!r}: no layers, which a pipeline is cut along")
        depth = np.full(len(graph.layers), np.inf)
        np.minimum.at(depth, graph.layer[forward], np.flatnonzero(forward))
        place = np.argsort(np.argsort(depth, kind="stable"))  # of each layer, by its first op
        at = np.where(graph.layer >= 0, place[np.maximum(graph.layer, 0)], -1)
        crossing = _crossing(problem, at, len(graph.layers))
        allowed = ~np.array([_within(crossing, k) for k in range(len(crossing))], dtype=bool)
        block = np.concatenate([[0], np.cumsum(allowed)])
        return cls(problem, np.where(at >= 0, block[np.maximum(at, 0)], -1), int(block[-1]) + 1)

    def stages(self, cuts: np.ndarray) -> np.ndarray:
        """(n,) int64: the stage of each op under ``cuts`` (stages + 1,); -1 without a layer."""
        stage = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
        return np.append(stage, -1)[self.block_of]

    @cached_property
    def work(self) -> np.ndarray:
        """(blocks,) float64 ns: what a block's ops take in all, forward, backward and update."""
        tagged = self.block_of >= 0
        return np.bincount(self.block_of[tagged], self.problem.mean_durations[tagged], self.count)

    @cached_property
    def parameters(self) -> np.ndarray:
        """(blocks,) int64 bytes resident."""
        tagged = self.block_of >= 0
        sums = np.zeros(self.count, dtype=np.int64)
        np.add.at(sums, self.block_of[tagged], self.problem.graph.parameter_bytes[tagged])
        return sums


def _within(crossing: np.ndarray, k: int) -> bool:
    """Is boundary ``k`` inside a block?"""
    before, after = crossing[max(k - NEAR, 0) : k], crossing[k + 1 : k + 1 + NEAR]
    few = (1 - PARTED) * crossing[k]
    return bool((before < few).any() and (after < few).any())


def _crossing(problem: Problem, at: np.ndarray, layers: int) -> np.ndarray:
    """(layers - 1,) int64: forward activations that are made up to each boundary and used after."""
    graph = problem.graph
    forward = (graph.phase == FORWARD) & (at >= 0)
    resident = step_parts(graph).kind == Kind.RESIDENT
    maker, user = graph.use_producer, graph.use_consumer
    among = forward[maker] & forward[user] & ~resident[maker]
    tensor = graph.use_tensor[among]
    first = np.full(graph.num_tensors, -1)
    last = np.full(graph.num_tensors, -1)
    first[tensor] = at[maker[among]]
    np.maximum.at(last, tensor, at[user[among]])
    layers_using = np.unique(np.stack([tensor, at[user[among]]]), axis=1)[0]
    context = np.bincount(layers_using, minlength=graph.num_tensors) > CONTEXT
    crosses = np.flatnonzero((last > first) & ~context)
    change = np.zeros(layers + 1, dtype=np.int64)
    np.add.at(change, first[crosses], 1)
    np.add.at(change, last[crosses], -1)
    return np.cumsum(change)[: layers - 1]
