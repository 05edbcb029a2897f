"""Draws follow the softmax, and log-probabilities are its logarithms."""

import pytest
import torch
from go_agents.common.sampling import draw, log_probability


@pytest.mark.numeric
def test_draws_follow_the_softmax():
    chances = torch.tensor([[0.5, 0.3, 0.2], [0.05, 0.0, 0.95]])
    logits = chances.log().unsqueeze(1).expand(-1, 40_000, -1)
    drawn = draw(logits, torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 40_000)
    for row, expected in zip(drawn, chances, strict=True):
        share = torch.bincount(row, minlength=3) / 40_000
        assert torch.allclose(share, expected, atol=0.01)
        assert ((share == 0) == (expected == 0)).all()


@pytest.mark.numeric
def test_log_probabilities():
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    found = log_probability(logits, torch.tensor([2, 0]))
    total = torch.tensor([1.0, 2.0, 3.0]).exp().sum()
    assert torch.allclose(found, torch.stack([3 - total.log(), -torch.tensor(3.0).log()]))
