"""Choosing among moves: scores are what is said, and so is how often each is chosen."""

import numpy as np
import pytest
import torch
from go_agents.go.chooser import MoveChooser, Offer, Trial, Trials, chances, move_scores
from go_agents.go.model import MoveHead, Scores
from go_agents.go.tried import TriedMoves
from go_agents.search.description import WIDTH
from go_agents.search.neighbourhood import DRAWN, Moves

COLUMNS = ("placement", "priority")


def some_scores() -> dict[str, Scores]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: Scores(torch.randn(6, 3, generator=generator), torch.randn(6, generator=generator))
        for name in COLUMNS
    }


def some_head() -> MoveHead:
    torch.manual_seed(0)
    head = MoveHead(8)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def some_offer(count: int, seed: int = 0) -> Offer:
    """Moves of one to six units, of which the first ones get the new value."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 7, count)
    drawn = np.zeros(count, dtype=DRAWN)
    drawn["column"] = random.integers(0, 2, count)
    drawn["value"] = random.integers(0, 3, count)
    drawn["moved"] = random.integers(0, sizes + 1)
    units = np.concatenate([random.permutation(6)[:size] for size in sizes])
    pointers = np.concatenate([[0], np.cumsum(sizes)])
    moves = Moves(pointers, units, np.zeros(len(units), dtype=np.int64), drawn)
    features = random.normal(size=(count, WIDTH)).astype(np.float32)
    return Offer(moves, features, np.arange(count, dtype=np.uint64))


def as_trials(offers: list[Offer]) -> Trials:
    every = np.ones(len(offers[0].moves), dtype=bool)
    return Trials.of([Trial(each, every, 0, 0.0, 1.0) for each in offers], torch.device("cpu"))


@pytest.mark.numeric
def test_a_moves_score_is_its_units_mean_and_the_heads():
    scores, head = some_scores(), some_head()
    offers = [some_offer(3, seed) for seed in range(4)]
    found = move_scores(scores, COLUMNS, head, as_trials(offers))
    chooser = MoveChooser(scores, COLUMNS, head, 1.0)
    for offer, row in zip(offers, found, strict=True):
        quick = chooser.score(offer)
        for move, drawn in enumerate(offer.moves.drawn):
            part = slice(offer.moves.pointers[move], offer.moves.pointers[move + 1])
            mine = offer.moves.units[part][: max(drawn["moved"], 1)]
            sampled = [mine[i * len(mine) // 8] for i in range(8)]
            each = scores[COLUMNS[drawn["column"]]]
            expected = head(torch.as_tensor(offer.features[move])).item()
            for unit in sampled:
                expected += float(each.options[unit, drawn["value"]] + each.change[unit]) / 8
            assert row[move].item() == pytest.approx(expected, abs=1e-4)
            assert quick[move] == pytest.approx(expected, abs=1e-4)


def test_moves_are_chosen_as_often_as_is_said_and_never_those_not_allowed():
    scores, head, offer = some_scores(), some_head(), some_offer(4)
    chooser, random = MoveChooser(scores, COLUMNS, head, 0.1), np.random.default_rng(0)
    allowed = np.array([True, True, False, True])
    counts = np.zeros(4)
    for _ in range(4000):
        chosen, log = chooser.choose(offer, allowed, random)
        counts[chosen] += 1
    score = move_scores(scores, COLUMNS, head, as_trials([offer]))
    expected = chances(score, torch.as_tensor(allowed)[None], 0.1).exp().detach().numpy()[0]
    assert counts[2] == 0
    assert counts / 4000 == pytest.approx(expected, abs=0.03)
    assert log == pytest.approx(np.log(expected[chosen]), abs=1e-4)


def test_an_untrained_head_and_network_choose_evenly():
    """What learning adds is measured against this: annealing with a move in several."""
    flat = {name: Scores(torch.zeros(6, 3), torch.zeros(6)) for name in COLUMNS}
    chooser, random = MoveChooser(flat, COLUMNS, MoveHead(8), 1.0), np.random.default_rng(0)
    chosen = [chooser.choose(some_offer(4), np.ones(4, bool), random)[0] for _ in range(4000)]
    assert np.bincount(chosen) / 4000 == pytest.approx(np.full(4, 0.25), abs=0.03)


def test_trials_are_what_was_tried():
    offers = [some_offer(3, seed) for seed in range(2)]
    allowed = [np.array([True, False, True]), np.array([True, True, True])]
    made = [
        Trial(offers[0], allowed[0], 2, -1.5, -0.1),
        Trial(offers[1], allowed[1], 1, -0.5, 0.2),
    ]
    trials = Trials.of(made, torch.device("cpu"))
    assert trials.sampled.shape == (2, 3, 8) and trials.features.shape == (2, 3, WIDTH)
    assert trials.chosen.tolist() == [2, 1] and trials.gained.tolist() == [0, 1]
    assert trials.allowed.tolist() == [each.tolist() for each in allowed]
    assert trials.column.tolist() == [each.moves.drawn["column"].tolist() for each in offers]
    assert trials.value.tolist() == [each.moves.drawn["value"].tolist() for each in offers]
    assert trials.log_probability.dtype == trials.gained.dtype == torch.float32


def test_known_decisions_are_not_allowed_unless_all_are_known():
    tried = TriedMoves(3)
    tried.keys = {1, 2**64 - 1}
    keys = np.array([0, 1, 2**64 - 1], dtype=np.uint64)
    assert tried.unknown(keys).tolist() == [True, False, False]
    assert tried.unknown(keys[1:]).tolist() == [True, True]


def test_the_last_moves_are_remembered():
    tried, offer = TriedMoves(3), some_offer(4)
    every = np.ones(4, dtype=bool)
    gains = [0.5, -0.5, 0.0, 0.1]
    tried.remember([Trial(offer, every, i, 0.0, gains[i]) for i in (0, 1)])
    tried.remember([Trial(offer, every, i, 0.0, gains[i]) for i in (2, 3)])
    assert np.array_equal(tried.features, offer.features[1:])
    assert tried.gained.tolist() == [0, 0, 1]
