"""The policy over whole decisions: what is drawn has the probability that it is said to have."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from go_agents.go.model import Scores
from go_agents.go.policy import draw, entropy, greedy, log_probability

from go_gym.partitions import Partition
from tests.numeric import assert_near

PART_OF = np.array([0, 0, 1, 2, 2, 2])
LEVEL = Partition.by_labels(PART_OF)


def some_scores(options: int = 3) -> Scores:
    generator = torch.Generator().manual_seed(1)
    return Scores(torch.randn(6, options, generator=generator), torch.randn(6, generator=generator))


def test_probabilities_of_all_actions_sum_to_one():
    scores = some_scores()
    drawn = draw(scores, LEVEL, 4, np.random.default_rng(0))
    every = torch.tensor(list(itertools.product(range(3), repeat=3)))
    total = log_probability(scores, replace(drawn, chosen=every)).sum(dim=1).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-5)


def test_frequencies_are_the_probabilities_of_the_parts_means():
    scores = some_scores()
    drawn = draw(scores, LEVEL, 20_000, np.random.default_rng(0))
    means = torch.stack([scores.options[part == PART_OF].mean(dim=0) for part in range(3)])
    expected = torch.softmax(means, dim=1)
    for part in range(3):
        seen = torch.bincount(drawn.chosen[:, part], minlength=3) / 20_000
        assert torch.allclose(seen, expected[part], atol=0.02)
    assert np.array_equal(drawn.of_units(), drawn.chosen.numpy()[:, PART_OF])


@pytest.mark.numeric
def test_an_unchanged_policy_has_ratio_one():
    scores = some_scores()
    drawn = draw(scores, LEVEL, 50, np.random.default_rng(0))
    assert_near(log_probability(scores, drawn), drawn.log_probability, 18)


def test_entropy_is_a_share_of_its_maximum():
    assert float(entropy(Scores(torch.zeros(6, 4), torch.zeros(6)))) == pytest.approx(1)
    sure = torch.zeros(6, 4)
    sure[:, 1] = 100
    assert float(entropy(Scores(sure, torch.zeros(6)))) == pytest.approx(0, abs=1e-6)


def test_the_likeliest_options_are_those_of_the_highest_score():
    scores = {"priority": some_scores(4), "placement": some_scores(3)}
    found = greedy(scores, ("placement", "priority"))
    for row, name in enumerate(("placement", "priority")):
        assert found[row].tolist() == [int(np.argmax(r)) for r in scores[name].options.numpy()]
