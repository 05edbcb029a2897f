"""GO-PlacementSteps-v0: Placeto's MDP by hand, and against whole simulations."""

import copy
import doctest
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.envs import steps
from go_gym.envs.steps import STATE_FEATURES
from go_gym.errors import DecisionError, GoGymError
from tests.envs.examples import CHAIN, DIAMOND, OTHER, PAIR
from tests.envs.examples import make as make_any
from tests.strategies import problems


def make(**options):
    return make_any("GO-PlacementSteps-v0", **options).unwrapped


def walk(env, devices):
    """The steps' returns."""
    return [env.step(device) for device in devices]


def test_docstring_example():
    result = doctest.testmod(steps)
    assert result.attempted > 0 and result.failed == 0


def test_the_reward_is_what_the_move_gained():
    """The expert needs 21 ns (cut in the middle); one device 20; apart after op 0: 20 + 9."""
    env = make(graph=CHAIN, cluster=PAIR, groups=None)
    env.reset(seed=0)
    found = walk(env, [1, 1, 0, 0])
    assert [step[4]["step_time_ns"] for step in found] == [29, 21, 21, 21]
    expected = [(20 - 29) / 21, (29 - 21) / 21, 0, 0]
    assert [step[1] for step in found] == pytest.approx(expected)
    assert found[0][1] < 0 < found[1][1], "worse is punished, better is rewarded"


def test_every_unit_is_placed_the_last_one_too():
    env = make(graph=CHAIN, groups=None, rounds=2)
    env.reset(seed=0)
    found = walk(env, [1, 1, 1, 1, 0, 0, 0, 0])
    assert found[3][0]["placement"].tolist() == [1, 1, 1, 1]
    assert found[7][0]["placement"].tolist() == [0, 0, 0, 0]
    assert [step[2] for step in found] == [False] * 7 + [True]
    assert [int(step[0]["round"][0]) for step in found] == [0, 0, 0, 1, 1, 1, 1, 2]
    with pytest.raises(GoGymError, match="reset"):
        env.step(0)


def test_state_of_the_units():
    env = make(graph=CHAIN, groups=None)
    observation, info = env.reset(seed=0)
    assert info["step_time_ns"] == 20
    state = observation["unit_state"].reshape(4, -1)
    assert state.shape[1] == len(STATE_FEATURES) + 2
    assert state[:, 2].tolist() == pytest.approx([0, 0.25, 0.5, 0.75])
    observation = env.step(1)[0]
    state = observation["unit_state"].reshape(4, -1)
    assert state[:, 0].tolist() == [1, 0, 0, 0] and state[:, 1].tolist() == [0, 1, 0, 0]
    starts = np.array([0, 14, 19, 24])  # 9 ns of transfer after op 0
    assert state[:, 2].tolist() == pytest.approx(((starts - 14) / 29).tolist())
    assert state[:, 3:].argmax(axis=1).tolist() == [1, 0, 0, 0]
    assert observation["current"] == 1
    last = walk(env, [0, 0, 0])[-1][0]
    assert last["current"] == 3 and (last["unit_state"].reshape(4, -1)[:, :2] == [1, 0]).all()


def test_memory_beyond_the_capacity_is_penalised():
    graph = go_gym.ComputationGraph.from_costs([5, 5], [], [], parameter_bytes=[2 * 10**9, 10**9])
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=2 * 10**9)
    env = make(graph=graph, cluster=cluster, groups=None)
    _, info = env.reset()
    assert not info["valid"] and info["best_step_time_ns"] == -1
    _, reward, _, _, info = env.step(1)
    assert info["valid"]
    assert reward == pytest.approx((10 - 5) / 5 + 2 * 1.0), "a GB over weighs 2"


