"""Placements on fewer devices, where searches that begin from the best heuristic begin too."""

import numpy as np
import pytest
from go_agents.heuristics.heft import contention_schedules
from go_agents.heuristics.portfolio import placements_on_fewer

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.catalogue import datasets
from go_gym.problem import Problem


@pytest.fixture(scope="module")
def problem():
    return Problem(datasets.load("rnnlm-2"), go_gym.load_cluster("p100x8"))


def step(problem, placement) -> int:
    return go_gym.simulate(problem, go_gym.Decision(placement)).step_time_ns


def test_they_are_those_of_half_the_devices_and_a_quarter(problem):
    wanted = {}
    for name in ("p100x4", "p100x2"):
        part = Problem(problem.graph, go_gym.load_cluster(name))
        for plan in contention_schedules(part):
            wanted[plan.placement.tobytes()] = step(part, plan.placement)
    found = placements_on_fewer(problem)
    assert [wanted[each.tobytes()] for each in found] == [step(problem, each) for each in found]
    assert len(found) == len(wanted)


@pytest.mark.parametrize("agent", ["sa:start=best", "cem:start=best"])
def test_a_search_from_the_best_is_no_worse_than_any_of_them(problem, agent):
    budget = Budget(problem, 60)
    load_agent(agent).solve(problem, budget, 0)
    assert budget.best_step_time_ns <= min(step(problem, p) for p in placements_on_fewer(problem))


def test_none_where_devices_differ():
    graph = go_gym.ComputationGraph.from_costs([[1, 2, 1, 2]] * 3, [(0, 1)], [(0, 1)])
    cluster = go_gym.Cluster.uniform(4, 1e9)
    assert placements_on_fewer(Problem(graph, cluster)) == []
    equal = go_gym.ComputationGraph.from_costs([1, 2, 3], [(0, 1)], [(0, 1)])
    assert placements_on_fewer(Problem(equal, go_gym.Cluster.uniform(2, 1e9))) == []
    links = np.where(np.arange(4) < 2, 1e9, 2e9) * np.ones((4, 1))
    devices = [go_gym.Device(f"d{i}", "d", {"float32": 1e9}, 1e9, 100) for i in range(4)]
    uneven = go_gym.Cluster.from_matrix("uneven", devices, links, np.zeros((4, 4)))
    assert placements_on_fewer(Problem(equal, uneven)) == []
