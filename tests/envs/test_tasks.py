"""Scheduling, fusion and joint environments: known optima, given placements, states, errors."""

import copy
import doctest
import importlib
import pickle
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.default import baseline
from go_gym.baselines.placements import single_device
from go_gym.envs.registration import IDS
from go_gym.errors import DecisionError, GoGymError, ProblemError
from go_gym.simulator import simulate
from tests.envs.examples import CHAIN, OTHER, PAIR, make

TASKS = ["GO-Scheduling-v0", "GO-Fusion-v0", "GO-Joint-v0"]
URGENT = go_gym.ComputationGraph.from_costs([10, 4, 10], [(1, 1)], [(0, 2)])
APART = go_gym.Cluster.uniform(2, 1e9)
TWO = go_gym.ComputationGraph.from_arrays(
    "two",
    num_ops=2,
    tensors=[(0, 8), (1, 8)],
    uses=[(0, 1)],
    bytes_read=[8, 8],
    bytes_written=[8, 8],
    op_types=["aten.exp", "aten.relu"],
)
LAUNCHING = go_gym.Cluster.uniform(2, 1e9, memory_bandwidth=1e9, launch_overhead=1e-8)


@pytest.mark.parametrize("name", TASKS)
def test_docstring_examples(name):
    module = importlib.import_module(IDS[name].split(":")[0])
    found = doctest.testmod(module)
    assert found.attempted > 3 and found.failed == 0


OPTIMA = {
    "GO-Scheduling-v0": (URGENT, APART, {"levels": 3, "placement": [0, 0, 1]}, 15),
    "GO-Fusion-v0": (TWO, LAUNCHING, {"levels": 3, "placement": [1, 1]}, 26),
    "GO-Joint-v0": (TWO, LAUNCHING, {"levels": 2, "fusion_levels": 2}, 26),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_known_optimum_of_the_docstring(name):
    """Of all actions, none is better than what the docstring calls best."""
    graph, cluster, options, best = OPTIMA[name]
    env = gym.make(name, graph=graph, cluster=cluster, rounds=1000, **options).unwrapped
    env.reset(seed=0)
    times = [
        env.step(list(action))[4]["step_time_ns"]
        for action in product(*map(range, env.action_space.nvec))
    ]
    assert min(times) == best < max(times)


def test_an_order_makes_a_device_wait():
    """What no priorities can: the first device leaves op 1 for op 2, which comes later."""
    graph = go_gym.ComputationGraph.from_costs([1, 4, 2, 4], [(0, 0), (2, 0)], [(0, 2), (1, 3)])
    cluster = go_gym.Cluster.uniform(2, 1e9)
    options = {"graph": graph, "cluster": cluster, "placement": [1, 0, 0, 1], "rounds": 100}
    times = {}
    for decides in ("priority", "order"):
        env = gym.make("GO-Scheduling-v0", levels=2, decides=decides, **options).unwrapped
        observation, _ = env.reset(seed=0)
        assert (observation[decides] == -1).all()
        times[decides] = []
        for action in product(range(2), repeat=4):
            observation, _, _, _, info = env.step(list(action))
            assert env.observation_space.contains(observation)
            times[decides].append(info["step_time_ns"] if info["valid"] else np.inf)
    assert min(times["priority"]) == 10 and min(times["order"]) == 7
    env.step([1, 0, 1, 0])
    assert env.observation(env.episode)["order"].tolist() == [0, 2, 1, 3]


def test_an_order_that_can_never_proceed_is_invalid():
    env = gym.make("GO-Joint-v0", graph=CHAIN, cluster=PAIR, levels=4, decides="order")
    env.reset(seed=0)
    n = CHAIN.num_ops
    action = [0] * 2 * n + list(range(n))  # the last op first
    _, reward, _, _, info = env.step(action)
    assert reward == -10 and not info["valid"] and "can never proceed" in info["reason"]


def test_one_of_two_is_decided():
    with pytest.raises(GoGymError, match="decides 'rank': expected 'priority' or 'order'"):
        make("GO-Scheduling-v0", decides="rank")


@pytest.mark.parametrize("name", ["GO-Scheduling-v0", "GO-Joint-v0"])
def test_orders_in_a_vector_environment_are_those_of_single_ones(name):
    options = {"graph": [CHAIN, OTHER], "cluster": PAIR, "decides": "order", "rounds": 3}
    many = gym.make_vec(name, num_envs=3, **options)
    single = gym.make_vec(name, num_envs=3, vectorization_mode="sync", **options)
    many.reset(seed=5), single.reset(seed=5)
    many.action_space.seed(1)
    for _ in range(5):
        action = many.action_space.sample()
        for one, other in zip(many.step(action)[:4], single.step(action)[:4], strict=True):
            for key in one if isinstance(one, dict) else [...]:
                np.testing.assert_array_equal(one[key], other[key])


def test_the_placement_is_the_experts_or_a_rules():
    for name in ("GO-Scheduling-v0", "GO-Fusion-v0"):
        env = gym.make(name, graph="rnnlm-2", cluster="p100x2", placement=single_device).unwrapped
        observation, _ = env.reset(seed=0)
        assert (observation["placement"] == observation["placement"][0]).all()
        expert = gym.make(name, graph="rnnlm-2", cluster="p100x2").unwrapped
        assert len(np.unique(expert.reset(seed=0)[0]["placement"])) == 2
        with pytest.raises(ProblemError, match="placement"):
            gym.make(name, graph="rnnlm-2", cluster="p100x2", placement=[0, 1])


def test_baselines():
    for name in TASKS:
        env = gym.make(name, graph="rnnlm-2", cluster="p100x2", reward="speedup").unwrapped
        _, info = env.reset(seed=0)
        decision = baseline(env.problem)
        assert info["baseline_ns"] == simulate(env.problem, decision).step_time_ns
        assert (decision.fusion is None) == (name == "GO-Scheduling-v0")
    env = gym.make("GO-Scheduling-v0", graph="rnnlm-2", cluster="p100x2", reward="speedup")
    env.reset(seed=0)
    assert env.step(np.zeros(env.action_space.shape, dtype=int))[1] == 1, "equal priorities: FIFO"


@pytest.mark.parametrize("name", TASKS)
def test_levels_out_of_range(name):
    env = make(name).unwrapped
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, dtype=int)
    action[0] = env.action_space.nvec[0]
    with pytest.raises(DecisionError, match=r"\[0\]: (8|20) for op 'op0', expected 0 to (7|19)"):
        env.step(action)
    for levels in (1, 0, 2.0, True, 10**7):
        with pytest.raises(GoGymError, match="levels"):
            make(name, levels=levels)


