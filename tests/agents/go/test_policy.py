"""The policy: what is drawn or chosen has the probability that it is said to have."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from go_agents.go.model import MoveHead, Scores
from go_agents.go.moves import MOVE_FEATURES, Moves
from go_agents.go.policy import (
    MoveChooser,
    Trials,
    apply,
    chances,
    draw,
    entropy,
    log_probability,
    move_scores,
)

from go_gym.partitions import Partition
from tests.numeric import assert_near

OF_UNIT = np.array([0, 0, 1, 2, 2, 2])
LEVEL = Partition.by_labels(OF_UNIT)


def some_scores(options: int = 3) -> Scores:
    generator = torch.Generator().manual_seed(1)
    return Scores(torch.randn(6, options, generator=generator), torch.randn(6, generator=generator))


def some_head() -> MoveHead:
    torch.manual_seed(0)
    head = MoveHead(8)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def some_moves(count: int, columns: int = 2) -> Moves:
    random = np.random.default_rng(0)
    return Moves(
        np.arange(count + 1),
        random.integers(0, 6, count),
        np.zeros(count, dtype=np.int64),
        random.integers(0, columns, count),
        random.integers(0, 3, count),
        random.integers(0, 6, (count, 8)),
        random.normal(size=(count, MOVE_FEATURES)).astype(np.float32),
        np.arange(count, dtype=np.uint64),
    )


def as_trials(moves: Moves, offers: int, allowed: np.ndarray) -> Trials:
    count = len(moves.column) // offers
    none = torch.zeros(count)
    shaped = [
        torch.as_tensor(each.reshape(count, offers, *each.shape[1:]))
        for each in (moves.sampled, moves.column, moves.value, moves.features)
    ]
    return Trials(*shaped, torch.as_tensor(allowed), none.long(), none, none)


def test_probabilities_of_all_actions_sum_to_one():
    scores = some_scores()
    drawn = draw(scores, LEVEL, 4, np.random.default_rng(0))
    every = torch.tensor(list(itertools.product(range(3), repeat=3)))
    total = log_probability(scores, replace(drawn, chosen=every)).sum(dim=1).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-5)


def test_frequencies_are_the_probabilities_of_the_clusters_means():
    scores = some_scores()
    drawn = draw(scores, LEVEL, 20_000, np.random.default_rng(0))
    means = torch.stack([scores.options[cluster == OF_UNIT].mean(dim=0) for cluster in range(3)])
    expected = torch.softmax(means, dim=1)
    for cluster in range(3):
        seen = torch.bincount(drawn.chosen[:, cluster], minlength=3) / 20_000
        assert torch.allclose(seen, expected[cluster], atol=0.02)
    assert np.array_equal(apply(drawn), drawn.chosen.numpy()[:, OF_UNIT])


@pytest.mark.numeric
def test_an_unchanged_policy_has_ratio_one():
    scores = some_scores()
    drawn = draw(scores, LEVEL, 50, np.random.default_rng(0))
    assert_near(log_probability(scores, drawn), drawn.log_probability, 18)


@pytest.mark.numeric
def test_a_moves_score_is_its_units_mean_and_the_heads():
    plain, head, moves = some_scores(), some_head(), some_moves(6)
    scores = {"placement": plain, "priority": Scores(plain.options * 2, plain.change - 1)}
    trials = as_trials(moves, 3, np.ones((2, 3), dtype=bool))
    found = move_scores(scores, ("placement", "priority"), head, trials).flatten()
    for move in range(6):
        each = scores[("placement", "priority")[moves.column[move]]]
        expected = head(torch.as_tensor(moves.features[move])).item()
        for unit in moves.sampled[move]:
            expected += float(each.options[unit, moves.value[move]] + each.change[unit]) / 8
        assert found[move].item() == pytest.approx(expected, abs=1e-4)


def test_moves_are_chosen_as_often_as_is_said_and_never_known_ones():
    scores, head = {"placement": some_scores()}, some_head()
    moves, random = some_moves(4, columns=1), np.random.default_rng(0)
    chooser = MoveChooser(scores, ("placement",), head, 0.1)
    counts = np.zeros(4)
    for _ in range(4000):
        chosen, allowed, log = chooser.choose(moves, {2}, 4, random)
        counts[chosen[0]] += 1
    assert counts[2] == 0 and not allowed[0, 2] and allowed.sum() == 3
    trials = as_trials(moves, 4, allowed)
    score = move_scores(scores, ("placement",), head, trials)
    expected = chances(score, trials.allowed, 0.1).exp().detach().numpy()[0]
    assert counts / 4000 == pytest.approx(expected, abs=0.03)
    assert log[0] == pytest.approx(np.log(expected[chosen[0]]), abs=1e-4)


def test_where_all_is_known_something_is_chosen():
    chooser = MoveChooser({"placement": some_scores()}, ("placement",), some_head(), 1.0)
    moves = some_moves(4, columns=1)
    chosen, _, _ = chooser.choose(moves, {0, 1, 2, 3}, 2, np.random.default_rng(0))
    assert chosen.shape == (2,)


def test_entropy_is_a_share_of_its_maximum():
    assert float(entropy(Scores(torch.zeros(6, 4), torch.zeros(6)))) == pytest.approx(1)
    sure = torch.zeros(6, 4)
    sure[:, 1] = 100
    assert float(entropy(Scores(sure, torch.zeros(6)))) == pytest.approx(0, abs=1e-6)
