"""Choosing among moves: what is on offer, which one the policy tries, and how likely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..search.neighbourhood import Moves
from .model import MoveHead, Scores

SAMPLED = 8
"""Units of a move whose scores speak for it."""
NEVER = -1e9


@dataclass(frozen=True, eq=False)
class Offer:
    """J moves from one decision, of which one is tried.

    Attributes:
        moves: the moves.
        features: (J, WIDTH) float32, what is known of each.
        keys: (J,) uint64, of the decisions that they lead to.
    """

    moves: Moves
    features: np.ndarray
    keys: np.ndarray

    def sampled(self) -> np.ndarray:
        """(J, SAMPLED) int64: some of the units that get the new value, evenly spaced."""
        moved = np.maximum(self.moves.drawn["moved"], 1)
        at = np.arange(SAMPLED) * moved[:, None] // SAMPLED
        return self.moves.units[self.moves.pointers[:-1, None] + at]


@dataclass(frozen=True, eq=False)
class Trial:
    """A move that was tried.

    Attributes:
        offer: what it was chosen from.
        allowed: (J,) bool, False where the decision had been simulated before.
        chosen: its number.
        log_probability: under the policy that chose.
        gain: in reward, against the decision that it changed.
    """

    offer: Offer
    allowed: np.ndarray
    chosen: int
    log_probability: float
    gain: float


@dataclass(frozen=True, eq=False)
class Trials:
    """B moves that were tried, each chosen among J on offer, all in one state.

    Attributes:
        sampled: (B, J, SAMPLED) int64 units that speak for each move.
        column: (B, J) int64, which decision changes.
        value: (B, J) int64, the new value.
        features: (B, J, WIDTH) float32.
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
    def of(cls, trials: Sequence[Trial], device: torch.device) -> "Trials":
        """One or more trials, as tensors."""
        offers = [trial.offer for trial in trials]
        columns: tuple[list, ...] = (
            [offer.sampled() for offer in offers],
            [offer.moves.drawn["column"] for offer in offers],
            [offer.moves.drawn["value"] for offer in offers],
            [offer.features for offer in offers],
            [trial.allowed for trial in trials],
            [trial.chosen for trial in trials],
            [np.float32(trial.log_probability) for trial in trials],
            [np.float32(trial.gain > 0) for trial in trials],
        )
        return cls(*(torch.as_tensor(np.stack(each), device=device) for each in columns))


def move_scores(
    scores: Mapping[str, Scores], columns: Sequence[str], head: MoveHead, trials: Trials
) -> torch.Tensor:
    """(B, J) float32: the log-odds, up to a constant, that each move helps.

    Of the units that speak for a move the mean score of its value and of giving up theirs, and
    what the head says of its features.
    """
    total = head(trials.features)
    for number, name in enumerate(columns):
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
        scores, columns, head: as of :func:`move_scores`.
        sharpness: what the scores are multiplied by.
    """

    def __init__(
        self,
        scores: Mapping[str, Scores],
        columns: Sequence[str],
        head: MoveHead,
        sharpness: float,
    ) -> None:
        self.options = [scores[name].options.cpu().numpy() for name in columns]
        self.change = [scores[name].change.cpu().numpy() for name in columns]
        self.head, self.sharpness = head.in_numpy(), sharpness

    def score(self, offer: Offer) -> np.ndarray:
        """(J,) float32, equal to :func:`move_scores`."""
        total = self.head(offer.features)
        sampled, drawn = offer.sampled(), offer.moves.drawn
        for number, (options, change) in enumerate(zip(self.options, self.change, strict=True)):
            mine = np.flatnonzero(drawn["column"] == number)
            units = sampled[mine]
            each = options[units, drawn["value"][mine, None]] + change[units]
            total[mine] += each.mean(axis=1)
        return total

    def choose(
        self, offer: Offer, allowed: np.ndarray, random: np.random.Generator
    ) -> tuple[int, float]:
        """The number of the move to try, of those ``allowed`` (J,), and its log-probability."""
        logits = np.where(allowed, self.sharpness * self.score(offer), NEVER)
        top = logits.max()
        log = logits - top - np.log(np.exp(logits - top).sum())
        chosen = int((log + random.gumbel(size=len(log))).argmax())
        return chosen, float(log[chosen])
