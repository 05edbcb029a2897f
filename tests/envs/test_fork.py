"""``fork``: a copy that goes on alike, counters of wrappers included."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

import go_gym
from go_gym.agent import Budget
from go_gym.envs.backends import Budgeted
from go_gym.envs.registration import IDS
from go_gym.envs.wrappers import RewardPerGraph
from tests.envs.examples import CHAIN, DIAMOND, OTHER, PAIR, make


def plain(found):
    """A step's returns, without the time that an episode took."""
    observation, *rest, info = found
    info = {**info, "episode": {k: v for k, v in info.get("episode", {}).items() if k != "t"}}
    return {key: array.tolist() for key, array in observation.items()}, rest, repr(info)


@pytest.mark.parametrize("name", IDS)
def test_a_fork_goes_on_as_its_parent_would_and_apart_from_it(name):
    env = make(name, graph=[CHAIN, OTHER, DIAMOND], rounds=9, groups=None)
    env = RewardPerGraph(RecordEpisodeStatistics(TimeLimit(env, 4)))
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(5)]
    env.reset(seed=1, options={"graph": 2})
    env.step(actions[0])
    one, other = go_gym.fork(env), go_gym.fork(env)
    scales = dict(env.scales)
    found = [[plain(fork.step(a)) for a in actions[1:4]] for fork in (one, other)]
    assert env.scales == scales, "the parent has not moved"
    assert found[0] == found[1] == [plain(env.step(a)) for a in actions[1:4]]
    assert [step[1][2] for step in found[0]] == [False, False, True], "TimeLimit's count"
    assert "'l': 4" in found[0][-1][2], "the statistics' count"
    np.testing.assert_equal(one.reset()[1]["graph"], other.reset()[1]["graph"])


def test_what_never_changes_and_the_backend_are_shared():
    budget = Budget(go_gym.Problem(CHAIN, PAIR), 5)
    env = make(graph=CHAIN, backend=Budgeted(budget), rounds=5)
    env.reset(seed=0)
    copied = go_gym.fork(env)
    copied.step([0, 0, 0, 0])
    env.step([1, 1, 1, 1])
    assert budget.used == 2
    assert copied.unwrapped.problem is env.unwrapped.problem
    assert copied.unwrapped.units[0] is env.unwrapped.units[0]


def test_native_vector_environments_fork_too():
    envs = gym.make_vec("GO-PlacementSteps-v0", num_envs=2, graph=[CHAIN, OTHER], cluster=PAIR)
    envs.reset(seed=4)
    copied = go_gym.fork(envs)
    for actions in ([0, 1], [1, 1], [0, 0], [1, 0]):
        one, other = envs.step(np.array(actions)), copied.step(np.array(actions))
        assert repr(one) == repr(other)


def test_what_cannot_be_copied_is_named():
    class Held(gym.Wrapper):
        def __init__(self, env):
            super().__init__(env)
            self.file = open(__file__)  # noqa: SIM115

    env = Held(make())
    with pytest.raises(go_gym.GoGymError, match="cannot be copied"):
        go_gym.fork(env)
    env.file.close()
    with pytest.raises(go_gym.GoGymError, match="go_gym"):
        go_gym.fork(gym.make("CartPole-v1"))
