"""SB3's algorithms as agents: they learn, keep to the budget, decide alike, stop and go on."""

import dataclasses

import numpy as np
import pytest
from go_agents.sb3.agent import SB3Agent
from go_agents.sb3.settings import A2C_STEPS, DQN_STEPS, PPO_PLACEMENT, PPO_STEPS

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.errors import AgentError
from go_gym.problem import check_decision
from tests.trends import assert_most_fall, median_of_ends

NAMES = ["sb3", "sb3:algorithm=a2c", "sb3:algorithm=dqn"]
SMALL = {"width": 16, "num_envs": 8}


def two_chains() -> go_gym.Problem:
    """Two chains of four ops: a device each is best, 40 ns; cutting a chain costs 30 a time."""
    uses = [(op, op + 1) for op in range(7) if op != 3]
    graph = go_gym.ComputationGraph.from_costs(
        [10] * 8, [(op, 30) for op, _ in uses], [(i, user) for i, (_, user) in enumerate(uses)]
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))


@pytest.mark.parametrize("name", NAMES)
def test_within_the_budget_and_alike_for_a_seed(name):
    problem, found = two_chains(), []
    for _ in range(2):
        budget = Budget(problem, 200)
        decision = load_agent(name).solve(problem, budget, 3)
        check_decision(problem, decision)
        assert 100 < budget.used <= 200
        assert go_gym.simulate(problem, decision).step_time_ns == budget.best_step_time_ns
        found.append((decision.placement.tolist(), budget.curve))
    assert found[0] == found[1]


def test_the_baseline_of_the_reward_is_not_the_agents_find():
    """The expert's placement is the optimum here, and takes no call and no place in the curve."""
    problem = two_chains()
    budget = Budget(problem, 60)
    SB3Agent(settings=dataclasses.replace(PPO_PLACEMENT, **SMALL)).train([problem], budget, 0)
    assert budget.used % 8 == 0 and budget.curve[0].calls <= 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("calls", [0, 1, 40])
def test_tiny_budgets_still_give_a_decision(name, calls):
    problem, budget = two_chains(), Budget(two_chains(), calls)
    budget = Budget(problem, calls)
    decision = load_agent(name).solve(problem, budget, 0)
    check_decision(problem, decision)
    assert budget.used <= calls


def trained(settings, seed):
    """The means of a training of 3,000 calls, and what it found."""
    problem = two_chains()
    budget = Budget(problem, 3000)
    curve = SB3Agent(settings=dataclasses.replace(settings, **SMALL)).train([problem], budget, seed)
    assert 0.9 * 3000 < curve.windows[-1].calls == budget.used
    assert curve.improvements[-1].step_time_ns == budget.best_step_time_ns
    return [window.mean_step_time_ns for window in curve.windows], budget.best_step_time_ns


@pytest.mark.numeric
@pytest.mark.parametrize("seeds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_ppo_learns_what_random_does_not_know(seeds):
    """One device takes 80 ns, a cut of both chains 70, two devices 40: the samples begin where
    random ones are, and end below one device; the best of them is found on the way."""
    problem = two_chains()
    drawn = [load_agent("random").solve(problem, Budget(problem, 0), s) for s in range(200)]
    random = np.mean([r.step_time_ns for r in go_gym.simulate_batch(problem, drawn)])
    curves, found = zip(*(trained(PPO_PLACEMENT, seed) for seed in range(seeds)), strict=True)
    assert [curve[0] for curve in curves] == pytest.approx([random] * seeds, rel=0.15)
    assert_most_fall(curves)
    assert median_of_ends(curves, 1) < 80 < 0.8 * random
    assert np.median(found) == 40


@pytest.mark.parametrize("settings", [PPO_STEPS, A2C_STEPS, DQN_STEPS], ids=lambda s: s.algorithm)
@pytest.mark.parametrize("seeds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_stepwise_training_improves(settings, seeds):
    curves = [trained(settings, seed)[0] for seed in range(seeds)]
    assert np.median([np.mean(curve[-3:]) / np.mean(curve[:2]) for curve in curves]) < 0.95
    assert seeds == 1 or {np.mean(c[-3:]) < np.mean(c[:2]) for c in curves} == {True}


@pytest.mark.parametrize("settings", [PPO_PLACEMENT, DQN_STEPS], ids=lambda s: s.algorithm)
def test_stop_and_go_on(settings, tmp_path):
    problem, settings = two_chains(), dataclasses.replace(settings, **SMALL)
    first = SB3Agent(settings=settings, checkpoint=tmp_path)
    first.train([problem], Budget(problem, 700), 0)
    assert list((tmp_path / "tensorboard").glob("*/events*"))
    second = SB3Agent(settings=settings, checkpoint=tmp_path)
    second.load(tmp_path)
    budget = Budget(problem, 0)
    second.train([problem], budget, 0)
    for a, b in zip(
        first.training.model.policy.parameters(),
        second.training.model.policy.parameters(),
        strict=True,
    ):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())
    assert second.training.record.curve == first.training.record.curve
    third = SB3Agent(settings=settings)
    third.load(tmp_path)
    third.train([problem], Budget(problem, 700), 0)
    assert third.training.model.num_timesteps > 1.5 * first.training.model.num_timesteps
    before, after = (agent.training.record.curve for agent in (first, third))
    assert after.windows[: len(before.windows)] == before.windows
    assert third.calls_used > 1300
    other = SB3Agent(settings=dataclasses.replace(settings, width=8))
    other.load(tmp_path)
    with pytest.raises(AgentError, match="checkpoint"):
        other.train([problem], Budget(problem, 100), 0)


# SB3 filters this warning when it is imported; pytest begins every test with its own filters
@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_a_progress_bar(capsys):
    problem = two_chains()
    SB3Agent(settings=dataclasses.replace(PPO_PLACEMENT, **SMALL), progress=True).train(
        [problem], Budget(problem, 200), 0
    )
    assert "/200" in capsys.readouterr().out


def test_errors():
    problem = two_chains()
    with pytest.raises(AgentError, match="one problem"):
        SB3Agent().train([problem, problem], Budget(problem, 10), 0)
    with pytest.raises(AgentError, match="nothing to save"):
        SB3Agent().save("nowhere")
    with pytest.raises(AgentError, match="DQN"):
        SB3Agent(settings=dataclasses.replace(DQN_STEPS, env="GO-Placement-v0")).train(
            [problem], Budget(problem, 100), 0
        )
    scheduling = go_gym.Problem(problem.graph, problem.cluster, "scheduling", [0] * 8)
    with pytest.raises(AgentError, match="scheduling"):
        SB3Agent().train([scheduling], Budget(scheduling, 100), 0)
