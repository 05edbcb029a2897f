"""What all trained agents share: the one problem, checkpoints, going on after a stop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor

from go_gym.agent import Budget, Curve, tasks_of
from go_gym.errors import AgentError
from go_gym.problem import Decision, Problem

from .checkpoint import load_checkpoint, save_checkpoint
from .curves import Recorder
from .devices import own_torch


class Resumable(Protocol):
    """A training that can be stopped, kept in a checkpoint, and gone on with exactly."""

    @property
    def record(self) -> Recorder:
        """Its curve so far."""

    def identity(self) -> dict[str, Any]:
        """What must be the same for it to go on from a checkpoint, as JSON."""

    def state(self) -> dict[str, Any]:
        """Numbers that it goes on from, as JSON."""

    def tensors(self) -> dict[str, Tensor]:
        """Tensors that it goes on from."""

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take over what :meth:`tensors` and :meth:`state` gave."""


def save_training(training: Resumable, folder: str | Path) -> None:
    """Write a checkpoint folder; a kill at any moment leaves the old one or the new one."""
    state = {"identity": training.identity(), "used": training.record.calls, **training.state()}
    save_checkpoint(folder, training.tensors(), state)


def resume_training(
    training: Resumable, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Go on from what :func:`load_checkpoint` gave; raises AgentError if it is of another one."""
    if state.get("identity") != training.identity():
        raise AgentError(
            f"the checkpoint is of {state.get('identity')}, expected {training.identity()}"
        )
    training.restore(tensors, state)


T = TypeVar("T", bound=Resumable)


class TrainedAgent(ABC, Generic[T]):
    """An agent whose ``solve`` is a training run on that very problem.

    PyTorch runs on one intra-op thread meanwhile, or on as many as the environment variable
    ``GO_GYM_TORCH_THREADS`` asks for; its number of threads and its generator are as before then.

    Args:
        checkpoint: a folder to write to while training and at the end; None writes nothing.
            Killed or interrupted, the training goes on from there: ``load`` it into a new agent
            and ``train`` on the same problem and seed with the calls that are left
            (:attr:`calls_used` are spent).

    Attributes:
        training: the last one, None before the first.
    """

    version: str

    def __init__(self, checkpoint: str | Path | None = None) -> None:
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.training: T | None = None
        self._loaded: tuple[dict[str, Tensor], dict[str, Any]] | None = None

    @abstractmethod
    def begin(self, problem: Problem, budget: Budget, seed: int) -> T:
        """A training that has learned nothing yet."""

    @abstractmethod
    def run(self, training: T, budget: Budget) -> None:
        """Train until the budget lacks calls for another update, writing checkpoints if asked."""

    @abstractmethod
    def answer(self, training: T, budget: Budget) -> Decision:
        """What is decided after a training: the best decision sampled, where one was valid."""

    @property
    def calls_used(self) -> int:
        """Simulator calls spent so far, those before a stop included."""
        if self.training is not None:
            return self.training.record.calls
        return 0 if self._loaded is None else int(self._loaded[1]["used"])

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Train on ``problem`` until the budget is used up; see :meth:`answer`."""
        with own_torch():
            self.train([problem], budget, seed)
            assert self.training is not None
            return self.answer(self.training, budget)

    def train(self, problems: Sequence[Problem], budget: Budget, seed: int) -> Curve:
        """Train on the one problem of the budget.

        Goes on from a loaded checkpoint, once; otherwise begins afresh. Gives the curve, that
        before a stop included.

        Raises:
            AgentError: for several problems, for a budget of another problem, for a task that the
                agent does not decide, and if a loaded checkpoint is of another problem, seed or
                configuration.
        """
        name = type(self).__name__
        if len(problems) != 1 or problems[0] is not budget.problem:
            raise AgentError(f"{name}: trains on one problem, the budget's; got {len(problems)}")
        if budget.problem.task not in tasks_of(self):
            raise AgentError(
                f"{name}: decides {', '.join(tasks_of(self))}, not {budget.problem.task}"
            )
        with own_torch():
            training = self.begin(budget.problem, budget, seed)
            if self._loaded is not None:
                resume_training(training, *self._loaded)
                self._loaded = None
            self.training = training
            self.run(training, budget)
        return training.record.curve

    def save(self, path: str | Path) -> None:
        """Write a checkpoint folder; raises AgentError before any training."""
        if self.training is None:
            raise AgentError(f"{type(self).__name__}: nothing trained yet, nothing to save")
        save_training(self.training, path)

    def load(self, path: str | Path) -> None:
        """Read a checkpoint folder; the next ``train`` or ``solve`` goes on from it."""
        self._loaded, self.training = load_checkpoint(path), None
