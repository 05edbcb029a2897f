"""What agents that learn on the problem itself share: the budget, the answer, going on later."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from go_gym.agent import Budget
from go_gym.errors import AgentError
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

from .checkpoint import load_checkpoint, restore_training, save_checkpoint, training_tensors
from .curves import CurvePoint, LearningCurve


class Learner(ABC):
    """A policy in training on one problem.

    A subclass makes ``model`` and ``optimizer`` and calls :meth:`note` for each batch it had
    simulated. Random numbers come from ``generator`` alone, so that the same seed decides alike.

    Attributes:
        problem: what is decided about.
        calls: simulator calls that the whole training may take; schedules refer to it.
        updates: policy updates so far.
        curve: what the samples were worth, batch by batch.
        best: (n,) int64, the best valid placement sampled so far, None before the first.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, problem: Problem, calls: int, seed: int) -> None:
        self.problem, self.calls, self.seed = problem, calls, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.updates = 0
        self.curve = LearningCurve()
        self.best: np.ndarray | None = None

    @abstractmethod
    def update(self, budget: Budget) -> bool:
        """Sample, simulate through ``budget``, improve the policy; False if calls are lacking."""

    @abstractmethod
    def sample(self) -> np.ndarray:
        """(n,) int64: a placement of the policy as it is, without a simulator call."""

    def note(self, placements: Sequence[np.ndarray], results: Sequence[Result]) -> None:
        """Keep the best of a simulated batch, and the batch's point of the curve."""
        known = self.curve.points[-1].best_step_time_ns if self.curve.points else -1
        self.curve.note(results)
        best = self.curve.points[-1].best_step_time_ns
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
        return {
            "identity": self.identity(),
            "calls": self.calls,
            "updates": self.updates,
            "curve": [list(vars(point).values()) for point in self.curve.points],
        }

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
        self.curve = LearningCurve([CurvePoint(*point) for point in state["curve"]])
        self.best = tensors["best"].numpy() if "best" in tensors else None


class LearningAgent(ABC):
    """An agent whose ``solve`` is a training run on that very problem.

    Args:
        checkpoint: a folder to write to every ``CHECKPOINT_EVERY`` updates and at the end; None
            writes nothing. Killed or interrupted, the training goes on from there: ``load`` it
            into a new agent and ``train`` on the same problem and seed with the calls that are
            left (:attr:`calls_used` are spent).
    """

    version = "1"
    ran_on = "cpu"
    CHECKPOINT_EVERY = 50

    def __init__(self, checkpoint: str | Path | None = None) -> None:
        self.checkpoint = checkpoint
        self.learner: Learner | None = None
        self._loaded: tuple[dict[str, Tensor], dict[str, Any]] | None = None

    @abstractmethod
    def learner_for(self, problem: Problem, calls: int, seed: int) -> Learner:
        """A policy that has learned nothing yet."""

    @property
    def calls_used(self) -> int:
        """Simulator calls spent so far, those before a stop included."""
        if self.learner is not None:
            return self.learner.curve.calls
        if self._loaded is not None:
            points = self._loaded[1]["curve"]
            return points[-1][0] if points else 0
        return 0

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The best placement sampled while training on ``problem`` until the budget is used up.

        Without a valid one among them, a sample of the policy as it is then.
        """
        self.train([problem], budget, seed)
        learner = self.learner
        assert learner is not None
        return Decision(learner.sample() if learner.best is None else learner.best)

    def train(self, problems: Sequence[Problem], budget: Budget, seed: int) -> LearningCurve:
        """Train on the one problem until the budget lacks calls for another update.

        Goes on from a loaded checkpoint, once; otherwise starts afresh.

        Raises:
            AgentError: for several problems (these policies know one graph), for a budget of
                another problem, for a task that gives the placement, and if the checkpoint is of
                another problem or seed.
        """
        if len(problems) != 1 or problems[0] is not budget.problem:
            raise AgentError(
                f"{type(self).__name__}: trains on one problem, the budget's; got {len(problems)}"
            )
        task = problems[0].task
        if problems[0].placement is not None:
            raise AgentError(f"{type(self).__name__}: decides placements, task {task!r} gives one")
        learner = self.learner_for(problems[0], budget.simulations, seed)
        if self._loaded is not None:
            tensors, state = self._loaded
            if state.get("identity") != learner.identity():
                raise AgentError(
                    f"{type(self).__name__}: the checkpoint is of {state.get('identity')}, "
                    f"expected {learner.identity()}"
                )
            learner.restore(tensors, state)
            self._loaded = None
        self.learner = learner
        while learner.update(budget):
            if self.checkpoint is not None and learner.updates % self.CHECKPOINT_EVERY == 0:
                self.save(self.checkpoint)
        if self.checkpoint is not None:
            self.save(self.checkpoint)
        return learner.curve

    def save(self, path: str | Path) -> None:
        """Write a checkpoint folder; raises AgentError before any training."""
        if self.learner is None:
            raise AgentError(f"{type(self).__name__}: nothing trained yet, nothing to save")
        save_checkpoint(path, self.learner.tensors(), self.learner.state())

    def load(self, path: str | Path) -> None:
        """Read a checkpoint folder; the next ``train`` or ``solve`` goes on from it."""
        self._loaded, self.learner = load_checkpoint(path), None
