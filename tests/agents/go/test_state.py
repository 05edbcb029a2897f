"""The search's state: what it goes on from, what it keeps, and restarts."""

import numpy as np
import pytest
from go_agents.go.scales import INVALID
from go_agents.go.state import SearchState

GENOMES = [np.full((1, 3), i) for i in range(4)]


def taken(state, rewards, temperature=0.0, seed=0):
    random = np.random.default_rng(seed)
    return state.take(GENOMES[: len(rewards)], np.array(rewards), random, temperature)


def test_the_best_of_several_is_gone_on_from_and_kept():
    state = SearchState()
    assert taken(state, [-3.0, -1.0, INVALID, -2.0])
    assert state.current is state.best is GENOMES[1]
    assert state.current_reward == state.best_reward == -1.0
    assert not taken(state, [-2.0]) and state.current is GENOMES[1]
    assert taken(state, [-1.0]) and state.current is GENOMES[0], "as good is good enough"
    assert state.best is GENOMES[1]


def test_invalid_decisions_are_neither_gone_on_from_nor_kept():
    state = SearchState()
    assert not taken(state, [INVALID], temperature=100.0)
    assert state.current is None and state.best is None
    assert taken(state, [-1.0])
    assert not any(taken(state, [INVALID], 1e9, seed) for seed in range(20))


def test_worse_decisions_are_gone_on_from_by_temperature_and_the_best_stays():
    state = SearchState()
    taken(state, [-1.0])
    accepted = []
    for seed in range(2000):
        state.current, state.current_reward = GENOMES[0], -1.0
        accepted.append(
            state.take([GENOMES[1]], np.array([-1.1]), np.random.default_rng(seed), 2.0)
        )
    assert np.mean(accepted) == pytest.approx(np.exp(-1 / 2), abs=0.04), "the typical rise is 0.1"
    assert state.best_reward == -1.0 and state.best is GENOMES[0]


def test_restarts():
    state = SearchState()
    taken(state, [-1.0])
    state.round = 3
    state.restart()
    assert state.current is None and state.round == 0 and state.restarts == 2
    assert taken(state, [-5.0]) and state.best_reward == -1.0
    assert state.best_restarts == 1
    state.resume_best()
    assert state.current is state.best and state.current_reward == -1.0
    assert state.restarts == state.best_restarts == 3
