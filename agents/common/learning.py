"""What agents share that learn to place: a policy of one network, improved update by update."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from go_gym.agent import Budget
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

from .checkpoint import restore_training, training_tensors
from .curves import Recorder
from .training import TrainedAgent, save_training


class Learner(ABC):
    """A policy in training on one problem.

    A subclass makes ``model`` and ``optimizer`` and calls :meth:`note` for each batch it had
    simulated. Random numbers come from ``generator`` alone, so that the same seed decides alike.

    Attributes:
        problem: what is decided about.
        calls: simulator calls that the whole training may take; schedules refer to it.
        updates: policy updates so far.
        record: what the samples were worth, batch by batch.
        best: (n,) int64, the best valid placement sampled so far, None before the first.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, problem: Problem, calls: int, seed: int) -> None:
        self.problem, self.calls, self.seed = problem, calls, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.updates = 0
        self.record = Recorder()
        self.best: np.ndarray | None = None

    @abstractmethod
    def update(self, budget: Budget) -> bool:
        """Sample, simulate through ``budget``, improve the policy; False if calls are lacking."""

    @abstractmethod
    def sample(self) -> np.ndarray:
        """(n,) int64: a placement of the policy as it is, without a simulator call."""

    def note(self, placements: Sequence[np.ndarray], results: Sequence[Result]) -> None:
        """Keep the best of a simulated batch, and the batch in the record."""
        known = self.record.best_step_time_ns
        self.record.note(results)
        best = self.record.best_step_time_ns
        if best != known:
            self.best = next(
                placement
                for placement, result in zip(placements, results, strict=True)
                if result.valid and result.step_time_ns == best
            )

    def identity(self) -> dict[str, Any]:
        """What must be the same for training to go on from a checkpoint."""
        return {
            "learner": type(self).__name__,
            "graph": self.problem.graph.content_hash,
            "cluster": self.problem.cluster.content_hash,
            "seed": self.seed,
        }

    def state(self) -> dict[str, Any]:
        """Numbers, as JSON, that training goes on from; subclasses add theirs."""
        return {"calls": self.calls, "updates": self.updates, "record": self.record.numbers()}

    def tensors(self) -> dict[str, Tensor]:
        """Tensors that training goes on from; subclasses add theirs."""
        found = training_tensors(self.model, self.optimizer, self.generator)
        if self.best is not None:
            found["best"] = torch.from_numpy(self.best.copy())
        return found

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take over what :meth:`tensors` and :meth:`state` gave."""
        restore_training(tensors, self.model, self.optimizer, self.generator)
        self.calls, self.updates = state["calls"], state["updates"]
        self.record = Recorder.of(state["record"])
        self.best = tensors["best"].numpy() if "best" in tensors else None


class LearningAgent(TrainedAgent[Learner]):
    """An agent that places, and learns to on the problem itself.

    Args:
        checkpoint: see :class:`TrainedAgent`; written every ``CHECKPOINT_EVERY`` updates.
    """

    version = "1"
    ran_on = "cpu"
    CHECKPOINT_EVERY = 50

    @abstractmethod
    def learner_for(self, problem: Problem, calls: int, seed: int) -> Learner:
        """A policy that has learned nothing yet."""

    def begin(self, problem: Problem, budget: Budget, seed: int) -> Learner:
        """See :meth:`learner_for`."""
        return self.learner_for(problem, budget.simulations, seed)

    def run(self, training: Learner, budget: Budget) -> None:
        """Update until calls are lacking."""
        while training.update(budget):
            if self.checkpoint is not None and training.updates % self.CHECKPOINT_EVERY == 0:
                save_training(training, self.checkpoint)
        if self.checkpoint is not None:
            save_training(training, self.checkpoint)

    def answer(self, training: Learner, budget: Budget) -> Decision:
        """The best placement sampled; without a valid one, a sample of the policy as it is."""
        return Decision(training.sample() if training.best is None else training.best)
