"""Gymnasium's and Stable-Baselines3's checkers, over every id, backend, observation and reward."""

import dataclasses
import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from go_gym.envs.backends import Simulator
from go_gym.envs.registration import HARDWARE_IDS, IDS
from go_gym.envs.rewards import REWARDS
from go_gym.hardware.backend import Hardware
from tests.envs.examples import CHAIN, DIAMOND, OBSERVERS, PAIR, make
from tests.hardware.models import program
from tests.hardware.requirements import runs_workers

COMPILED = ("GO-Fusion-v0", "GO-Joint-v0")
"""On hardware each new decision has kernels for torch.compile: minutes beside other work."""
KNOWN_TO_SB3 = spaces.Box | spaces.Dict
"""It refuses other spaces, ``spaces.Graph`` and PyG's among them, whoever's they are."""


@pytest.fixture(scope="module")
def hardware():
    made = Hardware(steps=1, warmups=0, patience=1.0)
    yield made
    made.close()


def check(env: gym.Env, observer: str, render: bool = False) -> None:
    """Both checkers; any warning but that of a wrapper that it is one is an error."""
    seen = OBSERVERS[observer](env)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*different from the unwrapped version")
        check_env(seen, skip_render_check=not render)
        if isinstance(seen.observation_space, KNOWN_TO_SB3):
            sb3_check_env(seen, skip_render_check=not render)
        else:
            assert observer in ("graph", "pyg")


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("name", IDS)
def test_on_the_simulator(name, observer, reward):
    """Of several graphs."""
    check(make(name, reward=reward).unwrapped, observer)


class Unsteady(Simulator):
    """What hardware is to an environment: the same decision never takes quite as long again."""

    name = "hardware"
    deterministic = False

    def __init__(self):
        self.used = 0

    def run(self, problem, decision, trace=False):
        self.used += 1
        result = super().run(problem, decision, trace)
        return dataclasses.replace(result, step_time_ns=result.step_time_ns + self.used)

    def run_batch(self, problem, decisions):
        return [self.run(problem, each) for each in decisions]


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("name", HARDWARE_IDS)
def test_on_what_varies(name, observer, reward):
    options = {"graph": [CHAIN, DIAMOND], "cluster": PAIR, "reward": reward}
    check(gym.make(name, backend=Unsteady(), **options).unwrapped, observer)


@runs_workers
@pytest.mark.slow  # each step of the checkers is measured
@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("name", IDS)
def test_on_hardware(name, observer, reward, hardware):
    """Each step of the checkers is measured on two cores of this machine."""
    before = hardware.used
    hardware_name = name.replace("GO-", "GO-Hardware")
    options = {"graph": program("rnnlm").graph, "groups": 2, "backend": hardware, "reward": reward}
    check(gym.make(hardware_name, **options).unwrapped, observer)
    assert hardware.used >= before + 3


@runs_workers
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in COMPILED)) for name in IDS],
)
def test_every_id_takes_the_hardware_by_name(name, hardware):
    """And pickles without the process that measures."""
    graph = program("rnnlm").graph
    env = gym.make(name, graph=graph, cluster="cpu2", backend="hardware", groups=2).unwrapped
    assert isinstance(env.backend, Hardware)
    env.backend = hardware
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, dtype=np.int64)
    info = env.step(action if action.shape else 0)[4]
    assert info["valid"] and info["step_time_ns"] == hardware.last.median_ns
    copied = pickle.loads(pickle.dumps(env))
    assert copied.backend.used == hardware.used and hardware.used > 0
    copied.backend.close()


@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
@pytest.mark.parametrize("name", IDS)
def test_with_pictures(name, render_mode):
    check(make(name, render_mode=render_mode).unwrapped, "dict", render=True)
