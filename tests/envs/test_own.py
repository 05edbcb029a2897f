"""Rewards and observations of a user's own, in one process and in spawned workers."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

import go_gym
from go_gym.envs.observer import Observer
from go_gym.envs.registration import IDS
from go_gym.envs.rewards import Reward
from go_gym.errors import GoGymError
from tests.envs.examples import CHAIN, DIAMOND, OTHER, PAIR, make
from tests.envs.own import OBSERVER, spread


def pay(outcome):
    return 100.0 * outcome.previous_ns + outcome.result.step_time_ns


def played(env, seed=0):
    env.reset(seed=seed)
    env.action_space.seed(seed)
    found, done = [], False
    while not done:
        found.append(env.step(env.action_space.sample()))
        done = found[-1][2]
    return found


@pytest.mark.parametrize("name", IDS)
def test_a_function_sees_problem_decision_and_result(name):
    env = make(name, reward=spread, rounds=1)
    found = played(env)
    episode = env.unwrapped.episode
    expected = spread(env.unwrapped.problem, episode.decision, episode.result)
    assert found[-1][1] == expected
    assert [step[1] for step in found[:-1]] == [0.0] * (len(found) - 1), "0 before the last"


def test_a_reward_of_every_step_comes_at_every_step():
    reward = Reward("pay", pay, every_step=True)
    env = make("GO-PlacementSteps-v0", graph=CHAIN, groups=None, reward=reward)
    _, info = env.reset(seed=0)
    times = [info["step_time_ns"]]
    for device in (1, 1, 0, 0):
        _, earned, _, _, info = env.step(device)
        times.append(info["step_time_ns"])
        assert earned == 100 * times[-2] + times[-1]
    assert times == [20, 29, 21, 21, 21]


def test_a_reward_named_like_ours_is_not_taken_for_it():
    mine = Reward("improvement", lambda outcome: 3.0)
    assert [s[1] for s in played(make("GO-PlacementSteps-v0", graph=OTHER, reward=mine))] == [0, 3]


@pytest.mark.parametrize("name", ["GO-Placement-v0", "GO-PlacementSteps-v0"])
def test_they_work_in_spawned_workers_and_natively(name):
    options = {"graph": [CHAIN, DIAMOND], "cluster": PAIR, "reward": spread, "observe": OBSERVER}
    with warnings.catch_warnings():
        # a test runner has threads, which Python warns of when gymnasium starts processes
        warnings.simplefilter("ignore", DeprecationWarning)
        spawned = gym.make_vec(
            f"go_gym:{name}", 2, "async", vector_kwargs={"context": "spawn"}, **options
        )
        native = gym.make_vec(name, 2, "vector_entry_point", **options)
        try:
            pairs = [(spawned.reset(seed=3)[0], native.reset(seed=3)[0])]
            native.action_space.seed(0)
            for _ in range(5):
                actions = native.action_space.sample()
                ours, theirs = native.step(actions), spawned.step(actions)
                np.testing.assert_array_equal(ours[1], theirs[1])
                pairs.append((theirs[0], ours[0]))
        finally:
            spawned.close()
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    assert pairs[-1][0].shape == (2, 2) and np.any(pairs[-1][0])


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_checker_takes_an_own_observation(name):
    check_env(make(name, observe=OBSERVER).unwrapped, skip_render_check=True)


def test_an_observation_may_use_the_entries_and_depend_on_the_problems():
    def space(problems):
        assert [problem.graph.name for problem in problems] == ["chain", "other"]
        return spaces.Box(0, len(problems), (1,), np.int8)

    def current(view):
        return view.entries()["current"].astype(np.int8)

    options = {"graph": [CHAIN, OTHER], "observe": Observer(space, current), "groups": None}
    env = make("GO-PlacementSteps-v0", **options)
    assert env.reset(seed=0, options={"graph": 0})[0] == [0] and env.step(1)[0] == [1]


def test_what_is_none_is_refused():
    with pytest.raises(GoGymError, match="expected one of go, speedup, improvement, a Reward"):
        make(reward="mine")
    with pytest.raises(GoGymError, match="function"):
        make(reward=3)
    for value in (None, "much", float("nan"), [1, 2]):
        env = make(reward=lambda problem, decision, result, value=value: value)
        env.reset(seed=0)
        with pytest.raises(go_gym.GoGymError, match=r"<lambda>.*expected a number"):
            env.step(env.action_space.sample())
    with pytest.raises(GoGymError, match="observe"):
        make(observe=len)
    with pytest.raises(GoGymError, match="space"):
        make(observe=Observer(lambda problems: 3, len))
    wrong = Observer(spaces.Box(0, 1, (2,), np.float32), lambda view: np.zeros(3, np.float32))
    with pytest.raises(GoGymError, match="not of Box"):
        make(observe=wrong).unwrapped.reset(seed=0)


def test_own_observations_share_no_memory():
    """Even of a function that gives the same array again and again."""
    kept = np.zeros(2, np.float32)
    env = make(observe=Observer(spaces.Box(0, 1, (2,), np.float32), lambda view: kept))
    first, second = env.reset(seed=0)[0], env.reset(seed=0)[0]
    assert not np.shares_memory(first, second) and not np.shares_memory(first, kept)
