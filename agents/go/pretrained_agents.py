"""GO trained on other graphs before: zero-shot, and fine-tuned on the problem."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.problem import Problem

from ..common.options import SearchOptions
from .agent import GO
from .config import SearchConfig
from .pretraining import DEFAULT, Pretrained, load_pretrained, shipped_without
from .training import Training


class PretrainedGO(GO):
    """What the two agents below share: the weights, and the track that follows from them.

    Args:
        options: where it starts, and what it judges placements under.
        pretrained: a folder made by ``go_agents.go.pretraining``; default of those that ship the
            one that never saw the family of the graph at hand.
        checkpoint, search, device: as of :class:`GO`.

    Attributes:
        pretrained: the weights, and what is known of them.
    """

    Options = SearchOptions

    def __init__(
        self,
        options: SearchOptions | None = None,
        pretrained: str | Path | None = None,
        checkpoint: str | Path | None = None,
        search: SearchConfig | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.folder = pretrained
        self.pretrained = load_pretrained(pretrained or DEFAULT)
        gentle = SearchConfig(learning_rate=2e-4, head_rate=2e-3)  # not to undo what it knows
        search = search or gentle
        options = options or SearchOptions()
        super().__init__(options, checkpoint, self.pretrained.network, search, device)

    def track(self, problem: Problem) -> str:
        """Tuned on graphs of families that the weights have seen, generalising on others."""
        weights = self._weights_for(problem)
        seen = _family(problem) in weights.families or problem.graph.name in weights.graphs
        return "tuned" if seen else "generalising"

    def _weights_for(self, problem: Problem) -> Pretrained:
        """The weights that decide a problem: those given, or the shipped ones that fit."""
        if self.folder is not None:
            return self.pretrained
        return load_pretrained(shipped_without(_family(problem)))

    def begin(self, problem: Problem, budget: Budget, seed: int) -> Training:
        """A training from the weights that fit the problem."""
        self.pretrained = self._weights_for(problem)
        self.network = self.pretrained.network
        return super().begin(problem, budget, seed)

    def weights(self, problem: Problem) -> Mapping[str, Tensor]:
        """The pre-trained weights."""
        return self.pretrained.weights


class ZeroShotGO(PretrainedGO):
    """The pre-trained policy as it is: its likeliest decision, and a few rounds of samples.

    No weight changes. Of the budget at most CALLS are used; without any, the likeliest decision
    is the answer.
    """

    CALLS = 64

    def __init__(
        self,
        options: SearchOptions | None = None,
        pretrained: str | Path | None = None,
        checkpoint: str | Path | None = None,
        search: SearchConfig | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        search = replace(
            search or SearchConfig(),
            learn=False,
            samples=16,
            starts=0,
            first_round=0.25,
            offers=32,
        )
        super().__init__(options, pretrained, checkpoint, search, device)

    def spend(self, training: Training, budget: Budget) -> None:
        """Sample CALLS decisions, or as many as the budget allows."""
        training.calls = min(self.CALLS, budget.remaining)
        super().spend(training, budget)


class FineTunedGO(PretrainedGO):
    """The pre-trained policy, trained on the problem for fewer than 50 updates (GO, section 4)."""

    UPDATES = 49

    def spend(self, training: Training, budget: Budget) -> None:
        """Train for UPDATES, or until the budget is used up."""
        training.calls = min(training.calls, self.UPDATES * self.search.samples)
        training.run([budget], updates=self.UPDATES, folder=self.checkpoint)


def _family(problem: Problem) -> str:
    return str(problem.graph.metadata.get("family"))