@settings(max_examples=60, deadline=None)
@given(problem=problems(max_ops=20), data=st.data())
def test_each_step_is_a_whole_simulation_and_rewards_add_up(problem, data):
    groups = data.draw(st.sampled_from([None, 3]))
    env = make(graph=problem.graph, cluster=problem.cluster, groups=groups, rounds=2)
    observation, info = env.reset(seed=0)
    units, total, done = env.units[0], 0.0, False
    first, decided = env._cost(0, env.episode.result), env.episode.decision.placement
    while not done:
        device = data.draw(st.integers(0, problem.num_devices - 1))
        current = int(observation["current"][0])
        observation, reward, done, _, info = env.step(device)
        total += reward
        decided = np.where(units.partition.part_of == current, device, decided)
        expected = go_gym.simulate(env.problem, go_gym.Decision(decided), trace=True)
        np.testing.assert_array_equal(env.episode.starts, expected.trace.op_start)
        assert info["step_time_ns"] == expected.step_time_ns
        assert info["valid"] == expected.valid
        assert observation["placement"][: units.count].tolist() == units.gathered(decided).tolist()
        assert env.observation_space.contains(observation)
    assert total == pytest.approx(first - env._cost(0, env.episode.result), abs=1e-6)
    assert env.episode.round == 2 * units.count


@pytest.mark.parametrize("reward", ["go", "speedup"])
def test_other_rewards_come_at_the_end(reward):
    env = make(graph=CHAIN, groups=None, reward=reward)
    env.reset()
    rewards = [step[1] for step in walk(env, [0, 0, 0, 0])]
    assert rewards[:3] == [0, 0, 0]
    assert rewards[3] == pytest.approx({"go": -((20 / 21) ** 0.5), "speedup": 21 / 20}[reward])


def test_groups_bound_the_length_and_start_is_chosen():
    env = make(graph="rnnlm-2", cluster="p100x2", start="human-expert")
    _, info = env.reset()
    assert env.length_of(0) <= 64
    assert info["step_time_ns"] < 1.5 * info["baseline_ns"]
    done = False
    steps_taken = 0
    while not done:
        done = env.step(0)[2]
        steps_taken += 1
    assert steps_taken == env.length_of(0) and set(env.episode.decision.placement) == {0}


def test_fork_and_parent_stay_equal():
    """A fork shares the search until one of them moves; neither notices the other."""
    env = make(graph=[CHAIN, OTHER, DIAMOND], groups=None, rounds=3)
    env.reset(seed=2, options={"graph": 2})
    env.step(1)
    forks = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env), make(groups=None, rounds=3)]
    forks[2].set_state(copy.deepcopy(env.get_state()))
    forks.append(make(groups=None, rounds=3))
    forks[3].set_state(env.get_state())
    kept = env.episode
    for device in (1, 0, 1, 1, 0):
        expected = env.step(device)
        for fork in forks:
            found = fork.step(device)
            assert repr(found[1:]) == repr(expected[1:])
            for key, array in expected[0].items():
                np.testing.assert_array_equal(found[0][key], array)
    env.episode = kept  # its search has moved on
    assert (
        env.step(0)[4]["step_time_ns"]
        == go_gym.simulate(env.problem, env.episode.decision).step_time_ns
    )


def test_errors():
    env = make(graph=CHAIN)
    with pytest.raises(GoGymError, match="reset"):
        env.step(0)
    with pytest.raises(GoGymError, match="before reset"):
        env.set_state(env.get_state())
    env.reset()
    for action in (2, -1, 0.5, None, [0], "a", True):
        with pytest.raises(DecisionError, match="action"):
            env.step(action)
    with pytest.raises(GoGymError, match="start"):
        make(start="anywhere")
    with pytest.raises(GoGymError, match="start"):
        make(start=[0])
    with pytest.raises(GoGymError, match="groups"):
        make(groups=0)
    with pytest.raises(GoGymError, match="state"):
        env.set_state({"episode": None})
    state = env.get_state()
    with pytest.raises(GoGymError, match="state"):
        env.set_state(state | {"episode": state["episode"] | {"decision": None, "result": None}})
