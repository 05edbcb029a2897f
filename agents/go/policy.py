"""The policy: what a first round draws, which moves a later round tries, and how likely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from go_gym.partitions import Partition

from .model import MoveHead, Scores
from .moves import Moves

NEVER = -1e9


@dataclass(frozen=True, eq=False)
class Actions:
    """B samples of one decision of a first round, a choice for each cluster of a level.

    Attributes:
        of_unit: (U,) int64, the cluster of each unit.
        sizes: (C,) float32 units in each.
        chosen: (B, C) int64 options.
        log_probability: (B, C) float32 under the policy that drew them.
    """

    of_unit: torch.Tensor
    sizes: torch.Tensor
    chosen: torch.Tensor
    log_probability: torch.Tensor

    def all_log_probabilities(self, scores: Scores) -> torch.Tensor:
        """(C, K) float32 under ``scores``: the options' mean logits over each cluster."""
        total = torch.zeros(len(self.sizes), scores.options.shape[1], device=self.sizes.device)
        total = total.index_add(0, self.of_unit, scores.options)
        return F.log_softmax(total / self.sizes[:, None], dim=1)


@dataclass(frozen=True, eq=False)
class Trials:
    """B moves that were tried, each chosen among J on offer, all in one state.

    Attributes:
        sampled: (B, J, s) int64 units that speak for each move.
        column: (B, J) int64, which decision changes.
        value: (B, J) int64, the new value.
        features: (B, J, MOVE_FEATURES) float32.
        allowed: (B, J) bool, False where the decision had been simulated before.
        chosen: (B,) int64.
        log_probability: (B,) float32 under the policy that chose.
        gained: (B,) float32, 1 where the move led to a better decision.
    """

    sampled: torch.Tensor
    column: torch.Tensor
    value: torch.Tensor
    features: torch.Tensor
    allowed: torch.Tensor
    chosen: torch.Tensor
    log_probability: torch.Tensor
    gained: torch.Tensor

    @classmethod
    def joined(cls, trials: Sequence["Trials"]) -> "Trials":
        """Several, one after another along the first axis."""
        names = cls.__dataclass_fields__
        return cls(*(torch.cat([getattr(each, name) for each in trials]) for name in names))


def draw(scores: Scores, level: Partition, samples: int, random: np.random.Generator) -> Actions:
    """Sample ``samples`` first-round actions at ``level``."""
    where = scores.options.device
    of_unit = torch.tensor(level.part_of, device=where)
    sizes = torch.as_tensor(level.sizes.astype(np.float32), device=where)
    actions = Actions(of_unit, sizes, torch.empty(0), torch.empty(0))
    with torch.no_grad():
        log = actions.all_log_probabilities(scores)
    noise = random.gumbel(size=(samples, *log.shape)).astype(np.float32)
    chosen = (log[None] + torch.as_tensor(noise, device=where)).argmax(dim=2)
    return Actions(of_unit, sizes, chosen, log.gather(1, chosen.T).T)


def log_probability(scores: Scores, actions: Actions) -> torch.Tensor:
    """(B, C) float32: the log-probability of each cluster's choice under ``scores``."""
    return actions.all_log_probabilities(scores).gather(1, actions.chosen.T).T


def apply(actions: Actions) -> np.ndarray:
    """(B, U) int64: the choice of each unit in each sample."""
    return actions.chosen[:, actions.of_unit].cpu().numpy()


def entropy(scores: Scores) -> torch.Tensor:
    """(): the mean entropy of the options over the units, in units of its maximum."""
    log = F.log_softmax(scores.options, dim=1)
    most = float(np.log(max(scores.options.shape[1], 2)))
    return -(log.exp() * log).sum(dim=1).mean() / most


def greedy(scores: Mapping[str, Scores]) -> dict[str, np.ndarray]:
    """(U,) int64 by decision: the likeliest option of each unit."""
    return {name: each.options.argmax(dim=1).cpu().numpy() for name, each in scores.items()}


def move_scores(
    scores: Mapping[str, Scores], decides: Sequence[str], head: MoveHead, trials: Trials
) -> torch.Tensor:
    """(B, J) float32: the log-odds, up to a constant, that each move helps.

    Of the units that speak for a move the mean score of its value and of giving up theirs, and
    what the head says of its features.
    """
    total = head(trials.features)
    for number, name in enumerate(decides):
        mine = trials.column == number
        value = torch.where(mine, trials.value, 0)[:, :, None].expand_as(trials.sampled)
        each = scores[name].options[trials.sampled, value] + scores[name].change[trials.sampled]
        total = total + torch.where(mine, each.mean(dim=2), 0.0)
    return total


def chances(score: torch.Tensor, allowed: torch.Tensor, sharpness: float) -> torch.Tensor:
    """(B, J) log-probabilities of trying each."""
    return F.log_softmax((sharpness * score).masked_fill(~allowed, NEVER), dim=1)


class MoveChooser:
    """Chooses moves by scores worked out once a round, in NumPy: a few µs a move.

    Args:
        scores, decides, head: as of :func:`move_scores`.
        sharpness: what the scores are multiplied by.
    """

    def __init__(
        self,
        scores: Mapping[str, Scores],
        decides: Sequence[str],
        head: MoveHead,
        sharpness: float,
    ) -> None:
        self.options = [scores[name].options.cpu().numpy() for name in decides]
        self.change = [scores[name].change.cpu().numpy() for name in decides]
        self.head, self.sharpness = head.in_numpy(), sharpness

    def score(self, moves: Moves) -> np.ndarray:
        """(M,) float32, equal to :func:`move_scores`."""
        total = self.head(moves.features)
        for number, (options, change) in enumerate(zip(self.options, self.change, strict=True)):
            mine = np.flatnonzero(moves.column == number)
            units = moves.sampled[mine]
            each = options[units, moves.value[mine, None]] + change[units]
            total[mine] += each.mean(axis=1)
        return total

    def choose(
        self, moves: Moves, seen: set[int], offers: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One of each ``offers`` moves in turn.

        Returns:
            chosen: (B,) int64 within the offers.
            allowed: (B, J) bool.
            log_probability: (B,) float32.
        """
        allowed = np.array([int(key) not in seen for key in moves.key]).reshape(-1, offers)
        allowed[~allowed.any(axis=1)] = True
        logits = np.where(allowed, self.sharpness * self.score(moves).reshape(-1, offers), NEVER)
        top = logits.max(axis=1, keepdims=True)
        log = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        chosen = (log + random.gumbel(size=log.shape)).argmax(axis=1)
        return chosen, allowed, log[np.arange(len(log)), chosen].astype(np.float32)
