"""The policy over whole decisions: what a first round draws, and how likely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from go_gym.partitions import Partition

from .model import Scores


@dataclass(frozen=True, eq=False)
class Actions:
    """B samples of one column of a first round, a choice for each of a level's C parts.

    Attributes:
        part_of: (U,) int64, the part of each unit.
        sizes: (C,) float32 units in each.
        chosen: (B, C) int64 options.
        log_probability: (B, C) float32 under the policy that drew them.
    """

    part_of: torch.Tensor
    sizes: torch.Tensor
    chosen: torch.Tensor
    log_probability: torch.Tensor

    def all_log_probabilities(self, scores: Scores) -> torch.Tensor:
        """(C, K) float32 under ``scores``: the options' mean logits over each part."""
        total = torch.zeros(len(self.sizes), scores.options.shape[1], device=self.sizes.device)
        total = total.index_add(0, self.part_of, scores.options)
        return F.log_softmax(total / self.sizes[:, None], dim=1)

    def of_units(self) -> np.ndarray:
        """(B, U) int64: the choice of each unit in each sample."""
        return self.chosen[:, self.part_of].cpu().numpy()


def draw(scores: Scores, level: Partition, samples: int, random: np.random.Generator) -> Actions:
    """Sample ``samples`` first-round actions at ``level``."""
    where = scores.options.device
    part_of = torch.tensor(level.part_of, device=where)
    sizes = torch.as_tensor(level.sizes.astype(np.float32), device=where)
    actions = Actions(part_of, sizes, torch.empty(0), torch.empty(0))
    with torch.no_grad():
        log = actions.all_log_probabilities(scores)
    noise = random.gumbel(size=(samples, *log.shape)).astype(np.float32)
    chosen = (log[None] + torch.as_tensor(noise, device=where)).argmax(dim=2)
    return Actions(part_of, sizes, chosen, log.gather(1, chosen.T).T)


def log_probability(scores: Scores, actions: Actions) -> torch.Tensor:
    """(B, C) float32: the log-probability of each part's choice under ``scores``."""
    return actions.all_log_probabilities(scores).gather(1, actions.chosen.T).T


def entropy(scores: Scores) -> torch.Tensor:
    """(): the mean entropy of the options over the units, in units of its maximum."""
    log = F.log_softmax(scores.options, dim=1)
    most = float(np.log(max(scores.options.shape[1], 2)))
    return -(log.exp() * log).sum(dim=1).mean() / most


def greedy(scores: Mapping[str, Scores], columns: Sequence[str]) -> np.ndarray:
    """(columns, U) int64: the likeliest option of each unit."""
    return np.stack([scores[name].options.argmax(dim=1).cpu().numpy() for name in columns])
