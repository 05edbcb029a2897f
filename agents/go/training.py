"""Training: on one problem within its budget, or on many in turn before any is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.errors import AgentError
from go_gym.problem import Problem

from ..common.checkpoint import restore_training, save_checkpoint, training_tensors
from .config import NetworkConfig, SearchConfig
from .episode import Episode, Rollout
from .model import GONetwork
from .ppo import update

CHECKPOINT_EVERY = 10
"""Updates between two checkpoints of a training that writes any."""


class Training:
    """A network in training; what a checkpoint holds and goes on from.

    On one problem the rounds go on until the budget ends (GO-one, fine-tuning). On several, an
    update takes a few of them at random, and each begins anew with a first round after
    ``search.rounds`` rounds (pre-training); rewards are normalised by each problem's own spread.

    Args:
        problems: what is decided about.
        calls: simulator calls that the whole training may take; schedules refer to it.
        seed: all chance comes from it.
        network, search: configurations.
        weights: of a network to begin with; None: fresh ones.
        scheduled: decide placements under critical-path priorities.
        device: default the GPU where there is one.

    Attributes:
        updates: policy updates so far.
        episodes: the decisions so far, one of each problem.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        calls: int,
        seed: int,
        network: NetworkConfig,
        search: SearchConfig,
        weights: Mapping[str, Tensor] | None = None,
        scheduled: bool = False,
        device: torch.device | None = None,
    ) -> None:
        self.problems, self.calls, self.seed, self.search = tuple(problems), calls, seed, search
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.network = fresh_network(network, seed, weights).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=search.learning_rate)
        self.episodes = [
            Episode(problem, network, search, self.random, self.device, scheduled)
            for problem in self.problems
        ]
        self.updates = 0

    @property
    def used(self) -> int:
        """Simulator calls so far, those before a stop included."""
        return sum(episode.curve.calls for episode in self.episodes)

    def run(
        self, budgets: Sequence[Budget], updates: int | None = None, folder: Path | None = None
    ) -> None:
        """Train until ``calls`` are used or, if given, for so many ``updates`` in all.

        Args:
            budgets: of each problem, in their order.
            updates: how many in all.
            folder: gets a checkpoint every CHECKPOINT_EVERY updates and at the end.
        """
        while (
            self.used < self.calls
            and any(budget.remaining for budget in budgets)
            and (updates is None or self.updates < updates)
        ):
            self._step(budgets)
            if folder is not None and self.updates % CHECKPOINT_EVERY == 0:
                self.save(folder)
        if folder is not None:
            self.save(folder)

    def _step(self, budgets: Sequence[Budget]) -> None:
        search = self.search
        left = max(1 - self.used / max(self.calls, 1), 0.0)
        if len(self.episodes) == 1:
            rollouts = [self._started_round(budgets[0], 1 - left)]
        else:
            count = min(search.problems_per_update, len(self.episodes))
            chosen = self.random.choice(len(self.episodes), count, replace=False).tolist()
            rollouts = [self._episode_round(i, budgets[i]) for i in chosen]
        rollouts = [each for each in rollouts if each.batches or each.target is not None]
        if search.learn and rollouts:
            update(self.network, self.optimizer, rollouts, search, search.entropy * left)
        self.updates += 1

    def _started_round(self, budget: Budget, progress: float) -> Rollout:
        """A round of a single problem: of its first starts, or of the best of them."""
        episode, search = self.episodes[0], self.search
        start = int(progress / search.start)
        if start < search.starts:
            if start >= episode.restarts:
                episode.restart()
            later = progress - start * search.start >= search.first_round
        else:
            if episode.restarts == search.starts:
                episode.resume_best()
            later = True
        return episode.collect(self.network, budget, later, search.heat * (1 - progress))

    def _episode_round(self, number: int, budget: Budget) -> Rollout:
        episode = self.episodes[number]
        if episode.round >= self.search.rounds:
            episode.restart()
        return episode.collect(self.network, budget, episode.round > 0, self.search.heat)

    def identity(self) -> dict[str, Any]:
        """What must be the same for training to go on from a checkpoint."""
        return {
            "agent": "go",
            "problems": [
                [p.task, p.graph.content_hash, p.cluster.content_hash] for p in self.problems
            ],
            "seed": self.seed,
            "network": vars(self.network.config),
            "search": {**vars(self.search), "coarse": list(self.search.coarse)},
        }

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint folder: weights, optimizer, chance, decisions and curves."""
        tensors = training_tensors(self.network, self.optimizer, self.generator)
        for number, episode in enumerate(self.episodes):
            tensors |= episode.tensors(f"episode.{number}")
        state = {
            "identity": self.identity(),
            "calls": self.calls,
            "updates": self.updates,
            "random": self.random.bit_generator.state,
            "episodes": [episode.numbers() for episode in self.episodes],
        }
        save_checkpoint(folder, tensors, state)

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take over a checkpoint; raises AgentError if it is of something else."""
        if state.get("identity") != self.identity():
            raise AgentError(
                f"the checkpoint is of {state.get('identity')}, expected {self.identity()}"
            )
        restore_training(tensors, self.network, self.optimizer, self.generator)
        for number, episode in enumerate(self.episodes):
            episode.restore(f"episode.{number}", tensors, state["episodes"][number])
        self.random.bit_generator.state = state["random"]
        self.calls, self.updates = state["calls"], state["updates"]


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
