"""Environments and agents on two cores of this machine."""

import gymnasium as gym
import numpy as np
import pytest

import go_gym
from go_gym.agent import load_agent
from go_gym.cluster import load_cluster
from go_gym.envs.placement import PlacementEnv
from go_gym.errors import BudgetError
from go_gym.hardware.backend import Hardware, HardwareBudget
from go_gym.problem import Problem
from tests.hardware.models import program
from tests.hardware.processes import measuring
from tests.hardware.requirements import runs_workers

pytestmark = runs_workers


@pytest.fixture(scope="module")
def graph():
    return program("rnnlm").graph


@pytest.fixture(scope="module")
def hardware():
    made = Hardware(steps=2, warmups=1)
    yield made
    made.close()


def test_hardware_ids_are_nondeterministic_and_the_others_are_not():
    assert gym.spec("GO-HardwarePlacement-v0").nondeterministic
    assert gym.spec("GO-HardwareScheduling-v0").nondeterministic
    assert not gym.spec("GO-Placement-v0").nondeterministic


@pytest.mark.parametrize("name", ["GO-HardwarePlacement-v0", "GO-HardwareScheduling-v0"])
def test_an_episode_on_two_cores(name, graph, hardware, monkeypatch):
    """The baseline is measured, then the action; both step times are what was measured."""
    medians: list[int] = []

    def run(problem, decision, trace=False):
        result = Hardware.run(hardware, problem, decision, trace)
        medians.append(hardware.last.median_ns)
        return result

    monkeypatch.setattr(hardware, "run", run)
    env = gym.make(name, graph=graph, backend=hardware)
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, dtype=np.int64)
    _, reward, terminated, _, info = env.step(action)
    assert terminated and info["valid"]
    assert medians == [info["baseline_ns"], info["step_time_ns"]]
    assert reward == pytest.approx(-np.sqrt(info["step_time_ns"] / info["baseline_ns"]))
    env.close()


@pytest.mark.parametrize("num_envs", [None, 2])
def test_closing_ends_what_was_opened_by_name(graph, num_envs):
    if num_envs is None:
        env = gym.make("GO-HardwarePlacement-v0", graph=graph, groups=2)
        backend, actions = env.unwrapped.backend, np.zeros(2, dtype=int)
    else:
        env = gym.make_vec("GO-HardwarePlacement-v0", num_envs=2, graph=graph, groups=2)
        backend, actions = env.env.backend, np.zeros((2, 2), dtype=int)
    backend.steps, backend.warmups = 1, 0
    before = measuring()
    env.reset(seed=0)
    env.step(actions)
    assert measuring() > before
    env.close()
    assert measuring() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GO-Placement-v0", "GO-Scheduling-v0"])
def test_the_backend_is_an_argument_of_every_id(name, graph):
    env = gym.make(name, graph=graph, backend="hardware", cluster="cpu2").unwrapped
    env.backend.steps, env.backend.warmups = 2, 1
    env.reset(seed=0)
    _, _, terminated, _, info = env.step(np.zeros(env.action_space.shape, dtype=np.int64))
    assert terminated and info["valid"] and env.backend.used > 0
    env.backend.close()


def test_steps_environment_measures_each_move(graph, hardware):
    env = gym.make("GO-HardwarePlacementSteps-v0", graph=graph, backend=hardware, groups=3)
    env.reset(seed=0)
    before = hardware.used
    env.step(1)
    assert hardware.used == before + 1
    env.close()


def test_an_invalid_decision_is_not_run(graph):
    hardware = Hardware(runs=0)
    env = PlacementEnv(graph=graph, cluster="cpu2", backend=hardware)
    result = hardware.run(env.problem, go_gym.Decision(np.arange(graph.num_ops) % 2))
    assert not result.valid and hardware.used == 0
    with pytest.raises(BudgetError, match="all 0 are used"):
        hardware.run(env.problem, go_gym.Decision(np.zeros(graph.num_ops, dtype=np.int64)))
    with pytest.raises(BudgetError, match="expected 0 or more"):
        Hardware(runs=-1)


def test_agents_go_through_a_budget_of_runs(graph, hardware):
    problem = Problem(graph, load_cluster("cpu2"))
    budget = HardwareBudget(problem, 3, hardware)
    before = hardware.used
    for name in ("single-device", "human-expert"):
        result = budget.evaluate(load_agent(name).solve(problem, budget, 0))
        assert result.step_time_ns == hardware.last.median_ns
    assert hardware.used == before + 2 and budget.remaining == 1
    assert budget.best_step_time_ns == min(point.step_time_ns for point in budget.curve)
    decisions = [go_gym.Decision(np.zeros(graph.num_ops, dtype=np.int64))] * 2
    with pytest.raises(BudgetError):
        budget.evaluate_batch(decisions)
    assert budget.evaluate_batch(decisions[:1]).valid.all()
