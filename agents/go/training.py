"""Training: on one problem within a budget, or on many in turn before any is asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.errors import AgentError
from go_gym.problem import Problem

from ..common.checkpoint import restore_training, save_checkpoint, training_tensors
from ..common.curves import CurvePoint, LearningCurve
from .config import NetworkConfig, SearchConfig
from .episode import Episode
from .model import GONetwork
from .ppo import update

CHECKPOINT_EVERY = 10
"""Updates between two checkpoints of a training that writes any."""


class Training:
    """A network in training on one problem; what a checkpoint holds and goes on from.

    Args:
        problem: what is decided about.
        calls: simulator calls that the whole training may take; schedules refer to it.
        seed: all chance comes from it.
        network, search: configurations.
        weights: of a network to begin with; None: fresh ones.
        scheduled: decide placements under critical-path priorities.
        device: default the GPU where there is one.

    Attributes:
        updates: policy updates so far.
        curve: what the samples were worth, update by update.
        episode: the decisions so far.
    """

    def __init__(
        self,
        problem: Problem,
        calls: int,
        seed: int,
        network: NetworkConfig,
        search: SearchConfig,
        weights: Mapping[str, Tensor] | None = None,
        scheduled: bool = False,
        device: torch.device | None = None,
    ) -> None:
        self.problem, self.calls, self.seed, self.search = problem, calls, seed, search
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.network = fresh_network(network, seed, weights).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=search.learning_rate)
        self.episode = Episode(problem, network, search, self.random, self.device, scheduled)
        self.updates = 0
        self.curve = LearningCurve()

    def run(self, budget: Budget, updates: int | None = None, folder: Path | None = None) -> None:
        """Train until ``budget`` is used up or, if given, for so many ``updates`` in all.

        With ``folder``, a checkpoint lies there after every CHECKPOINT_EVERY updates and at the
        end.
        """
        while budget.remaining and (updates is None or self.updates < updates):
            self._step(budget)
            if folder is not None and self.updates % CHECKPOINT_EVERY == 0:
                self.save(folder)
        if folder is not None:
            self.save(folder)

    def _step(self, budget: Budget) -> None:
        search, progress = self.search, self.curve.calls / max(self.calls, 1)
        later = progress >= search.first_round
        rollout = self.episode.collect(
            self.network, budget, search.samples, later, search.heat * max(1 - progress, 0.0)
        )
        self.curve.note(rollout.results)
        if search.learn and rollout.batches:
            weight = search.entropy * max(1 - progress, 0.0)
            update(self.network, self.optimizer, [rollout], search, weight)
        self.updates += 1

    def identity(self) -> dict[str, Any]:
        """What must be the same for training to go on from a checkpoint."""
        return {
            "agent": "go",
            "graph": self.problem.graph.content_hash,
            "cluster": self.problem.cluster.content_hash,
            "task": self.problem.task,
            "seed": self.seed,
            "network": vars(self.network.config),
            "search": {**vars(self.search), "coarse": list(self.search.coarse)},
        }

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint folder: weights, optimizer, chance, decisions and curve."""
        save_checkpoint(
            folder,
            {
                **training_tensors(self.network, self.optimizer, self.generator),
                **self.episode.tensors(),
            },
            {
                "identity": self.identity(),
                "calls": self.calls,
                "updates": self.updates,
                "random": self.random.bit_generator.state,
                "episode": self.episode.numbers(),
                "curve": [list(vars(point).values()) for point in self.curve.points],
            },
        )

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take over a checkpoint; raises AgentError if it is of something else."""
        if state.get("identity") != self.identity():
            raise AgentError(
                f"the checkpoint is of {state.get('identity')}, expected {self.identity()}"
            )
        restore_training(tensors, self.network, self.optimizer, self.generator)
        self.episode.restore(tensors, state["episode"])
        self.random.bit_generator.state = state["random"]
        self.calls, self.updates = state["calls"], state["updates"]
        self.curve = LearningCurve([CurvePoint(*point) for point in state["curve"]])


def fresh_network(
    config: NetworkConfig, seed: int, weights: Mapping[str, Tensor] | None = None
) -> GONetwork:
    """A network initialised from ``seed`` alone, or with ``weights``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GONetwork(config)
    if weights is not None:
        network.load_state_dict(dict(weights))
    return network
