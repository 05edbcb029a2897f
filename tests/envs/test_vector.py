"""Native vector environments against Gymnasium's own over the same environment."""

import copy
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate

from go_gym.envs.registration import IDS
from go_gym.errors import DecisionError, GoGymError
from tests.envs.examples import CHAIN, DIAMOND, OTHER, PAIR, make

MODES = list(AutoresetMode)


def native(name, num_envs=3, **options):
    options = {"graph": [CHAIN, OTHER, DIAMOND], "cluster": PAIR, **options}
    return gym.make_vec(name, num_envs=num_envs, vectorization_mode="vector_entry_point", **options)


def assert_same(ours, theirs):
    """Equal in values, dtypes and keys, whatever is nested in what."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, tuple) or (isinstance(theirs, np.ndarray) and theirs.dtype == object):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", IDS)
def test_equals_gymnasiums_sync_vector_environment(name, mode):
    ours = native(name, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: make(name)] * 3, autoreset_mode=mode)
    assert ours.metadata == theirs.metadata
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(seed=4), theirs.reset(seed=4))
    ours.action_space.seed(1)
    done = np.zeros(3, dtype=bool)
    for _ in range(25):
        if mode is AutoresetMode.DISABLED and done.any():
            options = [{"reset_mask": done.copy()} for _ in range(2)]
            assert_same(ours.reset(options=options[0]), theirs.reset(options=options[1]))
        actions = ours.action_space.sample()
        found = ours.step(actions)
        assert_same(found, theirs.step(actions))
        assert ours.observation_space.contains(found[0])
        done = found[2]


@pytest.mark.parametrize("name", IDS)
def test_equals_single_environments(name):
    envs = native(name, num_envs=2, graph=DIAMOND)
    singles = [make(name, graph=DIAMOND) for _ in range(2)]
    envs.reset(seed=0)
    for lane, env in enumerate(singles):
        env.reset(seed=lane)
    actions = envs.action_space.sample()
    observations, rewards, terminated, truncated, _ = envs.step(actions)
    parts = iterate(envs.observation_space, observations)
    for lane, (env, seen) in enumerate(zip(singles, parts, strict=True)):
        expected = env.step(actions[lane])
        assert_same(seen, expected[0])
        assert (rewards[lane], terminated[lane], truncated[lane]) == expected[1:4]


@pytest.mark.parametrize("name", IDS)
def test_observations_of_a_step_are_the_callers_own(name):
    envs = native(name, num_envs=2, graph=DIAMOND)
    first, _ = envs.reset(seed=0)
    kept = {key: array.copy() for key, array in first.items()}
    second = envs.step(envs.action_space.sample())[0]
    for array in second.values():
        array[...] = 0
    assert_same(first, kept)
    assert_same(envs.reset(seed=0)[0], kept)


def test_one_call_of_the_backend_a_step():
    class Counting:
        name, deterministic = "counting", True

        def __init__(self):
            from go_gym.envs.backends import Simulator

            self.inner, self.sizes = Simulator(), []

        def run(self, problem, decision, trace=False):
            return self.inner.run(problem, decision, trace)

        def run_batch(self, problem, decisions):
            self.sizes.append(len(decisions))
            return self.inner.run_batch(problem, decisions)

    backend = Counting()
    envs = native("GO-Placement-v0", num_envs=8, graph=CHAIN, backend=backend, rounds=3)
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(envs.action_space.sample())
    assert backend.sizes == [8, 8, 8]


def test_make_vec_prefers_it_and_render_gives_a_frame_each():
    envs = gym.make_vec(
        "GO-Placement-v0", num_envs=2, graph=CHAIN, cluster=PAIR, render_mode="ansi"
    )
    assert type(envs.unwrapped).__name__ == "PlacementVectorEnv"
    envs.reset(seed=0)
    envs.step(np.array([[0, 0, 0, 0], [0, 1, 0, 1]]))
    frames = envs.render()
    assert "0.000 ms" in frames[0] and len(frames) == 2 and frames[0] != frames[1]
    envs.close()


def test_gymnasiums_vector_wrappers_apply():
    envs = gym.wrappers.vector.RecordEpisodeStatistics(native("GO-Placement-v0", graph=CHAIN))
    envs.reset(seed=0)
    infos = envs.step(envs.action_space.sample())[-1]
    assert infos["episode"]["l"].tolist() == [1, 1, 1]


def test_errors_name_what_is_wrong():
    envs = native("GO-Placement-v0", graph=CHAIN, autoreset_mode="Disabled")
    envs.reset(seed=[1, 2, 3])
    with pytest.raises(DecisionError, match="expected 0 to 1"):
        envs.step(np.full((3, 4), 2))
    with pytest.raises(GoGymError, match="actions"):
        envs.step(np.zeros((2, 4), int))
    for actions in (None, 0):
        with pytest.raises(GoGymError, match="actions"):
            envs.step(actions)
    with pytest.raises(GoGymError, match="reset"):
        native("GO-Placement-v0", graph=CHAIN).step(np.zeros((3, 4), int))
    envs.step(np.zeros((3, 4), int))
    with pytest.raises(GoGymError, match="reset"):
        envs.step(np.zeros((3, 4), int))
    with pytest.raises(GoGymError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.zeros(3, bool)})
    with pytest.raises(GoGymError, match="seed"):
        envs.reset(seed=[1])
    with pytest.raises(GoGymError, match="num_envs"):
        native("GO-Placement-v0", num_envs=0)


@pytest.mark.parametrize("name", IDS)
def test_copies_and_pickles_go_on_alike_and_apart(name):
    """Whichever of the three steps first, none changes the others."""
    ours = native(name, num_envs=2, rounds=3, autoreset_mode=AutoresetMode.SAME_STEP)
    ours.reset(seed=5)
    ours.action_space.seed(0)
    ours.step(ours.action_space.sample())
    forks = [copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
    for _ in range(3):
        action, other = ours.action_space.sample(), ours.action_space.sample()
        stray = copy.deepcopy(ours)
        stray.step(other)
        found = [each.step(action) for each in (forks[0], ours, forks[1])]
        assert_same(found[0], found[1])
        assert_same(found[2], found[1])


LARGE = {"graph": "rnnlm-8", "cluster": "p100x4"}


def test_large_graphs_are_copied_and_pickled_too():
    """Their observations lie in a file."""
    ours = native("GO-Placement-v0", num_envs=2, **LARGE)
    ours.reset(seed=0)
    assert_same(pickle.loads(pickle.dumps(ours)).reset(seed=1), copy.deepcopy(ours).reset(seed=1))


def test_a_pickle_goes_on_in_another_process():
    ours = native("GO-PlacementSteps-v0", num_envs=2, graph="rnnlm-2", cluster="p100x2")
    ours.reset(seed=0)
    ours.step(np.array([1, 0]))
    code = (
        "import pickle, sys, numpy as np\n"
        "envs = pickle.load(sys.stdin.buffer)\n"
        "print(envs.step(np.array([1, 1]))[4]['step_time_ns'].tolist())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(ours), capture_output=True, check=True
    )
    here = ours.step(np.array([1, 1]))[4]["step_time_ns"].tolist()
    assert there.stdout.decode().strip() == str(here)


def test_seeds_are_told_of_each_episode():
    ours = native("GO-Placement-v0")
    theirs = SyncVectorEnv([make] * 3)
    for each in (ours, theirs):
        each.reset(seed=5)
    assert ours.np_random_seed == theirs.np_random_seed == (5, 6, 7)
    ours.reset()
    assert ours.np_random_seed == (5, 6, 7)
