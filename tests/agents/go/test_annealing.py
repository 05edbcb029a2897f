"""GO's search: which moves are offered and tried, what the network reads, what the scorer says."""

import numpy as np
import pytest
import torch
from go_agents.go.agent import GO
from go_agents.go.annealing import GOSettings
from go_agents.go.scorer import HIDDEN, INPUTS, MOST, MOST_SHARE, Preferences, Scorer, perceptron
from go_agents.go.scorer_training import train
from go_agents.search.encoding import Encoding
from go_agents.search.neighbourhood import DRAWN, Moves

import go_gym
from go_gym.partitions.units import smallest_units
from tests.agents.go.test_network import layered


def chooser_of(problem, **settings):
    encoding = Encoding(problem, smallest_units(problem))
    chooser = GO(settings=GOSettings(**settings)).chooser(encoding, seed=0)
    chooser.start(encoding.neutral(np.arange(problem.num_ops) % problem.num_devices))
    return chooser


def test_no_decision_is_tried_twice():
    chooser = chooser_of(layered(), offers=32, tries=4)
    seen = {chooser.genome.tobytes()}
    for call in range(60):
        candidate = chooser.choose(call / 60)
        assert candidate.tobytes() not in seen
        seen.add(candidate.tobytes())
        chooser.note(False)


def test_moves_are_drawn_anew_after_so_many_tries_and_after_a_change():
    problem = layered()
    chooser, drawn = chooser_of(problem, offers=32, tries=4), []
    draw = chooser.neighbourhood.draw
    chooser.neighbourhood.draw = lambda *given: drawn.append(given) or draw(*given)
    for _ in range(8):
        chooser.choose(0.5)
    assert len(drawn) == 2
    candidate = chooser.choose(0.5)
    chooser.accept(go_gym.simulate(problem, chooser.encoding.decision(candidate)))
    chooser.choose(0.5)
    assert len(drawn) == 4 and drawn[3][0] is candidate


def test_the_network_is_asked_once_in_so_many_calls():
    problem = layered()
    chooser = chooser_of(problem, read_every=20, fine=0.5, tries=1)
    read, reads = chooser.reader.read, []
    chooser.reader.read = lambda placement: reads.append(placement) or read(placement)
    for call in range(100):
        candidate = chooser.choose(call / 100)
        chooser.accept(go_gym.simulate(problem, chooser.encoding.decision(candidate)))
    assert len(reads) == 3  # after 0, 20 and 40 calls; half of the round is fine


@pytest.mark.numeric
def test_a_row_is_read_by_the_others_alone():
    """Its own device, and those of the rows hidden with it, change nothing."""
    problem = layered(60)
    reader = chooser_of(problem).reader
    placement = np.arange(problem.num_ops) % problem.num_devices
    first = reader.read(placement)
    assert np.allclose(np.exp(first).sum(1), 1.0)
    fold = reader.fold.numpy()
    moved = placement.copy()
    moved[reader.heaviest[fold == 2]] = 1
    second = reader.read(moved)
    assert np.allclose(first[fold == 2], second[fold == 2], atol=1e-5)
    assert not np.allclose(first[fold != 2], second[fold != 2], atol=1e-5)


def test_preferences_are_differences_of_what_was_read():
    work = np.array([1.0, 3.0, 2.0])
    preferences = Preferences(np.array([0, 1, 1]), work)
    drawn = np.zeros(2, dtype=DRAWN)
    drawn["column"] = 1, 0
    moves = Moves(np.array([0, 2, 3]), np.array([0, 1, 2]), np.array([1, 0, 1]), drawn)
    genome = np.array([[0, 0, 0], [0, 1, 1]])
    assert not preferences.of_moves(moves, genome, 1).any()  # nothing read yet
    preferences.table = np.log(np.array([[0.6, 0.4], [0.45, 0.55]]))
    share = (work + work.mean() * 1e-3) / work.sum()
    gain = np.log([0.4 / 0.6, 0.45 / 0.55])
    total = (gain * share[:2]).sum()
    expected = [total / share[:2].sum(), max(total, -MOST_SHARE) / MOST_SHARE]
    found = preferences.of_moves(moves, genome, 1)
    assert np.allclose(found[0], expected, atol=1e-6) and not found[1].any()
    preferences.table = np.array([[0.0, 99.0], [99.0, 0.0]])
    assert np.allclose(preferences.of_moves(moves, genome, 1)[0], [MOST, 1.0])


@pytest.mark.numeric
def test_the_scorer_is_the_perceptron(tmp_path):
    torch.manual_seed(1)
    layers = perceptron()
    random = np.random.default_rng(0)
    features = random.normal(size=(5, INPUTS)).astype(np.float32)
    mean, deviation = random.normal(size=INPUTS), 1 + random.random(INPUTS)
    scorer = Scorer.of(layers, mean, deviation)
    inputs = torch.from_numpy((features - scorer.mean) / scorer.deviation)
    assert np.allclose(scorer(features), layers(inputs).detach()[:, 0], atol=1e-5)
    assert [len(each) for each in scorer.biases] == [*HIDDEN, 1]


@pytest.mark.numeric
def test_training_finds_which_moves_gain():
    """Those with more of the third feature; the share of gains alone says nothing of them."""
    random = np.random.default_rng(0)
    features = random.normal(size=(30000, INPUTS)).astype(np.float32)
    gained = (features[:, 2] + 0.1 * random.normal(size=30000) > 1.5).astype(np.float32)
    scorer, figures = train((features, gained, np.arange(30000) % 16), seed=0)
    assert figures["loss"] < 0.7 * figures["loss of the share"]
    assert np.corrcoef(scorer(features), features[:, 2])[0, 1] > 0.7
