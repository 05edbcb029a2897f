"""GO as users meet it: it decides every task, keeps its budget, decides alike, and has learned."""

import numpy as np
import pytest
import torch
from go_agents.go.agent import GO, GOOptions
from go_agents.go.oneshot.agent import OneShotGO
from go_agents.go.oneshot.problems import draw
from hypothesis import given, settings

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue.problems import make_problem
from go_gym.problem import check_decision
from tests.agents.go.test_network import layered
from tests.agents.toys import awkward, optimum, two_kinds
from tests.strategies import problems


@pytest.mark.numeric
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("problem", [two_kinds(), awkward()], ids=["two kinds", "awkward"])
def test_the_optimum_of_a_toy_is_found(problem, seed):
    """Of 256 and 2,187 placements; it takes some twenty calls."""
    budget = Budget(problem, 100)
    decision = GO().solve(problem, budget, seed)
    assert budget.used == 100
    assert go_gym.simulate(problem, decision).step_time_ns == optimum(problem)


@settings(max_examples=15, deadline=None)
@given(problem=problems())
def test_any_problem_gets_a_whole_decision(problem):
    budget = Budget(problem, 40)
    decision = GO().solve(problem, budget, seed=3)
    check_decision(problem, decision)
    assert budget.used <= 40
    placement = np.asarray(decision.placement)
    assert np.array_equal(placement, placement[problem.colocation_leader])
    if budget.best_step_time_ns is not None:
        assert go_gym.simulate(problem, decision).step_time_ns == budget.best_step_time_ns


@pytest.mark.parametrize("calls", [0, 1, 2, 7, 40])
def test_tiny_budgets_are_kept(calls):
    problem = layered()
    budget = Budget(problem, calls)
    check_decision(problem, GO().solve(problem, budget, seed=0))
    assert budget.used == calls


def test_without_a_call_it_decides_as_the_one_shot_agent():
    problem = layered()
    one, other = (agent.solve(problem, Budget(problem, 0), 5) for agent in (GO(), OneShotGO()))
    assert np.array_equal(one.placement, other.placement)


@pytest.mark.parametrize("task", ["scheduling", "fusion", "joint"])
def test_every_task(task):
    problem = make_problem(layered().graph, layered().cluster, task)
    budget = Budget(problem, 100)
    decision = GO().solve(problem, budget, seed=0)
    assert budget.used == 100
    result = go_gym.simulate(problem, decision)
    assert result.step_time_ns == budget.best_step_time_ns
    assert (decision.priority is not None) == (task != "fusion")
    assert (decision.fusion is not None) == (task != "scheduling")
    if task != "joint":
        assert np.array_equal(decision.placement, problem.placement)
        assert result.step_time_ns <= budget.curve[0].step_time_ns


def test_scheduled_placements_come_with_priorities():
    problem = layered()
    agent = load_agent("go:priorities=critical-path")
    assert agent.tasks == ("placement",)
    decision = agent.solve(problem, Budget(problem, 50), seed=0)
    assert np.array_equal(decision.priority, critical_path(problem, decision.placement))


@pytest.mark.numeric
def test_the_seed_decides():
    problem = layered()
    found = []
    for seed in (0, 0, 1):
        budget = Budget(problem, 100)
        found.append(np.asarray(GO().solve(problem, budget, seed).placement).tolist())
        found.append(budget.curve)
    assert found[:2] == found[2:4] != found[4:]


@pytest.mark.numeric
def test_what_it_has_learned_is_worth_something():
    """On problems of families that no network of it saw, after 150 calls, in the mean."""
    ratios = []
    for number in (1, 6, 10):
        problem = draw("validation", number).problem
        step = []
        for weights in ("shipped", "untrained"):
            budget = Budget(problem, 150)
            GO(GOOptions(weights=weights)).solve(problem, budget, seed=0)
            step.append(budget.best_step_time_ns)
        ratios.append(step[0] / step[1])
    assert np.exp(np.mean(np.log(ratios))) < 0.97


def test_nothing_of_torch_is_left_changed_by_untrained_weights():
    before = torch.get_rng_state()
    GO(GOOptions(weights="untrained"))
    assert torch.equal(before, torch.get_rng_state())
