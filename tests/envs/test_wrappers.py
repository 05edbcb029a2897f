"""Each wrapper with the library that it is for."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FilterObservation

import go_gym
from go_gym.envs.registration import IDS
from go_gym.envs.wrappers import FlatFeatures, GraphObservation, PyGObservation, RewardPerGraph
from go_gym.errors import GoGymError
from tests.envs.examples import CHAIN, DIAMOND, OBSERVERS, OTHER, make


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("name", IDS)
def test_same_seed_same_trajectory(name, observer):
    def trajectory():
        env = RewardPerGraph(OBSERVERS[observer](make(name)))
        found = []
        for episode in range(3):
            env.action_space.seed(episode)
            found.append(env.reset(seed=episode if episode == 0 else None))
            done = False
            while not done:
                found.append(env.step(env.action_space.sample()))
                done = found[-1][2]
        return [plain(item) for item in found]

    assert trajectory() == trajectory()


def plain(item):
    """Arrays and graphs as lists."""
    if hasattr(item, "to_dict") and hasattr(item, "edge_index"):
        item = item.to_dict()
    if isinstance(item, dict):
        return {key: plain(value) for key, value in item.items()}
    if isinstance(item, tuple):
        return [plain(value) for value in item]
    return item.tolist() if hasattr(item, "tolist") else item


@pytest.mark.parametrize("name", ["GO-Placement-v0", "GO-PlacementSteps-v0"])
def test_pyg_runs_a_graph_network_and_loses_nothing(name):
    import torch
    from torch_geometric.data import Batch
    from torch_geometric.nn import GCNConv

    env = PyGObservation(make(name, groups=None))
    seen = [env.reset(seed=0, options={"graph": i})[0] for i in range(3)]
    assert [data.num_nodes for data in seen][:2] == [4, 2]
    assert seen[0].edge_index.tolist() == [[0, 1, 2], [1, 2, 3]]
    batch = Batch.from_data_list(seen)
    out = GCNConv(batch.x.shape[1], 4)(batch.x, batch.edge_index)
    assert out.shape == (batch.num_nodes, 4) and torch.isfinite(out).all()
    assert batch.placement.shape == (batch.num_nodes,)
    raw = make(name, groups=None).reset(seed=0, options={"graph": 0})[0]
    width = len(raw["ops"]) // len(raw["op_mask"])
    assert torch.equal(seen[0].x[:, :width].flatten(), torch.from_numpy(raw["ops"][: 4 * width]))


def test_graph_space_shows_placement_and_edges():
    env = GraphObservation(make(graph=[CHAIN, OTHER]))
    observation, _ = env.reset(seed=0, options={"graph": 1})
    assert isinstance(observation, spaces.GraphInstance) and len(observation.nodes) == 2
    assert observation.nodes[:, -1].tolist() == [0, 0]
    observation = env.step([1, 0, 0, 0])[0]
    assert observation.nodes[:, -1].tolist() == [1, 0.5]
    assert observation.edge_links.tolist() == [[0, 1]]
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize("name", IDS)
def test_flat_features_train_an_mlp(name):
    from stable_baselines3 import A2C

    model = A2C("MlpPolicy", FlatFeatures(make(name)), n_steps=4, seed=0)
    model.learn(8)
    assert model.num_timesteps == 8


def test_flat_features_show_the_current_unit_first():
    env = FlatFeatures(make("GO-PlacementSteps-v0", graph=CHAIN, groups=None))
    raw = make("GO-PlacementSteps-v0", graph=CHAIN, groups=None)
    raw.reset(seed=0)
    env.reset(seed=0)
    seen, flat = raw.step(1)[0], env.step(1)[0]
    front = [seen[key].reshape(4, -1)[1] for key in ("ops", "durations", "unit_state")]
    front = np.concatenate(front)
    assert flat[: len(front)].tolist() == front.tolist()


def test_rewards_of_all_graphs_get_one_scale():
    env = RewardPerGraph(make(graph=[CHAIN, DIAMOND], reward="speedup", rounds=1000))
    env.action_space.seed(0)
    spread = {}
    for number in range(2):
        env.reset(seed=0, options={"graph": number})
        found = [env.step(env.action_space.sample()) for _ in range(300)]
        spread[number] = np.sqrt(np.mean([step[1] ** 2 for step in found[100:]]))
        raw = [step[4]["reward"] for step in found]
        assert env.scales[number] == pytest.approx(np.sqrt(np.mean(np.square(raw))))
        assert all(np.sign(step[1]) == np.sign(step[4]["reward"]) for step in found)
    assert spread[0] == pytest.approx(1, abs=0.15) and spread[1] == pytest.approx(1, abs=0.15)
    before = env.scales
    env.update = False
    env.step(env.action_space.sample())
    assert env.scales == before


def test_graphs_of_one_name_have_scales_of_their_own():
    graphs = [
        go_gym.ComputationGraph.from_costs(costs, [], []) for costs in ([1, 2], [100, 200, 3])
    ]
    env = RewardPerGraph(make(graph=graphs))
    for number in range(2):
        _, info = env.reset(seed=0, options={"graph": number})
        after = env.step(np.zeros(3, dtype=int))[4]
        assert info["reward"] == 0 and info.keys() == after.keys()
    assert env.scales.keys() == {0, 1}


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped")
def test_with_fixed_scales_gymnasiums_checker_passes():
    env = RewardPerGraph(make())
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.update = False
    check_env(env, skip_render_check=True)


def test_wrappers_refuse_other_environments():
    for wrapper in (FlatFeatures, GraphObservation, PyGObservation):
        with pytest.raises(GoGymError, match="Dict"):
            wrapper(gym.make("CartPole-v1"))
    with pytest.raises(GoGymError, match="go_gym"):
        RewardPerGraph(gym.make("CartPole-v1"))
    for wrapper in (GraphObservation, PyGObservation):
        with pytest.raises(GoGymError, match="devices"):
            wrapper(FilterObservation(make(), ["op_mask", "ops"]))
