"""GO-Placement-v0: checkers, rewards by hand, errors, determinism."""

import copy
import doctest
import math
import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import go_gym
from go_gym.agent import Budget
from go_gym.cluster import preset_names
from go_gym.envs import placement
from go_gym.envs.backends import Budgeted
from go_gym.envs.registration import IDS
from go_gym.envs.rewards import REWARDS
from go_gym.errors import DatasetError, DecisionError, GoGymError

CHAIN = go_gym.ComputationGraph.from_costs(
    [5, 5, 5, 5], [(0, 9), (1, 1), (2, 3)], [(0, 1), (1, 2), (2, 3)], name="chain"
)
OTHER = go_gym.ComputationGraph.from_costs([3, 4], [(0, 9)], [(0, 1)], name="other")
PAIR = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=12, name="pair")


def make(name="GO-Placement-v0", **options):
    return gym.make(name, **{"graph": CHAIN, "cluster": PAIR, **options})


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("name", IDS)
def test_gymnasium_checker(name, reward):
    env = gym.make(
        name, graph="inception-b32", cluster="p100x4", reward=reward, render_mode="rgb_array"
    )
    check_env(env.unwrapped)


@pytest.mark.parametrize("name", IDS)
def test_stable_baselines3_checker(name):
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    sb3.check_env(make(name, graph="rnnlm-2", cluster="p100x2").unwrapped)


def test_docstring_examples():
    assert doctest.testmod(placement).attempted > 0
    assert doctest.testmod(placement).failed == 0


def test_rewards_by_hand():
    """The expert cuts nothing here: no layers, so it splits 2 + 2 and pays 1 B: 21 ns."""
    split, whole, alternating = [0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]
    rewards = {}
    for name in REWARDS:
        env = make(reward=name, rounds=3)
        env.reset(seed=0)
        rewards[name] = [env.step(action)[1] for action in (split, whole, alternating)]
    assert rewards["go"] == pytest.approx([-1, -math.sqrt(20 / 21), -math.sqrt(33 / 21)])
    assert rewards["speedup"] == pytest.approx([1, 21 / 20, 21 / 33])
    assert rewards["improvement"] == pytest.approx([0, 1 / 21, -13 / 21])


def test_out_of_memory_is_a_normal_step():
    small = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=8)
    env = make(cluster=small)
    env.reset()
    _, reward, terminated, truncated, info = env.step([0, 0, 1, 1])
    assert (reward, terminated, truncated) == (-10, True, False)
    assert not info["valid"] and "out of memory" in info["reason"]


def test_rounds_and_best_so_far():
    env = make(rounds=2)
    observation, info = env.reset()
    assert (observation["placement"] == -1).all() and observation["round"] == 0
    observation, _, terminated, _, info = env.step([1, 1, 1, 1])
    assert not terminated and observation["placement"].tolist() == [1, 1, 1, 1]
    *_, terminated, _, info = env.step([0, 1, 0, 1])
    assert terminated and info["best_step_time_ns"] == 20 and info["step_time_ns"] == 33
    with pytest.raises(GoGymError, match="reset"):
        env.unwrapped.step([0] * 4)


