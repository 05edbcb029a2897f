"""The policy over clusters: what is drawn has the probability that it is said to have."""

import itertools

import numpy as np
import pytest
import torch
from go_agents.go.model import Scores
from go_agents.go.policy import KEEP, Actions, Clusters, apply, draw, entropy, log_probability

OF_UNIT = np.array([0, 0, 1, 2, 2, 2])


def some_scores(options: int = 3) -> Scores:
    generator = torch.Generator().manual_seed(1)
    return Scores(torch.randn(6, options, generator=generator), torch.randn(6, generator=generator))


def clusters() -> Clusters:
    return Clusters.of(OF_UNIT, torch.device("cpu"))


def test_means_over_clusters():
    values = torch.arange(6.0)
    assert clusters().mean(values).tolist() == [0.5, 2.0, 4.0]
    assert clusters().mean(values[:, None]).tolist() == [[0.5], [2.0], [4.0]]


@pytest.mark.parametrize("previous", [None, np.array([1, 1, 0, 2, 2, 0])])
def test_probabilities_of_all_actions_sum_to_one(previous):
    scores, random = some_scores(), np.random.default_rng(0)
    drawn = draw(scores, clusters(), previous, 1.0, None, 4, random)
    values = range(3) if previous is None else (KEEP, 0, 1, 2)
    every = torch.tensor(list(itertools.product(values, repeat=3)))
    actions = Actions(
        drawn.clusters, every, drawn.keeps, drawn.offset, drawn.idle, drawn.log_probability
    )
    total = log_probability(scores, actions).sum(dim=1).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-5)


def test_frequencies_are_the_probabilities():
    scores, random = some_scores(), np.random.default_rng(0)
    drawn = draw(scores, clusters(), None, 1.0, None, 20_000, random)
    expected = torch.softmax(clusters().mean(scores.options), dim=1)
    for cluster in range(3):
        seen = torch.bincount(drawn.chosen[:, cluster], minlength=3) / 20_000
        assert torch.allclose(seen, expected[cluster], atol=0.02)


def test_later_rounds_change_something_and_never_idly():
    previous = np.array([1, 1, 0, 2, 2, 0])  # cluster 0 is on 1, cluster 1 on 0, cluster 2 on both
    drawn = draw(some_scores(), clusters(), previous, 0.01, None, 500, np.random.default_rng(0))
    assert ((drawn.chosen != KEEP).sum(dim=1) >= 1).all()
    assert not (drawn.chosen[:, 0] == 1).any()
    assert not (drawn.chosen[:, 1] == 0).any()
    assert (drawn.chosen == KEEP).float().mean() > 0.5
    placed = apply(drawn, previous)
    kept = (drawn.chosen == KEEP).numpy()[:, OF_UNIT]
    assert (placed[kept] == np.broadcast_to(previous, placed.shape)[kept]).all()
    assert (placed != previous).any(axis=1).all()


def test_focus_draws_changes():
    focus = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    flat = Scores(torch.zeros(6, 3), torch.zeros(6))
    previous = np.zeros(6, dtype=np.int64)
    counts = [
        (draw(flat, clusters(), previous, 0.3, f, 3000, np.random.default_rng(0)).chosen != KEEP)
        .float()
        .mean(dim=0)
        for f in (None, focus)
    ]
    assert counts[1][1] > 1.3 * counts[0][1]
    assert counts[1][0] < counts[0][0]


def test_an_unchanged_policy_has_ratio_one():
    scores, previous = some_scores(), np.array([1, 1, 0, 2, 2, 0])
    for before in (None, previous):
        drawn = draw(scores, clusters(), before, 1.0, None, 50, np.random.default_rng(0))
        assert torch.allclose(log_probability(scores, drawn), drawn.log_probability)


def test_entropy_is_a_share_of_its_maximum():
    assert float(entropy(Scores(torch.zeros(6, 4), torch.zeros(6)))) == pytest.approx(1)
    sure = torch.zeros(6, 4)
    sure[:, 1] = 100
    assert float(entropy(Scores(sure, torch.zeros(6)))) == pytest.approx(0, abs=1e-6)
