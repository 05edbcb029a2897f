"""Every search, found as users find it: near the known optimum, within budget, repeatable."""

from itertools import product

import numpy as np
import pytest
from go_agents.search.annealing import AnnealingSettings, SimulatedAnnealing
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.agent import (
    Budget,
    BudgetedSearch,
    agent_entry_points,
    canonical_name,
    load_agent,
    tasks_of,
)
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.fusion.greedy import default_fusion
from go_gym.problem import TASKS, check_decision
from tests.strategies import problems

KINDS = ("sa", "cem", "brkga")
FORMS = ("", ":start=best", ":priorities=critical-path", ":priorities=critical-path,start=best")
NAMES = [f"{kind}{form}" for kind in KINDS for form in FORMS]


def layered(width: int, depth: int, seed: int) -> go_gym.ComputationGraph:
    """Ops in layers; each uses one or two of the layer before."""
    rng = np.random.default_rng(seed)
    n = width * depth
    uses = {
        (int(rng.integers((op // width - 1) * width, op // width * width)), op)
        for op in range(width, n)
        for _ in range(2)
    }
    return go_gym.ComputationGraph.from_costs(
        rng.integers(5, 50, n),
        [(op, int(rng.integers(1, 60))) for op in range(n)],
        sorted(uses),
        layers=[f"blocks.{op // width}" for op in range(n)],
    )


def ranked(problem: go_gym.Problem, placement, scheduled: bool) -> go_gym.Decision:
    """``placement`` under the priorities that the search gives it."""
    placement = np.asarray(placement)
    return go_gym.Decision(placement, critical_path(problem, placement) if scheduled else None)


def optimum(problem: go_gym.Problem, scheduled: bool) -> int:
    """The best step time of all placements."""
    placements = product(range(problem.num_devices), repeat=problem.num_ops)
    results = go_gym.simulate_batch(problem, [ranked(problem, p, scheduled) for p in placements])
    return int(results.step_time_ns[results.valid].min())


def test_the_searches_are_those_installed():
    found = agent_entry_points().items()
    searches = {kind for kind, entry in found if ".search." in entry.value}
    assert searches == {*KINDS, "tabu"}, "tabu, of orders alone, has tests of its own"
    for name in NAMES:
        assert canonical_name(name) == name


def test_versions_and_tasks_follow_from_the_options():
    """From the best heuristic they are of version 3, which tries plans for fewer devices."""
    for kind in KINDS:
        plain, best, scheduled, both = (load_agent(f"{kind}{form}") for form in FORMS)
        assert [plain.version, best.version, scheduled.version, both.version] == list("1313")
        assert tasks_of(plain) == tasks_of(best) == TASKS
        assert tasks_of(scheduled) == tasks_of(both) == ("placement",)


def found(name, problem, calls, seed):
    """What it finds, checked by a simulation of its decision."""
    budget = Budget(problem, calls)
    decision = load_agent(name).solve(problem, budget, seed)
    assert go_gym.simulate(problem, decision).step_time_ns == budget.best_step_time_ns
    return budget.best_step_time_ns


@pytest.mark.parametrize("name", NAMES)
def test_searches_come_near_the_optimum_of_all_placements(name):
    """Of three graphs, three times each: never 10 % above it, and some time at it. The reference
    is every one of 4,096 placements, simulated."""
    cluster = go_gym.Cluster.uniform(2, 1e9, latency=2e-9, contention="duplex")
    ratios = []
    for graph in range(3):
        problem = go_gym.Problem(layered(3, 4, graph), cluster)
        best = optimum(problem, "critical-path" in name)
        ratios += [found(name, problem, 1500, seed) / best for seed in range(3)]
    assert min(ratios) == 1.0 and max(ratios) < 1.1, ratios


@pytest.mark.parametrize("name", NAMES)
def test_memory_that_no_start_respects_is_respected_in_the_end(name):
    """Eight chains of one op, three devices that hold three each; a start holds more."""
    graph = go_gym.ComputationGraph.from_costs(
        np.arange(10, 18), [], [], parameter_bytes=[30, 30, 30, 30, 30, 30, 30, 30]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(3, 1e9, memory=90))
    best = optimum(problem, "critical-path" in name)
    ratios = [found(name, problem, 1500, seed) / best for seed in range(3)]
    assert min(ratios) >= 1.0 and max(ratios) < 1.1, ratios


@pytest.mark.parametrize("name", NAMES)
def test_better_than_random_at_equal_calls(name):
    """The worst of four searches is better than the best of four times as many random ones."""
    problem = go_gym.Problem(
        layered(6, 30, 0), go_gym.Cluster.uniform(3, 1e9, latency=2e-9, contention="duplex")
    )
    rng = np.random.default_rng(0)
    random = Budget(problem, 1200)
    random.evaluate_batch(
        [
            ranked(problem, rng.integers(0, 3, problem.num_ops), "critical-path" in name)
            for _ in range(1200)
        ]
    )
    assert max(found(name, problem, 300, seed) for seed in range(4)) < random.best_step_time_ns


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(problem=problems(), calls=st.integers(0, 70), seed=st.integers(0, 5))
def test_any_problem_and_budget(name, problem, calls, seed):
    """Never over the budget, always all that there is; co-location kept; the same seed alike."""
    runs = []
    for _ in range(2):
        budget = Budget(problem, calls)
        decision = load_agent(name).solve(problem, budget, seed)
        check_decision(problem, decision)
        assert budget.used == calls
        placement = np.asarray(decision.placement)
        assert np.array_equal(placement, placement[problem.colocation_leader])
        if budget.best is not None:
            assert decision is budget.best
        runs.append((decision.placement.tobytes(), tuple(budget.curve)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_matters(name):
    problem = go_gym.Problem(
        layered(8, 10, 2), go_gym.Cluster.uniform(3, 1e9, latency=2e-9, contention="duplex")
    )
    curves = []
    for seed in range(2):
        budget = Budget(problem, 300)
        load_agent(name).solve(problem, budget, seed)
        curves.append(budget.curve)
    assert curves[0] != curves[1]


@pytest.mark.parametrize(
    "name, task", [(name, task) for name in NAMES for task in tasks_of(load_agent(name))]
)
def test_each_task_decides_its_own_columns(name, task):
    graph = layered(5, 8, 2)
    cluster = go_gym.Cluster.uniform(2, 1e9, latency=2e-9, contention="duplex")
    problem = make_problem(graph, cluster, task)
    budget = Budget(problem, 200)
    decision = load_agent(name).solve(problem, budget, 0)
    check_decision(problem, decision)
    if "critical-path" in name:
        assert np.array_equal(decision.priority, critical_path(problem, decision.placement))
    else:
        assert (decision.priority is not None) == (task in ("scheduling", "joint"))
    assert (decision.fusion is not None) == (task in ("fusion", "joint"))
    assert budget.best_step_time_ns is not None


@pytest.mark.parametrize("name", [n for n in NAMES if "fusion" in tasks_of(load_agent(n))])
def test_fusion_pays_on_a_real_graph(name):
    """Some fusion beats none; a start from the best is no worse than the default fusion."""
    problem = make_problem(datasets.load("wavenet-2x18"), go_gym.load_cluster("p100x2"), "fusion")
    budget = Budget(problem, 40)
    load_agent(name).solve(problem, budget, 0)
    levels = default_fusion(problem, problem.placement)
    none, default = (
        go_gym.simulate(problem, go_gym.Decision(problem.placement, fusion=fusion)).step_time_ns
        for fusion in (None, levels)
    )
    assert budget.best_step_time_ns < none
    if "start=best" in name:
        assert budget.best_step_time_ns <= default * 1.01  # twenty levels stand for thousands


def test_one_task_after_another_stays_within_the_budget_and_decides_all():
    graph = datasets.load("transformer-xl-2")
    problem = make_problem(graph, go_gym.load_cluster("p100x2"), "joint")
    budget = Budget(problem, 40)
    decision = load_agent("sa:separate").solve(problem, budget, 0)
    check_decision(problem, decision)
    assert budget.used == 40, "three times 13 calls, and one that tells what all are worth together"
    assert decision.priority is not None and decision.fusion is not None
    assert len(budget.curve) == 1
    assert budget.best_step_time_ns == go_gym.simulate(problem, decision).step_time_ns


@pytest.mark.parametrize("seeds", [2, pytest.param(7, marks=pytest.mark.slow)])
def test_scheduled_search_beats_plain_search_scheduled_afterwards(seeds):
    """What is searched under priorities is better under them than what was searched without: in
    the mean, and by a sign test in six of seven seeds (by chance once in sixteen)."""
    problem = go_gym.Problem(datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2"))
    afterwards, searched = [], []
    for seed in range(seeds):
        for name, times in (("sa", afterwards), ("sa:priorities=critical-path", searched)):
            budget = Budget(problem, 600)
            placement = load_agent(name).solve(problem, budget, seed).placement
            times.append(go_gym.simulate(problem, ranked(problem, placement, True)).step_time_ns)
        assert budget.best_step_time_ns == searched[-1]
    better = np.array(searched) < np.array(afterwards)
    assert sum(searched) < sum(afterwards)
    assert seeds == 2 or better.sum() >= 6, better


@pytest.mark.parametrize("seed", range(3))
def test_annealing_by_moves_is_annealing_by_whole_simulations(seed, monkeypatch):
    """The same curve to the last call, whenever a round begins to simulate by what changes."""
    problem = go_gym.Problem(datasets.load("inception-b32"), go_gym.load_cluster("p100x2"))
    tried, try_decision = [], BudgetedSearch.try_decision
    monkeypatch.setattr(
        BudgetedSearch, "try_decision", lambda *a, **k: tried.append(a) or try_decision(*a, **k)
    )
    found, counts = [], []
    for fine in (1.0, 0.85, 0.2):
        agent, budget = SimulatedAnnealing(), Budget(problem, 400)
        agent.settings = AnnealingSettings(fine=fine)
        agent.solve(problem, budget, seed)
        found.append((budget.used, budget.curve, budget.windows, budget.best.placement.tolist()))
        counts.append(len(tried))
        tried.clear()
    assert counts[0] == 0 < counts[1] < counts[2]
    assert found[0] == found[1] == found[2]
