"""The policy over clusters of units: pooling scores, sampling, probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .model import Scores

KEEP = -1
"""The action of a cluster whose units stay as the previous round decided."""
NEVER = -1e9


@dataclass(frozen=True, eq=False)
class Clusters:
    """A partition of the units that one sample decides by.

    Attributes:
        of_unit: (U,) int64 tensor.
        count: number of clusters C.
        sizes: (C,) float32 units in each.
    """

    of_unit: torch.Tensor
    count: int
    sizes: torch.Tensor

    @classmethod
    def of(cls, of_unit: np.ndarray, device: torch.device) -> "Clusters":
        """From cluster numbers 0 … C - 1 of the units, none empty."""
        count = int(of_unit.max()) + 1
        sizes = np.bincount(of_unit, minlength=count).astype(np.float32)
        return cls(
            torch.as_tensor(of_unit, device=device), count, torch.as_tensor(sizes, device=device)
        )

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """(U, …) → (C, …): the mean over each cluster."""
        shape = (self.count, *values.shape[1:])
        total = torch.zeros(shape, dtype=values.dtype, device=values.device)
        total = total.index_add(0, self.of_unit, values)
        return total / self.sizes.view(-1, *[1] * (values.dim() - 1))


@dataclass(frozen=True, eq=False)
class Actions:
    """B samples of one decision at one level of clusters, and what they were drawn from.

    Attributes:
        clusters: the level.
        chosen: (B, C) int64, an option or KEEP.
        keeps: True in later rounds, where a cluster may keep its previous choice.
        offset: (C,) float32 logits added to the change scores, so that few clusters change.
        idle: (C, K) bool, options that would change nothing; (0, 0) where nothing is kept.
        log_probability: (B, C) float32 under the policy that drew them.
    """

    clusters: Clusters
    chosen: torch.Tensor
    keeps: bool
    offset: torch.Tensor
    idle: torch.Tensor
    log_probability: torch.Tensor


def draw(
    scores: Scores,
    clusters: Clusters,
    previous: np.ndarray | None,
    changes: float,
    focus: np.ndarray | None,
    samples: int,
    random: np.random.Generator,
) -> Actions:
    """Sample ``samples`` actions.

    Args:
        scores: (U, K) of the network.
        clusters: what decides together.
        previous: (U,) the previous round's choices, None in a first round.
        changes: in later rounds, how many clusters change on average at scores of zero.
        focus: (U,) float64 shares that sum to one, where half of the changes go; None: nowhere.
        random: the only source of chance.
    """
    keeps = previous is not None
    count, options = clusters.count, scores.options.shape[1]
    weight: np.ndarray = np.ones(count)
    if focus is not None:
        weight = 0.5 + 0.5 * count * np.bincount(clusters.of_unit.cpu().numpy(), focus, count)
    share = np.clip(changes / count * weight, 1e-6, 0.5)
    offset = torch.as_tensor(
        np.log(share / (1 - share)), dtype=torch.float32, device=scores.options.device
    )
    idle = torch.zeros(0, 0, dtype=torch.bool, device=scores.options.device)
    if previous is not None:
        one_hot = F.one_hot(torch.as_tensor(previous, device=idle.device), options).float()
        idle = clusters.mean(one_hot) > 1 - 1e-6
    with torch.no_grad():
        keep, change = _log_probabilities(scores, clusters, keeps, offset, idle)
    logits = change.cpu().numpy()
    noisy = logits[None] + random.gumbel(size=(samples, count, options)).astype(np.float32)
    chosen = noisy.argmax(axis=2)
    if keep is not None:
        stay = np.exp(keep.cpu().numpy())[None]
        margin = random.random((samples, count)) - stay
        changed = margin > 0
        first = margin.argmax(axis=1)  # a sample that changes nothing would teach nothing
        changed[np.arange(samples), first] = True
        chosen = np.where(changed, chosen, KEEP)
    picked = torch.as_tensor(chosen, device=idle.device)
    with torch.no_grad():
        probability = _of_actions(keep, change, picked)
    return Actions(clusters, picked, keeps, offset, idle, probability)


def log_probability(scores: Scores, actions: Actions) -> torch.Tensor:
    """(B, C) float32: the log-probability of each cluster's action under ``scores``."""
    keep, change = _log_probabilities(
        scores, actions.clusters, actions.keeps, actions.offset, actions.idle
    )
    return _of_actions(keep, change, actions.chosen)


def entropy(scores: Scores) -> torch.Tensor:
    """(): the mean entropy of the options over the units, in units of its maximum."""
    log = F.log_softmax(scores.options, dim=1)
    most = float(np.log(max(scores.options.shape[1], 2)))
    return -(log.exp() * log).sum(dim=1).mean() / most


def apply(actions: Actions, previous: np.ndarray | None) -> np.ndarray:
    """(B, U) int64: the choice of each unit in each sample."""
    chosen = actions.chosen.cpu().numpy()[:, actions.clusters.of_unit.cpu().numpy()]
    return chosen if previous is None else np.where(chosen == KEEP, previous[None], chosen)


def greedy(scores: Mapping[str, Scores]) -> dict[str, np.ndarray]:
    """(U,) int64 by decision: the likeliest option of each unit."""
    return {name: each.options.argmax(dim=1).cpu().numpy() for name, each in scores.items()}


def _log_probabilities(
    scores: Scores, clusters: Clusters, keeps: bool, offset: torch.Tensor, idle: torch.Tensor
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """(C,) of keeping (None where nothing is kept), and (C, K) of each option."""
    options = clusters.mean(scores.options)
    if not keeps:
        return None, F.log_softmax(options, dim=1)
    gate = clusters.mean(scores.change) + offset
    options = F.log_softmax(options.masked_fill(idle, NEVER), dim=1)
    return F.logsigmoid(-gate), F.logsigmoid(gate)[:, None] + options


def _of_actions(
    keep: torch.Tensor | None, change: torch.Tensor, chosen: torch.Tensor
) -> torch.Tensor:
    table = change if keep is None else torch.cat([change, keep[:, None]], dim=1)
    column = torch.where(chosen == KEEP, table.shape[1] - 1, chosen)
    return table.gather(1, column.T).T
