"""The budget, and finding agents."""

import pytest

import go_gym
from go_gym.agent import Budget, Improvement, agent_entry_points, load_agent
from go_gym.errors import AgentError, BudgetError

PROBLEM = go_gym.Problem(
    go_gym.ComputationGraph.from_costs([5, 5], [(0, 9)], [(0, 1)]),
    go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=20),
)
WHOLE, SPLIT = go_gym.Decision(placement=[0, 0]), go_gym.Decision(placement=[0, 1])


def test_calls_are_counted_and_the_best_is_kept():
    budget = Budget(PROBLEM, 4)
    assert budget.evaluate(SPLIT).step_time_ns == 19
    assert budget.evaluate_batch([SPLIT, WHOLE]).step_time_ns.tolist() == [19, 10]
    assert (budget.used, budget.remaining) == (3, 1)
    assert budget.best is WHOLE and budget.best_step_time_ns == 10
    assert budget.curve == [Improvement(1, 19), Improvement(3, 10)]
    with pytest.raises(BudgetError, match="2 simulator calls"):
        budget.evaluate_batch([SPLIT, SPLIT])
    assert budget.used == 3


def test_invalid_decisions_are_counted_but_never_best():
    tight = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=8)
    budget = Budget(go_gym.Problem(PROBLEM.graph, tight), 1)
    assert not budget.evaluate(WHOLE).valid
    assert budget.used == 1 and budget.best is None and budget.curve == []


def test_agents_are_found_by_entry_point():
    assert {"metis", "heft", "human-expert"} <= set(agent_entry_points())
    assert load_agent("metis").version
    with pytest.raises(AgentError, match="installed are"):
        load_agent("nobody")
