"""Refinement is annealing with another chooser, and first rounds are whole decisions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from go_agents.go.chooser import MoveChooser
from go_agents.go.config import SearchConfig
from go_agents.go.evaluator import Evaluator
from go_agents.go.first_round import FirstRound
from go_agents.go.model import MoveHead, Scores
from go_agents.go.refinement import Refinement
from go_agents.go.scales import Scales
from go_agents.go.state import SearchState
from go_agents.go.tried import TriedMoves
from go_agents.search.cooling import Acceptance
from go_agents.search.encoding import Encoding
from go_agents.search.neighbourhood import Neighbourhood

import go_gym
from go_gym.agent import Budget
from go_gym.partitions import Hierarchy
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from tests.agents.go.test_network import layered

CALLS, PROGRESS, TEMPERATURE = 120, 0.5, 2.0


def prepared(offers: int):
    problem = layered(60)
    encoding = Encoding(problem, smallest_units(problem))
    hierarchy = Hierarchy.of(structural_partitions(problem, encoding.units))
    search = replace(SearchConfig(), offers=offers, trace_every=8)
    budget = Budget(problem, CALLS)
    evaluate = Evaluator(encoding, Scales(1000.0), budget, CALLS)
    flat = {
        name: Scores(torch.zeros(encoding.units.count, values), torch.zeros(encoding.units.count))
        for name, values in zip(encoding.columns, encoding.values, strict=True)
    }
    chooser = MoveChooser(flat, encoding.columns, MoveHead(8), 1.0)
    return encoding, hierarchy, search, budget, evaluate, chooser


def test_with_a_single_move_on_offer_it_is_annealing():
    """The same moves from the same chance, accepted by the same rule: written out beside it."""
    encoding, hierarchy, search, budget, evaluate, chooser = prepared(offers=1)
    state, random = SearchState(), np.random.default_rng(3)
    start = encoding.neutral()
    state.take([start], evaluate.rewards([start]), random)
    view = evaluate.look(start)
    trials = Refinement(encoding, hierarchy, search, random).run(
        chooser, evaluate, state, TriedMoves(2048), view, PROGRESS, TEMPERATURE
    )
    assert budget.used == CALLS and len(trials) == CALLS - 2

    random, neighbourhood = np.random.default_rng(3), Neighbourhood(encoding, hierarchy)
    acceptance, scales, plain = Acceptance(), Scales(1000.0), Budget(encoding.problem, CALLS)
    again = Evaluator(encoding, scales, plain, CALLS)
    current, reward = start, float(again.rewards([start])[0])
    view = again.look(start)
    focus, busy, since = view.focus, again.results[-1].busy_ns, 0
    for trial in trials:
        move = neighbourhood.draw(current, focus, busy, PROGRESS, 1, random)
        random.gumbel(size=1)  # the chooser's, between one and one
        candidate = move.applied(0, current)
        assert np.array_equal(candidate, trial.offer.moves.applied(0, current))
        found = float(again.rewards([candidate])[0])
        assert trial.gain == found - reward
        neighbourhood.levels.note(int(move.drawn["level"][0]), found > reward)
        rise = found / reward - 1
        if rise > 0:
            acceptance.note(rise)
        trace, since = since >= 8, since + 1
        if acceptance.accepts(rise, TEMPERATURE, random):
            current, reward, busy = candidate, found, again.results[-1].busy_ns
            if trace:
                focus, since = again.look_again(candidate).focus, 0
    assert np.array_equal(current, state.current)


def test_no_decision_is_simulated_twice_while_others_are_on_offer():
    encoding, hierarchy, search, budget, evaluate, chooser = prepared(offers=8)
    state, random, tried = SearchState(), np.random.default_rng(0), TriedMoves(2048)
    start = encoding.neutral()
    state.take([start], evaluate.rewards([start]), random)
    refinement = Refinement(encoding, hierarchy, search, random)
    trials = refinement.run(chooser, evaluate, state, tried, None, PROGRESS, TEMPERATURE)
    assert len(trials) == CALLS - 1 and len(tried.keys) == CALLS
    keys = [int(trial.offer.keys[trial.chosen]) for trial in trials]
    assert len(set(keys)) == len(keys) and int(refinement.keys.of(start)) not in keys
    assert budget.used == CALLS, "without a view no step is traced"


@pytest.mark.parametrize("stretches", [0.0, 1.0])
def test_first_rounds_decide_whole_parts_or_stretches_of_the_order(stretches):
    encoding, hierarchy, search, *_ = prepared(offers=1)
    search = replace(search, stretches=stretches)
    scores = {"placement": Scores(torch.zeros(encoding.units.count, 3), torch.zeros(1))}
    coarse = hierarchy.at_most(4)
    first = FirstRound(encoding, coarse, search, np.random.default_rng(0))
    for _ in range(20):
        genomes, actions = first.draw(scores, 6)
        assert genomes.shape == (6, 1, encoding.units.count)
        assert (actions is None) == (stretches == 1.0)
        for number, genome in enumerate(genomes[:, 0]):
            if actions is not None:
                part_of = actions["placement"].part_of.numpy()
                assert len(set(zip(part_of, genome, strict=True))) == len(set(part_of))
            elif number % 2 == 0:
                assert np.count_nonzero(np.diff(genome)) <= 2, "a stretch for each device"
            else:
                layer = encoding.units.layers(encoding.problem)
                assert len(set(zip(layer, genome, strict=True))) == 4, "layers stay whole"


def test_an_evaluator_counts_the_calls_of_its_round():
    encoding, _, _, budget, _, _ = prepared(offers=1)
    evaluate = Evaluator(encoding, Scales(1000.0), budget, 5)
    genome = encoding.neutral()
    reward = evaluate.rewards([genome, genome])
    step = go_gym.simulate(encoding.problem, encoding.decision(genome)).step_time_ns
    assert reward.tolist() == [-((step / 1000) ** 0.5)] * 2
    assert evaluate.left == 3 and budget.used == 2
    assert evaluate.look(genome).step == step and evaluate.left == 2
    assert evaluate.look_again(genome).step == step and evaluate.left == 2 and budget.used == 3
