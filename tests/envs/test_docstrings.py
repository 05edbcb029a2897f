"""What docstrings say of observations is what the spaces are."""

import re

import gymnasium as gym
import pytest

import go_gym  # noqa: F401
from go_gym.envs import observations
from go_gym.envs.registration import IDS

KEY = re.compile(r"^\s*\| (\w+) \| \([^|]*\) (\w+) \|", re.MULTILINE)


@pytest.mark.parametrize("name", IDS)
def test_every_entry_of_the_observation_is_described_with_its_dtype(name):
    env = gym.make(name, graph="rnnlm-2", cluster="p100x2")
    own = env.unwrapped.__doc__.split("## Observation Space")[1].split("## ")[0]
    described = dict(KEY.findall(observations.__doc__)) | dict(KEY.findall(own))
    spaces = {key: str(space.dtype) for key, space in env.observation_space.spaces.items()}
    assert described == spaces
