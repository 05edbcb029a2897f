"""Every heuristic, found as users find it, on random problems."""

from pathlib import Path

import numpy as np
import pytest
from go_agents.heuristics.baechi import m_topo_placement
from hypothesis import given, settings

import go_gym
from go_gym.agent import Budget, agent_entry_points, load_agent, tasks_of
from go_gym.baselines.metis import metis_placement
from go_gym.problem import check_decision
from tests.strategies import problems

NAMES = [
    name
    for name, entry in agent_entry_points().items()
    if entry.value.startswith("go_agents.heuristics.") and "placement" in tasks_of(load_agent(name))
]


def test_all_are_installed():
    assert {"single-device", "random", "round-robin", "contiguous", "human-expert"} <= set(NAMES)
    assert {"metis", "heft", "heft-contention", "cpop", "m-topo", "m-etf", "m-sct"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_decisions_are_whole_and_keep_colocation(name, problem):
    agent = load_agent(name)
    budget = Budget(problem, 0)
    decision = agent.solve(problem, budget, seed=7)
    check_decision(problem, decision)
    assert decision.placement.dtype == np.int64
    assert np.array_equal(decision.placement, decision.placement[problem.colocation_leader])
    again = load_agent(name).solve(problem, budget, seed=7)
    assert np.array_equal(decision.placement, again.placement)


def test_the_seed_matters_to_random_alone():
    graph = go_gym.ComputationGraph.from_costs([5] * 40, [], [])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(4, 1e9))
    for name in NAMES:
        a, b = (load_agent(name).solve(problem, Budget(problem, 0), s).placement for s in (0, 1))
        assert np.array_equal(a, b) == (name != "random")


@pytest.mark.parametrize("name", ["heft", "heft-contention", "cpop", "m-etf", "m-sct", "metis"])
def test_parameters_and_views_lie_where_they_are_used(name):
    """Two chains apart, each a parameter, its view and a long op: nothing need be moved."""
    tensors = [(0, 8), (1, 8), (2, 8), (3, 8)]
    graph = go_gym.ComputationGraph.from_costs(
        [0, 0, 0, 0, 100, 100],
        tensors,
        [(0, 1), (2, 3), (1, 4), (3, 5)],
        aliases=[-2, 0, -2, 2],
        parameter_bytes=[8, 0, 8, 0, 0, 0],
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, memory=100))
    result = go_gym.simulate(problem, load_agent(name).solve(problem, Budget(problem, 0), 0))
    if name != "cpop":  # its critical path is one chain, the other follows the earliest finish
        assert result.step_time_ns == 100
    assert result.bytes_moved == 0


def test_memory_spreads_baechis_placements():
    graph = go_gym.ComputationGraph.from_costs(
        [1] * 4, [(i, 1) for i in range(3)], [(i, i + 1) for i in range(3)], parameter_bytes=[9] * 4
    )
    cluster = go_gym.Cluster.uniform(2, 1e9, latency=1e-6, memory=22)
    problem = go_gym.Problem(graph, cluster)
    assert m_topo_placement(problem).tolist() == [0, 0, 1, 1]
    for name in ("m-etf", "m-sct"):
        decision = load_agent(name).solve(problem, Budget(problem, 0), 0)
        assert decision.placement.tolist() == [0, 0, 1, 1]
        assert go_gym.simulate(problem, decision).valid


def test_metis_cuts_between_two_clusters_of_ops():
    ops, uses = 40, []
    for half in (0, 20):
        uses += [(i, j) for i in range(half, half + 20) for j in range(i + 1, half + 20)]
    graph = go_gym.ComputationGraph.from_costs(
        [10] * ops, [(i, 1000) for i in range(ops)], [*uses, (5, 30)]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    placement = metis_placement(problem)
    assert len(set(placement[:20])) == len(set(placement[20:])) == 1
    assert placement[0] != placement[39]


def test_contention_pays_on_a_recurrent_graph():
    """Believing transfers free of each other costs dearly where weights are large (PCIe)."""
    path = Path(__file__).parents[3] / "datasets" / "rnnlm-2.npz"
    graph = go_gym.ComputationGraph.load(path)
    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))
    steps = {
        name: go_gym.simulate(problem, load_agent(name).solve(problem, Budget(problem, 0), 0))
        for name in ("heft", "heft-contention")
    }
    assert 3 * steps["heft-contention"].step_time_ns < steps["heft"].step_time_ns


@settings(max_examples=30, deadline=None)
@given(problem=problems())
def test_contention_heft_takes_the_best_plan_that_its_budget_shows(problem):
    budget = Budget(problem, 100)
    decision = load_agent("heft-contention").solve(problem, budget, 0)
    result = go_gym.simulate(problem, decision)
    assert budget.used > 0
    assert result.valid == (budget.best is not None)
    if result.valid:
        assert result.step_time_ns == budget.best_step_time_ns
