"""Clients as users have them: Minari, asynchronous workers, a one-file PPO."""

import gc
import importlib.util
import pickle
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import go_gym
from go_gym.envs.registration import IDS
from tests.envs.examples import PAIR, make
from tests.trends import assert_most_fall

USES = [(op, op + 1) for op in range(7) if op != 3]
PARALLEL = go_gym.ComputationGraph.from_costs(
    [10] * 8, [(op, 2) for op, _ in USES], [(i, user) for i, (_, user) in enumerate(USES)]
)
"""Two chains of four ops: a device each is best."""
SMALL = {"graph": "wavenet-2x18", "cluster": "p100x2", "groups": 4}


# a DataCollector leaves its temporary folder to the garbage collector
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize("name", IDS)
def test_minari_records_and_reads_back(name, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make(name, **SMALL), record_infos=True)
    env.action_space.seed(0)
    taken, earned, told = [], [], []
    for episode in range(2):
        told.append([env.reset(seed=episode)[1]])
        done = False
        while not done:
            taken.append(env.action_space.sample())
            _, reward, done, _, info = env.step(taken[-1])
            earned.append(reward)
            told[-1].append(info)
    with warnings.catch_warnings():
        # Minari asks for authors, code and description of data sets that are to be published
        warnings.simplefilter("ignore", UserWarning)
        env.create_dataset(f"go-gym/{name.lower()}", eval_env=name, algorithm_name="random")
    env.close()
    dataset = minari.load_dataset(f"go-gym/{name.lower()}")
    assert dataset.total_episodes == 2 and dataset.total_steps == len(taken)
    episodes = list(dataset.iterate_episodes())
    np.testing.assert_array_equal(np.concatenate([e.actions for e in episodes]), np.array(taken))
    np.testing.assert_allclose(np.concatenate([e.rewards for e in episodes]), earned)
    for episode, expected in zip(episodes, told, strict=True):
        assert set(episode.infos) == set(expected[0])
        for key, recorded in episode.infos.items():
            values = [text.decode() for text in recorded] if recorded.dtype == object else recorded
            np.testing.assert_array_equal(values, [info[key] for info in expected])
    recovered = dataset.recover_environment()
    first = recovered.reset(seed=0)[0]
    assert dataset.observation_space == recovered.observation_space
    for key, array in first.items():
        np.testing.assert_array_equal(episodes[0].observations[key][0], array)
    del env
    gc.collect()  # while the filter holds


@pytest.mark.parametrize("name", IDS)
def test_pickled_after_use_goes_on_alike(name):
    env = make(name, rounds=2).unwrapped
    env.reset(seed=1)
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    copied = pickle.loads(pickle.dumps(env))
    action = env.action_space.sample()
    assert repr(env.step(action)[1:]) == repr(copied.step(action)[1:])


def test_every_id_runs_in_asynchronous_workers():
    with warnings.catch_warnings():
        # a test runner has threads, which Python warns of when gymnasium forks
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in IDS:
            envs = gym.make_vec(f"go_gym:{name}", num_envs=2, vectorization_mode="async", **SMALL)
            same = gym.make_vec(name, num_envs=2, vectorization_mode="vector_entry_point", **SMALL)
            envs.reset(seed=1)
            same.reset(seed=1)
            same.action_space.seed(1)
            actions = same.action_space.sample()
            found, expected = envs.step(actions), same.step(actions)
            np.testing.assert_allclose(found[1], expected[1])
            np.testing.assert_array_equal(found[2], expected[2])
            envs.close()


@pytest.mark.parametrize("seeds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_one_file_ppo_learns(seeds, capsys):
    path = Path(__file__).parents[2] / "examples" / "ppo_cleanrl.py"
    spec = importlib.util.spec_from_file_location("ppo_cleanrl", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rest = {"total_steps": 8192, "num_steps": 16, "learning_rate": 4e-3}
    histories = [
        module.train(module.Args(graph=PARALLEL, cluster=PAIR, groups=8, seed=seed, **rest))
        for seed in range(seeds)
    ]
    assert_most_fall([[-speedup for speedup in history] for history in histories])
    assert np.median([np.mean(h[-8:]) / np.mean(h[:4]) for h in histories]) > 1.15
    assert "best" in capsys.readouterr().out
