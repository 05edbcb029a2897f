"""HDP's training: schedule, rewards, baseline, gradients, and a toy that it must solve."""

import numpy as np
import pytest
import torch
from go_agents.hdp.agent import Hdp
from go_agents.hdp.training import Baseline, HdpConfig, HdpLearner, rewards

import go_gym
from go_gym.agent import Budget
from tests.agents.toys import awkward, optimum, two_kinds
from tests.numeric import assert_near
from tests.trends import assert_most_fall, median_of_ends

SMALL = HdpConfig(hidden=16, learning_rate=0.003)


def test_rewards_fall_with_step_time_and_invalid_ones_get_the_least():
    times, valid = np.array([400, 100, 25, 25]), np.array([True, True, True, False])
    assert rewards(times, valid, 100).tolist() == [-2.0, -1.0, -0.5, -10.0]


def test_advantages_are_in_units_of_the_valid_rewards_spread():
    baseline = Baseline(0.9)
    nothing = baseline.advantages(torch.tensor([-10.0]), torch.tensor([False]))
    assert nothing.tolist() == [0.0]
    assert baseline.mean is None
    both = torch.ones(2, dtype=torch.bool)
    assert baseline.advantages(torch.tensor([-1.0, -3.0]), both).tolist() == [1.0, -1.0]
    assert (baseline.mean, baseline.square) == (-2.0, 1.0)
    good, bad = baseline.advantages(torch.tensor([-1.0, -10.0]), torch.tensor([True, False]))
    assert float(good) == pytest.approx(1.0)
    assert float(bad) == -3.0
    assert baseline.mean == pytest.approx(0.9 * -2.0 + 0.1 * -1.0)
    assert baseline.square == pytest.approx(1.0)


def test_noise_is_within_its_amplitude_and_ends():
    learner = HdpLearner(two_kinds(), 100, 0, HdpConfig(noise=0.1, noisy_updates=500))
    for updates, amplitude in ((0, 0.1), (499, 0.1), (500, 0.0), (501, 0.0)):
        learner.updates = updates
        noise = learner._noise(50, 40)
        assert float(noise.abs().max()) == pytest.approx(amplitude, rel=0.01)
        assert (float(noise.min()) < 0) == (amplitude > 0)


def weights(learner):
    return {name: value.clone() for name, value in learner.model.state_dict().items()}


def test_an_update_moves_both_networks():
    problem = two_kinds()
    learner = HdpLearner(problem, 100, 0, SMALL)
    budget = Budget(problem, 100)
    before = weights(learner)
    assert learner.update(budget)
    after = weights(learner)
    for name, old in before.items():
        if "bias_hh" not in name and "bias_ih" not in name:
            assert not torch.equal(old, after[name]), name
    assert budget.used == 8


@pytest.mark.numeric
def test_the_gradient_is_that_of_reinforce_and_of_the_entropy():
    """In closed form: ∂ log π(c) / ∂ l = 1[c] − π and ∂ H / ∂ l = −π (log π + H)."""
    torch.manual_seed(0)
    learner = HdpLearner(two_kinds(), 100, 0, HdpConfig(hidden=8, entropy=0.3, clip=1e9))
    logits = torch.randn(8, learner.groups, 2, dtype=torch.float64, requires_grad=True)
    grouping = torch.zeros((), dtype=torch.float64, requires_grad=True)
    devices = torch.randint(0, 2, (8, learner.groups))
    reward = torch.arange(8.0) ** 2
    learner._learn(grouping * 1, logits, devices, reward, torch.ones(8) > 0)
    advantage = ((reward - reward.mean()) / reward.std(correction=0)).double()
    assert float(advantage.abs().max()) < 3  # none is cut
    chance = logits.detach().softmax(2)
    entropy = -(chance * chance.log()).sum(2, keepdim=True)
    placed = torch.nn.functional.one_hot(devices, 2) - chance
    gain = advantage[:, None, None] * placed - 0.3 * chance * (chance.log() + entropy)
    assert_near(logits.grad.float(), -gain / 8, 16)
    assert_near(grouping.grad.float(), -advantage.mean(), 16, scale=1.0)


def out_of_memory() -> go_gym.Problem:
    """Each device holds two of four parameters: some placements are valid, most are not."""
    graph = go_gym.ComputationGraph.from_costs([1] * 4, [], [], parameter_bytes=[9] * 4)
    return go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, memory=20))


def test_after_the_noisy_updates_invalid_placements_teach_nothing():
    problem = out_of_memory()
    bad, good = np.zeros(4, dtype=bool), np.array([True, False, False, True])
    reward = rewards(np.array([9, 9, 9, 5]), good, 4)
    for updates, valid, learns in ((0, good, True), (250, bad, False), (250, good, True)):
        learner = HdpLearner(problem, 100, 0, SMALL)
        learner.updates = updates
        logits, group = learner._group()
        memory, start = learner.placer(torch.from_numpy(learner.embed(group.numpy())))
        devices = torch.randint(0, 2, (4, learner.groups), generator=learner.generator)
        placing = learner.placer.logits(memory, start, devices)
        before = weights(learner)
        grouping = logits.log_softmax(1)[:, 0].sum()
        learner._learn(grouping, placing, devices, reward, torch.from_numpy(valid))
        same = all(torch.equal(before[name], value) for name, value in weights(learner).items())
        assert same != learns
        if learns:
            assert learner.baseline.mean == pytest.approx(float(reward[[0, 3]].mean()))


def test_samples_keep_colocation_and_reach_every_device():
    problem = awkward()
    learner = HdpLearner(problem, 100, 0, SMALL)
    drawn = np.stack([learner.sample() for _ in range(60)])
    assert np.array_equal(drawn, drawn[:, problem.colocation_leader])
    assert set(drawn.ravel().tolist()) == {0, 1, 2}


@pytest.mark.numeric
def test_it_learns_which_kind_belongs_where():
    """All samples of the last updates, not the best of all, are the optimum: in most of three
    seeds, with more entropy than on graphs, without which most end on one device."""
    problem = two_kinds()
    best = optimum(problem)
    assert best == 80
    curves, reached = [], []
    for seed in range(3):
        agent = Hdp(HdpConfig(hidden=32, learning_rate=0.01, entropy=0.1))
        decision = agent.solve(problem, Budget(problem, 1600), seed)
        reached.append(go_gym.simulate(problem, decision).step_time_ns)
        windows = agent.training.record.curve.windows
        curves.append([window.mean_step_time_ns for window in windows])
    assert np.median(reached) == best
    assert_most_fall(curves)
    assert np.median([np.mean(curve[:20]) for curve in curves]) > 5 * best
    assert median_of_ends(curves, 20) < 1.25 * best
