"""Drawing from rows of logits."""

import torch
from torch import Tensor


def draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """(...) int64: a class for each row of ``logits`` (..., classes), by the inverse of the
    cumulative distribution (one random number a row, where the Gumbel trick takes one a class)."""
    cumulative = logits.detach().softmax(-1).cumsum(-1)
    level = torch.rand(logits.shape[:-1], generator=generator).unsqueeze(-1)
    # rounding may leave the sum a little under 1: scaled, and never past the last class
    below = (cumulative <= level * cumulative[..., -1:]).sum(-1)
    return below.clamp_max(logits.shape[-1] - 1)


def log_probability(logits: Tensor, chosen: Tensor) -> Tensor:
    """(...) float: log-probability of ``chosen`` (...) under ``logits`` (..., classes)."""
    return logits.log_softmax(-1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
