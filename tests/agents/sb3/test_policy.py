"""The policy per unit and the graph network, against SB3's own pieces and plain loops."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from go_agents.sb3.encoder import GraphEncoder, GraphFeatures, pooled
from go_agents.sb3.policy import UnitCategorical, UnitPolicy
from go_agents.sb3.vec_env import BatchedVecEnv
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from stable_baselines3.common.vec_env import DummyVecEnv

import go_gym
from tests.envs.examples import CHAIN, DIAMOND, OTHER, PAIR, make
from tests.numeric import apart, assert_near

OPTIONS = {"graph": [CHAIN, OTHER, DIAMOND], "cluster": PAIR}


def batch(env, count=4):
    """Observations of several graphs as tensors, batched."""
    seen = [env.reset(seed=0, options={"graph": i % 3})[0] for i in range(count)]
    return {key: torch.as_tensor(np.stack([s[key] for s in seen])).float() for key in seen[0]}


@pytest.mark.numeric
def test_the_batched_categorical_is_the_list_of_them():
    torch.manual_seed(0)
    logits, actions = torch.randn(5, 7, 3), torch.randint(0, 3, (5, 7))
    ours = UnitCategorical().proba_distribution(logits, torch.ones(5, 7, dtype=torch.bool))
    theirs = MultiCategoricalDistribution([3] * 7).proba_distribution(logits.flatten(1))
    assert_near(ours.log_prob(actions), theirs.log_prob(actions), 21)
    assert_near(ours.entropy(), theirs.entropy(), 21)
    assert torch.equal(ours.mode(), theirs.mode())


def test_samples_follow_the_probabilities():
    torch.manual_seed(0)
    logits = torch.tensor([0.1, 0.6, 0.3]).log().expand(20_000, 1, 3)
    drawn = UnitCategorical().proba_distribution(logits, torch.ones(20_000, 1) > 0).sample()
    shares = torch.bincount(drawn.flatten(), minlength=3) / 20_000
    assert shares.tolist() == pytest.approx([0.1, 0.6, 0.3], abs=0.015)


@pytest.mark.numeric
def test_padding_counts_for_nothing():
    """The same graph alone and beside a larger one: equal probabilities, entropy and value."""
    torch.manual_seed(0)
    padded, alone = make(), make(graph=OTHER)
    policies = []
    for env in (padded, alone):
        torch.manual_seed(1)
        policies.append(UnitPolicy(env.observation_space, env.action_space, lambda _: 1e-3))
    wide = {k: v[1:2] for k, v in batch(padded).items()}
    narrow = {key: torch.as_tensor(array[None]).float() for key, array in alone.reset()[0].items()}
    actions = torch.tensor([[1, 0, 1, 0, 0]])
    found = policies[0].evaluate_actions(wide, actions)
    expected = policies[1].evaluate_actions(narrow, actions[:, :2])
    for ours, theirs in zip(found, expected, strict=True):
        assert_near(ours, theirs, 1000)


@pytest.mark.numeric
def test_a_row_of_the_table_moves_its_own_unit_alone(tmp_path):
    """And is saved and loaded with its weight."""
    twins = go_gym.ComputationGraph.from_costs([1, 5, 5], [(0, 9)], [(0, 1), (0, 2)])
    env = make(graph=twins)
    torch.manual_seed(0)
    policy = UnitPolicy(env.observation_space, env.action_space, lambda _: 1e-3, apart=2.0)
    seen = {key: torch.as_tensor(array[None]).float() for key, array in env.reset()[0].items()}
    before = policy.get_distribution(seen).choice.logits[0]
    policy.own.data[1, 0] = 3.0
    policy.save(tmp_path / "policy")
    loaded = UnitPolicy.load(tmp_path / "policy", device="cpu")
    after = loaded.get_distribution(seen).choice.logits[0]
    odds = [float(logits[0] - logits[1]) for logits in (after - before).detach()]
    assert odds == pytest.approx([0, 2.0 * 3.0, 0], abs=1e-5)


@pytest.mark.numeric
def test_messages_go_along_the_edges_of_their_own_graph():
    """One layer: changing a unit's features reaches its neighbours and no other graph."""
    torch.manual_seed(0)
    env = make()
    encoder = GraphEncoder(env.observation_space, width=8, layers=1)
    seen = batch(env, 3)
    before, mask = encoder(seen)
    seen["ops"] = seen["ops"].clone()
    seen["ops"].view(3, encoder.units, -1)[2, 0] += 0.5  # the diamond's first op
    after, _ = encoder(seen)
    moved = (after - before).abs().amax(dim=-1)
    changed = (moved > 1e-4 * before.abs().max()) & mask
    assert_near(after[~changed], before[~changed], 100)
    assert changed.tolist() == [[False] * 5, [False] * 5, [True, True, True, False, False]]


