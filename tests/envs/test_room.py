"""``room=``: spaces that other graphs share."""

import gymnasium as gym
import numpy as np
import pytest

from go_gym.envs.registration import IDS
from go_gym.errors import GoGymError
from tests.envs.examples import CHAIN, DIAMOND, OTHER, PAIR, make

ALL = [CHAIN, OTHER, DIAMOND]


@pytest.mark.parametrize("room", [ALL, (7, 11)], ids=["graphs", "numbers"])
@pytest.mark.parametrize("name", IDS)
def test_spaces_are_the_rooms_whatever_the_graph(name, room):
    envs = [make(name, graph=graph, room=room, groups=None) for graph in ALL]
    vector = gym.make_vec(
        name, num_envs=2, graph=OTHER, cluster=PAIR, room=room, groups=None, rounds=1
    )
    assert vector.single_observation_space == envs[0].observation_space
    for env in envs:
        assert env.observation_space == envs[0].observation_space
        assert env.action_space == envs[0].action_space
        env.action_space.seed(0)
        assert env.observation_space.contains(env.reset(seed=0)[0])
        assert env.observation_space.contains(env.step(env.action_space.sample())[0])
    if room is not ALL:
        assert envs[0].observation_space["op_mask"].shape == (7,)
        assert envs[0].observation_space["edge_mask"].shape == (11,)


@pytest.mark.parametrize("name", IDS)
def test_room_changes_nothing_but_the_padding(name):
    """The same decisions on the graph itself: rewards, infos and the entries of its own units."""
    tight, wide = make(name, graph=CHAIN, rounds=2), make(name, graph=CHAIN, rounds=2, room=(6, 9))
    seen = [env.reset(seed=0)[0] for env in (tight, wide)]
    random, done = np.random.default_rng(0), False
    while not done:
        for key, array in seen[0].items():
            length, rest = len(array), seen[1][key]
            np.testing.assert_array_equal(rest[:length], array, err_msg=key)
            padding = -1 if key in ("placement", "priority", "fusion") else 0
            assert (rest[length:] == padding).all(), key
        if tight.action_space.shape:
            columns = len(tight.action_space.nvec) // 4
            action = random.integers(0, 2, (columns, 4))
            actions = action.ravel(), np.pad(action, ((0, 0), (0, 2))).ravel()
        else:
            actions = [int(random.integers(2))] * 2
        found = [env.step(each) for env, each in zip((tight, wide), actions, strict=True)]
        seen, done = [step[0] for step in found], found[0][2]
        assert repr(found[0][1:]) == repr(found[1][1:])


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(GoGymError, match=r"'chain' has 4 units and 3 edges, .* room for 2 and 1"):
        make(graph=[OTHER, CHAIN], room=OTHER)
    with pytest.raises(GoGymError, match="room for 4 and 2"):
        make(graph=CHAIN, room=(4, 2))
    for room in (5, (3,), (0, 1), (True, 2), (4, 3, 1), (4, CHAIN), "no-split", []):
        with pytest.raises(GoGymError):
            make(graph=CHAIN, room=room)


def test_a_room_of_a_split_holds_each_of_its_graphs():
    env = gym.make("GO-PlacementSteps-v0", graph="graphsage", groups=8, room=["graphsage", "dlrm"])
    other = gym.make("GO-PlacementSteps-v0", graph="dlrm", groups=8, room=["graphsage", "dlrm"])
    assert env.observation_space == other.observation_space
    union = gym.make("GO-PlacementSteps-v0", graph=["graphsage", "dlrm"], groups=8)
    assert env.observation_space == union.observation_space
