"""``action_masks``: what they leave out is never worth taking, and MaskablePPO heeds them."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.envs.registration import IDS
from go_gym.envs.wrappers import MemoryMasks
from go_gym.errors import GoGymError
from tests.envs.examples import CHAIN, OTHER, PAIR, make

HEAVY = go_gym.ComputationGraph.from_costs(
    [5, 5, 5, 5], [], [], parameter_bytes=[6, 6, 6, 6], name="heavy"
)
TIGHT = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=12, name="tight")


@pytest.mark.parametrize("name", IDS)
def test_only_padding_is_masked_unless_memory_is_asked_for(name):
    env = make(name, graph=OTHER, room=CHAIN, groups=None)
    env.reset(seed=0)
    mask = env.unwrapped.action_masks()
    space = env.action_space
    if not space.shape:
        assert mask.tolist() == [True] * space.n
        return
    assert mask.dtype == bool and mask.shape == (space.nvec.sum(),)
    parts = np.split(mask, np.cumsum(space.nvec)[:-1])
    for place, part in enumerate(parts):
        own = place % 4 < 2
        assert part[0] and part[1:].all() == own and part[1:].any() == own
    vector = gym.make_vec(name, num_envs=3, graph=OTHER, cluster=PAIR, room=CHAIN, groups=None)
    vector.reset(seed=0)
    np.testing.assert_array_equal(vector.action_masks(), np.stack([mask] * 3))


def test_a_full_device_is_masked_stepwise():
    env = MemoryMasks(make("GO-PlacementSteps-v0", graph=HEAVY, cluster=TIGHT, groups=None))
    env.reset(seed=0)
    masks = []
    for device in (1, 1, 0, 0):
        masks.append(env.action_masks().tolist())
        info = env.step(device)[4]
    assert masks == [[True, True], [True, True], [True, False], [True, False]]
    assert info["valid"]
    assert env.action_masks().tolist() == [True, True], "the episode is over"


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_memory_masks_is_out_of_memory_whatever_follows(data):
    """Every placement of the units that are left, tried one by one."""
    sizes = data.draw(st.lists(st.integers(0, 9), min_size=2, max_size=5))
    graph = go_gym.ComputationGraph.from_costs([3] * len(sizes), [], [], parameter_bytes=sizes)
    memory = data.draw(st.integers(1, max(sum(sizes), 1)))
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=memory)
    env = make("GO-PlacementSteps-v0", graph=graph, cluster=cluster, groups=None).unwrapped
    env.reset(seed=0)
    placed = data.draw(st.lists(st.integers(0, 1), max_size=len(sizes) - 1))
    for device in placed:
        env.step(device)
    mask = env.action_masks(memory=True)
    units, left = env.units[0], len(sizes) - len(placed) - 1
    for masked, *rest in itertools.product(np.flatnonzero(~mask), *[range(2)] * left):
        whole = np.array([*placed, masked, *rest])
        result = go_gym.simulate(env.problem, go_gym.Decision(units.spread(whole)))
        assert not result.valid and "memory" in result.reason


def test_one_shot_a_unit_goes_only_where_its_parameters_fit():
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=5)
    graph = go_gym.ComputationGraph.from_costs([5, 5], [], [], parameter_bytes=[4, 6])
    env = MemoryMasks(make(graph=graph, cluster=cluster))
    env.reset(seed=0)
    assert env.action_masks().tolist() == [True] * 4, "where none fits, all are left"
    fits = np.array([[True, False], [False, False]])
    from go_gym.envs.units import some_fit

    assert some_fit(fits).tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("name", IDS)
def test_maskable_ppo_runs_and_takes_no_masked_action(name):
    contrib = pytest.importorskip("sb3_contrib", reason="needs sb3-contrib, extra test")
    taken = []

    class Watched(gym.Wrapper):
        def action_masks(self):
            return self.env.get_wrapper_attr("action_masks")()

        def step(self, action):
            parts = [self.action_masks()]
            if self.action_space.shape:
                parts = np.split(parts[0], np.cumsum(self.action_space.nvec)[:-1])
            chosen = np.atleast_1d(action)
            taken.append(all(part[c] for part, c in zip(parts, chosen, strict=True)))
            return super().step(action)

    options = {"graph": HEAVY, "cluster": TIGHT, "groups": None, "room": (6, 2)}
    env = Watched(MemoryMasks(make(name, **options)))
    model = contrib.MaskablePPO(
        "MultiInputPolicy", env, n_steps=32, batch_size=16, n_epochs=1, seed=0, device="cpu"
    )
    model.learn(32)
    assert len(taken) >= 32 and all(taken)


def test_memory_masks_refuse_other_environments():
    with pytest.raises(GoGymError, match="go_gym"):
        MemoryMasks(gym.make("CartPole-v1"))
