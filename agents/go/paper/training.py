"""Training of the published method, and the checkpoint that it goes on from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.problem import Problem

from ...common.checkpoint import restore_training, training_tensors
from ...common.curves import Recorder
from ...common.devices import one_thread
from ...common.training import save_training
from .case import Case
from .inputs import feature_count
from .network import PaperNetwork
from .ppo import collect, update
from .settings import PaperSettings

CHECKPOINT_EVERY = 10
"""Updates between two checkpoints of a training that writes any."""


class PaperTraining:
    """A network in training on one problem; what a checkpoint holds and goes on from.

    Args:
        problem: what is decided about.
        calls: simulator calls that the whole training may take; the entropy bonus falls with them.
        seed: all chance comes from it.
        settings: figures of the method.
    """

    def __init__(self, problem: Problem, calls: int, seed: int, settings: PaperSettings) -> None:
        self.calls, self.seed, self.settings = calls, seed, settings
        self.case = Case(problem, settings)
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = PaperNetwork(
                settings,
                feature_count(settings.neighbours),
                self.case.options,
                self.case.decides,
            )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate)
        self.updates = 0

    def run(self, budget: Budget, folder: Path | None = None) -> None:
        """Train until ``calls`` are used; ``folder`` gets checkpoints, and one at the end."""
        while self.case.record.calls < self.calls and budget.remaining:
            self.step(budget)
            if folder is not None and self.updates % CHECKPOINT_EVERY == 0:
                save_training(self, folder)
        if folder is not None:
            save_training(self, folder)

    def step(self, budget: Budget) -> None:
        """One rollout, and PPO on it."""
        s = self.settings
        left = 1 - self.case.record.calls / self.calls
        with one_thread():
            rollout = collect(self.network, self.case, budget, s, self.generator)
            weight = s.entropy * left
            update(self.network, self.optimizer, self.case, rollout, s, weight, self.generator)
        self.updates += 1

    def identity(self) -> dict[str, Any]:
        """What must be the same for training to go on from a checkpoint."""
        problem = self.case.problem
        return {
            "agent": "go:paper",
            "problem": [problem.task, problem.graph.content_hash, problem.cluster.content_hash],
            "seed": self.seed,
            "settings": vars(self.settings),
        }

    @property
    def record(self) -> Recorder:
        """What the decisions were worth, round by round."""
        return self.case.record

    def tensors(self) -> dict[str, Tensor]:
        """Weights, optimizer, chance and the best decision, for a checkpoint."""
        tensors = training_tensors(self.network, self.optimizer, self.generator)
        return tensors | self.case.tensors("best")

    def state(self) -> dict[str, Any]:
        """The rest, as JSON."""
        return {"calls": self.calls, "updates": self.updates, "case": self.case.numbers()}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Put back what :meth:`tensors` and :meth:`state` gave."""
        restore_training(tensors, self.network, self.optimizer, self.generator)
        self.case.restore("best", tensors, state["case"])
        self.calls, self.updates = state["calls"], state["updates"]
