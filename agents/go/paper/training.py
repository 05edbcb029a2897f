"""Training of the published method, and the checkpoint that it goes on from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.errors import AgentError
from go_gym.problem import Problem

from ...common.checkpoint import restore_training, save_checkpoint, training_tensors
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
        while self.case.curve.calls < self.calls and budget.remaining:
            self.step(budget)
            if folder is not None and self.updates % CHECKPOINT_EVERY == 0:
                self.save(folder)
        if folder is not None:
            self.save(folder)

    def step(self, budget: Budget) -> None:
        """One rollout, and PPO on it."""
        s = self.settings
        left = 1 - self.case.curve.calls / self.calls
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

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint folder: weights, optimizer, chance, the best decision, the curve."""
        tensors = training_tensors(self.network, self.optimizer, self.generator)
        state = {
            "identity": self.identity(),
            "calls": self.calls,
            "updates": self.updates,
            "case": self.case.numbers(),
        }
        save_checkpoint(folder, tensors | self.case.tensors("best"), state)

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take over a checkpoint; raises AgentError if it is of something else."""
        if state.get("identity") != self.identity():
            raise AgentError(
                f"the checkpoint is of {state.get('identity')}, expected {self.identity()}"
            )
        restore_training(tensors, self.network, self.optimizer, self.generator)
        self.case.restore("best", tensors, state["case"])
        self.calls, self.updates = state["calls"], state["updates"]


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread inside: several runs side by side do not get into each other's way,
    and sums do not hang on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