@pytest.mark.parametrize(
    "action", [[0, 0], [0, 0, 0, 2], [0, -1, 0, 0], [0.5] * 4, [math.nan] * 4, "abcd", [[0] * 4]]
)
def test_bad_actions(action):
    env = make().unwrapped
    env.reset()
    with pytest.raises(DecisionError):
        env.step(action)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "best"}, "reward"),
        ({"backend": "abacus"}, "backend"),
        ({"backend": None}, "backend"),
        ({"backend": 3}, "backend"),
        ({"reward": ["go"]}, "reward"),
        ({"rounds": True}, "rounds"),
        ({"rounds": 0}, "rounds"),
        ({"graph": "nobody"}, "no graph 'nobody'"),
        ({"graph": []}, "graph"),
        ({"cluster": "nowhere"}, "no cluster 'nowhere'"),
        ({"render_mode": "smell"}, "render_mode"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(GoGymError, match=message):
        placement.PlacementEnv(**{"graph": CHAIN, "cluster": PAIR, **options})


def test_several_graphs_are_padded_and_masked():
    env = make(graph=[CHAIN, OTHER])
    names = set()
    for seed in range(12):
        observation, info = env.reset(seed=seed)
        names.add(info["graph"])
        size = 4 if info["graph"] == "chain" else 2
        assert observation["op_mask"].tolist() == [1] * size + [0] * (4 - size)
        assert observation["edge_mask"].sum() == size - 1
    assert names == {"chain", "other"}
    env.reset(options={"graph": 1})
    assert env.step([0, 0, 1, 1])[4]["step_time_ns"] == 7


def test_splits_and_families():
    env = gym.make("GO-Placement-v0", graph="recurrent", cluster="p100x8")
    assert {p.graph.metadata["family"] for p in env.unwrapped.problems} == {"gnmt", "rnnlm"}
    with pytest.raises(DatasetError, match="split"):
        gym.make("GO-Placement-v0", graph="forests")


def test_same_seed_same_trajectory():
    def trajectory():
        env = make(graph=[CHAIN, OTHER], rounds=2)
        out = []
        for episode in range(5):
            env.action_space.seed(episode)
            out.append(env.reset(seed=episode if episode == 0 else None)[1])
            for _ in range(2):
                out.append(env.step(env.action_space.sample())[1:])
        return repr(out)

    assert trajectory() == trajectory()


def test_fork_and_parent_stay_equal():
    env = make(graph=[CHAIN, OTHER], rounds=3).unwrapped
    env.reset(seed=5)
    env.step([0, 1, 0, 1])
    fork = pickle.loads(pickle.dumps(make(graph=[CHAIN, OTHER], rounds=3).unwrapped))
    fork.set_state(copy.deepcopy(env.get_state()))
    for _ in range(6):
        action = env.action_space.sample()
        if env.episode.round == 3:
            assert repr(env.reset()[1]) == repr(fork.reset()[1])
        a, b = env.step(action), fork.step(action)
        assert repr(a[1:]) == repr(b[1:])
        for key in a[0]:
            np.testing.assert_array_equal(a[0][key], b[0][key])


def test_large_observations_are_mapped_and_independent():
    """Above a megabyte each observation maps the static part copy-on-write."""
    env = gym.make("GO-Placement-v0", graph="rnnlm-8", cluster="p100x8").unwrapped
    first, _ = env.reset()
    second, _ = env.reset()
    assert not np.shares_memory(first["ops"], second["ops"])
    np.testing.assert_array_equal(first["ops"], second["ops"])
    first["ops"][:] = -1
    assert env.observation_space.contains(second)
    assert env.observation_space.contains(env.reset()[0])


def test_async_vector_environment():
    with warnings.catch_warnings():
        # a test runner has threads, which Python warns of when gymnasium forks
        warnings.simplefilter("ignore", DeprecationWarning)
        envs = gym.make_vec(
            "go_gym:GO-Placement-v0",
            num_envs=2,
            vectorization_mode="async",
            graph=CHAIN,
            cluster=PAIR,
            vector_kwargs={"context": "spawn"},
        )
        envs.reset(seed=1)
        _, rewards, terminated, _, _ = envs.step(np.array([[0, 0, 0, 0], [0, 1, 0, 1]]))
        envs.close()
    assert rewards == pytest.approx([-math.sqrt(20 / 21), -math.sqrt(33 / 21)])
    assert terminated.all()


def test_ansi():
    env = make(render_mode="ansi")
    env.reset()
    env.step([0, 0, 0, 0])
    assert "step time 0.000 ms, valid" in env.render()


def test_a_picture_before_and_after_the_decision():
    env = make(render_mode="rgb_array")
    env.reset()
    before = env.render()
    env.step([0, 0, 1, 1])
    after = env.render()
    assert before.shape == after.shape and before.dtype == after.dtype == np.uint8
    assert (before != after).any()


@pytest.mark.parametrize("devices", [1, 3])
def test_checkers_on_tiny_and_mixed_problems(devices):
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    single = go_gym.ComputationGraph.from_costs([5], [], [], name="single")
    for graph in (single, [CHAIN, single]):
        cluster = go_gym.Cluster.uniform(devices=devices, bandwidth=1e9)
        env = make(graph=graph, cluster=cluster, rounds=2).unwrapped
        check_env(env, skip_render_check=True)
        sb3.check_env(env)


def test_every_preset_gives_observations_of_the_space():
    for name in preset_names():
        env = make(graph=[CHAIN, OTHER], cluster=name).unwrapped
        for seed in range(3):
            assert env.observation_space.contains(env.reset(seed=seed)[0])
            assert env.observation_space.contains(env.step(env.action_space.sample())[0])


@pytest.mark.parametrize(
    "action",
    [
        None,
        {},
        [[0, 1], [1]],
        [2**70] * 4,
        [True] * 4,
        np.zeros(4, np.uint64),
        np.zeros(4, complex),
    ],
    ids=repr,
)
def test_strange_actions_leave_the_episode_as_it_was(action):
    env = make().unwrapped
    env.reset()
    with pytest.raises(DecisionError):
        env.step(action)
    assert env.step([0, 0, 0, 0])[4]["step_time_ns"] == 20


def test_observations_and_actions_are_the_callers_own():
    env = make(rounds=3).unwrapped
    env.reset()
    action = np.array([0, 0, 1, 1])
    first = env.step(action)[0]
    action[:] = 0
    first["placement"][:] = 0
    assert env.episode.decision.placement.tolist() == [0, 0, 1, 1]


def test_states_of_other_environments_are_refused():
    env = make(rounds=2).unwrapped
    env.reset(seed=3)
    before = repr(env.get_state())
    good = env.get_state()
    short = go_gym.Decision([0])
    for entries in ({"chosen": 9}, {"round": 3}, {"round": 1}, {"decision": short}, {"more": 1}):
        with pytest.raises(GoGymError, match="state"):
            env.set_state(good | {"episode": good["episode"] | entries})
    env.step([0, 0, 1, 1])
    later = env.get_state()
    env.set_state(good)
    for wrong in (
        {},
        None,
        good | {"generator": {}},
        later | {"episode": later["episode"] | {"decision": short}},
    ):
        with pytest.raises(GoGymError, match="state"):
            env.set_state(wrong)
    assert repr(env.get_state()) == before


def test_pickle_and_copy_after_use():
    env = make(rounds=3).unwrapped
    env.reset(seed=1)
    env.step([0, 1, 0, 1])
    for copied in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert copied.step([0, 0, 1, 1])[1] == -1


def test_known_optimum_of_a_chain():
    """A chain never gains from a cut: of all 16 placements the two uncut ones take 20 ns."""
    env = make(reward="speedup", rounds=16).unwrapped
    env.reset()
    times = {a: env.step(list(a))[4]["step_time_ns"] for a in np.ndindex(2, 2, 2, 2)}
    assert {a for a, t in times.items() if t == min(times.values())} == {(0,) * 4, (1,) * 4}
    assert min(times.values()) == 20


@pytest.mark.parametrize("options", [{"grpah": 1}, [1], {"graph": 2}, {"graph": "chian"}])
def test_bad_reset_options(options):
    env = make(graph=[CHAIN, OTHER]).unwrapped
    with pytest.raises(GoGymError, match="options"):
        env.reset(options=options)


def test_a_graph_is_chosen_by_name_or_number():
    env = make(graph=[CHAIN, OTHER])
    vector = gym.make_vec("GO-Placement-v0", num_envs=2, graph=[CHAIN, OTHER], cluster=PAIR)
    for number, name in enumerate(("chain", "other")):
        for wanted in (name, number, np.int64(number)):
            assert env.reset(seed=0, options={"graph": wanted})[1]["graph"] == name
            assert set(vector.reset(options={"graph": wanted})[1]["graph"]) == {name}
    for wanted, told in ((["chain"], "expected 0 to 1 or one of chain, other"), (2, "0 to 1")):
        with pytest.raises(GoGymError, match=told):
            env.reset(options={"graph": wanted})
    with pytest.raises(GoGymError, match="several graphs"):
        make(graph=[CHAIN, CHAIN]).reset(options={"graph": "chain"})


def test_numpy_numbers_are_numbers():
    assert make(rounds=np.int64(2), groups=np.int64(2)).unwrapped.rounds == 2


def test_invalid_decisions_are_no_speedup():
    env = make(cluster=go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=9))
    env.reset()
    info = env.step([0, 1, 0, 1])[4]
    assert not info["valid"] and info["speedup"] == 0


def test_thousands_of_large_observations_may_be_kept():
    """Each mapping holds a file descriptor, of which a process often has 1,024."""
    resource = pytest.importorskip("resource")
    env = gym.make("GO-Placement-v0", graph="rnnlm-8", cluster="p100x8").unwrapped
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(400, before[0]), before[1]))
    try:
        kept = [env.reset(seed=0)[0] for _ in range(500)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    kept[0]["ops"][:] = -1
    for other in (kept[1], kept[-2], kept[-1]):
        assert env.observation_space.contains(other)
    kept[-1]["ops"][:] = -1
    assert env.observation_space.contains(kept[-2])


def test_pictures_cost_no_call_and_take_any_name():
    graph = go_gym.ComputationGraph.from_costs([5, 5], [], [], name="a$_$", names=["b$", "$c^$"])
    problem = go_gym.Problem(graph, PAIR)
    budget = Budget(problem, 1)
    env = make(graph=graph, backend=Budgeted(budget), render_mode="rgb_array")
    env.reset()
    env.step([0, 1])
    assert env.render().any() and budget.used == 1
