"""Training: on one problem within its budget, or on many in turn before any is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.problem import Problem

from ..common.checkpoint import restore_training, training_tensors
from ..common.curves import Recorder
from ..common.devices import training_device
from ..common.training import save_training
from .config import NetworkConfig, SearchConfig
from .episode import Episode
from .model import GONetwork
from .ppo import learn_odds, update
from .rollout import Rollout
from .saving import episode_numbers, episode_tensors, restore_episode
from .schedule import stage

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
        from_best: look at what the classical heuristics decide first.
        device: where the network is; default the GPU where there is one.

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
        from_best: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        self.problems, self.calls, self.seed, self.search = tuple(problems), calls, seed, search
        self.device = training_device(device)
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.network = fresh_network(network, seed, weights).to(self.device)
        self.optimizer = torch.optim.Adam(
            parameter_groups(self.network, search), lr=search.learning_rate
        )
        self.episodes = [
            Episode(problem, network, search, self.random, self.device, scheduled, from_best)
            for problem in self.problems
        ]
        self.kind = {"scheduled": scheduled, "from_best": from_best}
        self.updates = 0

    @property
    def record(self) -> Recorder:
        """The curve of the first problem, the only one for an agent."""
        return self.episodes[0].record

    @property
    def used(self) -> int:
        """Simulator calls so far, those before a stop included."""
        return sum(episode.record.calls for episode in self.episodes)

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
                save_training(self, folder)
        if folder is not None:
            save_training(self, folder)

    def _step(self, budgets: Sequence[Budget]) -> None:
        search = self.search
        left = max(1 - self.used / max(self.calls, 1), 0.0)
        if len(self.episodes) == 1:
            rollouts = [self.scheduled_round(self.episodes[0], budgets[0], self.calls)]
        else:
            count = min(search.problems_per_update, len(self.episodes))
            chosen = self.random.choice(len(self.episodes), count, replace=False).tolist()
            rollouts = [self._episode_round(i, budgets[i]) for i in chosen]
        if search.learn:
            update(self.network, self.optimizer, rollouts, search, search.entropy * left)
            tried = [episode.tried for episode in self.episodes]
            learn_odds(self.network.move_head, self.optimizer, tried, search, self.random)
        self.updates += 1

    def scheduled_round(self, episode: Episode, budget: Budget, calls: int) -> Rollout:
        """The next round of an episode that gets ``calls`` in all, as the schedule has it."""
        now = stage(episode.record.calls, calls, episode.encoding.units.count, self.search)
        if now.number >= episode.state.restarts:
            episode.state.restarts = now.number
            if now.anew:
                episode.state.restart()
            else:
                episode.state.resume_best()
        return episode.collect(
            self.network, budget, now.refines, now.progress, now.temperature, now.calls
        )

    def _episode_round(self, number: int, budget: Budget) -> Rollout:
        """A round of one of several problems: from nothing, or from its best decision so far."""
        episode = self.episodes[number]
        state = episode.state
        if state.round >= self.search.rounds:
            if self.random.random() < 0.5:
                state.restart()
            else:
                state.resume_best()
        refines = state.round > 0 or state.current is not None
        progress, temperature = self.random.random(), self.search.cooling.later
        return episode.collect(self.network, budget, refines, progress, temperature)

    def identity(self) -> dict[str, Any]:
        """What must be the same for training to go on from a checkpoint."""
        return {
            "agent": "go",
            "problems": [
                [p.task, p.graph.content_hash, p.cluster.content_hash] for p in self.problems
            ],
            "seed": self.seed,
            **self.kind,
            "network": vars(self.network.config),
            "search": self.search.numbers(),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Weights, optimizer, chance and decisions, for a checkpoint."""
        tensors = training_tensors(self.network, self.optimizer, self.generator)
        for number, episode in enumerate(self.episodes):
            tensors |= episode_tensors(episode, f"episode.{number}")
        return tensors

    def state(self) -> dict[str, Any]:
        """The rest, as JSON."""
        return {
            "calls": self.calls,
            "updates": self.updates,
            "random": self.random.bit_generator.state,
            "episodes": [episode_numbers(episode) for episode in self.episodes],
        }

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Put back what :meth:`tensors` and :meth:`state` gave."""
        restore_training(tensors, self.network, self.optimizer, self.generator)
        for number, episode in enumerate(self.episodes):
            restore_episode(episode, f"episode.{number}", tensors, state["episodes"][number])
        self.random.bit_generator.state = state["random"]
        self.calls, self.updates = state["calls"], state["updates"]


def parameter_groups(network: GONetwork, search: SearchConfig) -> list[dict[str, Any]]:
    """The heads that see few features learn faster than the rest."""
    quick = [network.move_head, network.score_skip, network.change_skip]
    heads = [parameter for module in quick for parameter in module.parameters()]
    known = {id(parameter) for parameter in heads}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
    return [{"params": rest}, {"params": heads, "lr": search.head_rate}]


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
