"""TorchRL as its users have it: specs, rollouts, autoreset; needs torchrl, extra clients."""

import warnings

import gymnasium as gym
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from go_gym.envs.registration import IDS
from tests.envs.examples import CHAIN, PAIR, make

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torchrl = pytest.importorskip("torchrl.envs", reason="torchrl is not installed")

# TorchRL and tensordict warn of their own deprecations
pytestmark = pytest.mark.filterwarnings("ignore")
OPTIONS = {"graph": CHAIN, "cluster": PAIR, "infos": "numbers"}


@pytest.mark.parametrize("name", IDS)
def test_specs(name):
    wrapped = torchrl.GymWrapper(make(name, **OPTIONS))
    shown = set(wrapped.observation_spec.keys())
    assert shown == set(make(name, **OPTIONS).observation_space.spaces), "no entry is renamed"
    torchrl.check_env_specs(wrapped)


@pytest.mark.parametrize("kind", ["sync", "native"])
@pytest.mark.parametrize("name", IDS)
def test_rollouts_that_reset_in_the_same_step(name, kind):
    mode = AutoresetMode.SAME_STEP
    if kind == "sync":
        made = SyncVectorEnv([lambda: make(name, **OPTIONS)] * 3, autoreset_mode=mode)
    else:
        made = gym.make_vec(name, 3, "vector_entry_point", autoreset_mode=mode, **OPTIONS)
    found = torchrl.GymWrapper(made).rollout(9, break_when_any_done=False)
    assert found.batch_size == (3, 9)
    # TorchRL leaves the observation after an end at zeros, of Gymnasium's Sync as of ours
    assert found["next", "done"].any() and found["op_mask"].bool().all()
    assert found["next", "reward"].any()