def test_pooling_ignores_padding():
    units = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert pooled(units, torch.tensor([[True, True, False]])).tolist() == [[2.0, 3.0]]


@pytest.mark.numeric
def test_features_show_the_current_unit():
    env = make("GO-PlacementSteps-v0", graph=CHAIN, groups=None)
    extractor = GraphFeatures(env.observation_space, width=8)
    first = env.reset(seed=0)[0]
    second = env.step(0)[0]
    rows = {key: torch.as_tensor(np.stack([first[key], second[key]])).float() for key in first}
    features = extractor(rows)
    assert features.shape == (2, extractor.features_dim) == (2, 24)
    units, _ = extractor.encoder(rows)
    assert_near(features[:, :8], units[[0, 1], [0, 1]], 100)
    assert apart(units[0, 0], units[1, 1]) > 1e-3


def test_the_vector_environment_is_dummy_vec_env():
    ours = BatchedVecEnv.make("GO-Placement-v0", 3, rounds=2, **OPTIONS)
    theirs = DummyVecEnv([lambda: gym.make("GO-Placement-v0", rounds=2, **OPTIONS)] * 3)
    for envs in (ours, theirs):
        envs.seed(5)
    rng = np.random.default_rng(0)
    a, b = ours.reset(), theirs.reset()
    for _ in range(6):
        for key in b:
            np.testing.assert_array_equal(a[key], b[key])
        actions = rng.integers(0, 2, (3, 5))
        (a, *mine), (b, *other) = ours.step(actions), theirs.step(actions)
        np.testing.assert_allclose(mine[0], other[0])
        np.testing.assert_array_equal(mine[1], other[1])
        for info, expected in zip(mine[2], other[2], strict=True):
            assert info["step_time_ns"] == expected["step_time_ns"]
            assert info["TimeLimit.truncated"] == expected["TimeLimit.truncated"]
            assert ("terminal_observation" in info) == ("terminal_observation" in expected)
            for key, array in expected.get("terminal_observation", {}).items():
                np.testing.assert_array_equal(info["terminal_observation"][key], array)


def test_options_of_a_reset_reach_the_episodes():
    ours = BatchedVecEnv.make("GO-Placement-v0", 3, **OPTIONS)
    theirs = DummyVecEnv([lambda: gym.make("GO-Placement-v0", **OPTIONS)] * 3)
    for options in ({"graph": 1}, [{"graph": 2}, {}, {"graph": 0}]):
        for envs in (ours, theirs):
            envs.seed(5)
            envs.set_options(options)
        a, b = ours.reset(), theirs.reset()
        for key in b:
            np.testing.assert_array_equal(a[key], b[key])


def test_a_decision_of_several_columns_is_refused():
    env = make("GO-Joint-v0", levels=2, fusion_levels=2)
    with pytest.raises(ValueError, match="one column"):
        UnitPolicy(env.observation_space, env.action_space, lambda _: 0.1)


def test_ppo_saves_and_loads_the_policy(tmp_path):
    env = BatchedVecEnv.make("GO-Placement-v0", 2, **OPTIONS)
    model = PPO(UnitPolicy, env, n_steps=4, batch_size=8, n_epochs=1, seed=0)
    model.learn(8)
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", env=env)
    seen = env.reset()
    np.testing.assert_array_equal(
        model.predict(seen, deterministic=True)[0], loaded.predict(seen, deterministic=True)[0]
    )


PROGRAM = """
import pathlib
import subprocess
import sys

import gymnasium as gym
import torch
from go_agents.sb3.policy import UnitPolicy
from stable_baselines3 import PPO
import go_gym

torch.set_num_threads(1)
env = gym.make("GO-Placement-v0", graph="gnmt-8", cluster="p100x8")
network = {"features_extractor_kwargs": {"width": 32, "layers": 2}}
model = PPO(UnitPolicy, env, n_steps=8, batch_size=4, n_epochs=1, policy_kwargs=network)
model.learn(8)
# ru_maxrss would begin at what the process that started this one had
peak = pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(model.num_timesteps, int(peak) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak of memory is read from /proc")
def test_ppo_runs_on_80_000_ops():
    """Under 3 GB, PyTorch included; a dense layer to all logits has gigabytes of its own."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    steps, gigabytes = map(float, done.stdout.split())
    assert steps == 8 and gigabytes < 3