@pytest.mark.parametrize("name", IDS)
@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(["step", "fork", "pickle", "restore"]), max_size=12), st.data())
def test_forks_and_parents_stay_equal(name, moves, data):
    """Random steps, resets, forks, pickles and restores: equal actions, equal everything."""
    env = make(name).unwrapped
    seed = data.draw(st.integers(0, 1000))
    env.reset(seed=seed)
    env.action_space.seed(seed)
    fork, saved = copy.deepcopy(env), copy.deepcopy(env.get_state())
    for move in moves:
        if move == "fork":
            fork = copy.deepcopy(env)
        elif move == "pickle":
            fork = pickle.loads(pickle.dumps(env))
        elif move == "restore":
            saved, now = copy.deepcopy(env.get_state()), saved
            env.set_state(now)
            fork.set_state(copy.deepcopy(now))
        elif env.ended(env.episode):
            assert repr(env.reset()) == repr(fork.reset())
        else:
            action = env.action_space.sample()
            assert repr(env.step(action)) == repr(fork.step(action))
        assert repr(env.get_state()) == repr(fork.get_state())
        assert repr(env.observation(env.episode)) == repr(fork.observation(fork.episode))


def test_groups_share_a_level():
    env = gym.make("GO-Joint-v0", graph="rnnlm-2", cluster="p100x2", groups=20).unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)
    assert len(env.action_space.nvec) <= 60
    env.step(env.action_space.sample())
    decision, of_op = env.episode.decision, env.units[0].partition.part_of
    for column in (decision.fusion, decision.placement, decision.priority):
        pairs = np.unique(np.stack([of_op, column]), axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]
