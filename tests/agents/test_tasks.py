"""Baselines of scheduling, fusion and the joint task, and rows of every task end to end."""

import numpy as np
import pytest

import go_gym
from go_gym.agent import Budget, agents_for, load_agent, tasks_of
from go_gym.baselines.bounds import lower_bound_ns
from go_gym.baselines.default import baseline, framework_default
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.leaderboard.coverage import write_coverage
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import RESULTS
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import verify
from go_gym.problem import TASKS
from go_gym.simulator import simulate

BASELINES = {
    "scheduling": ["critical-path", "fifo", "memory-aware", "random-priorities"],
    "fusion": ["framework-default", "no-fusion", "random-fusion"],
    "joint": ["framework-default", "no-fusion", "one-by-one", "random-fusion"],
}
CLUSTER = go_gym.load_cluster("p100x4")


@pytest.fixture(scope="module")
def graph():
    return datasets.load("transformer-xl-2")


def solved(name, problem, budget=10):
    return load_agent(name).solve(problem, Budget(problem, budget), 0)


@pytest.mark.parametrize("task", BASELINES)
def test_every_baseline_decides_its_task(task, graph):
    problem = make_problem(graph, CLUSTER, task)
    for name in BASELINES[task]:
        assert task in tasks_of(load_agent(name))
        first, again = solved(name, problem), solved(name, problem)
        result = simulate(problem, first)
        assert result.valid
        assert result.step_time_ns == simulate(problem, again).step_time_ns


def test_the_rules_are_what_they_say():
    """An LSTM's wave over the devices, where the longest path first is best of all."""
    problem = make_problem(datasets.load("rnnlm-2"), CLUSTER, "scheduling")
    times = {
        name: simulate(problem, solved(name, problem)).step_time_ns
        for name in BASELINES["scheduling"]
    }
    assert times["fifo"] == simulate(problem, baseline(problem)).step_time_ns
    assert lower_bound_ns(problem) <= times["critical-path"] == min(times.values()) < times["fifo"]
    assert times["critical-path"] < 1.01 * lower_bound_ns(problem)


def test_fusing_is_better_than_not(graph):
    problem = make_problem(graph, CLUSTER, "fusion")
    fused, apart = (solved(name, problem) for name in ("framework-default", "no-fusion"))
    assert simulate(problem, fused).step_time_ns < simulate(problem, apart).step_time_ns
    assert apart.fusion is None


def test_one_by_one_is_no_worse_than_its_parts(graph):
    problem = make_problem(graph, CLUSTER, "joint")
    budget = Budget(problem, 10)
    best = load_agent("one-by-one").solve(problem, budget, 0)
    assert budget.used == 3 and simulate(problem, best).step_time_ns == budget.best_step_time_ns
    assert load_agent("one-by-one").solve(problem, Budget(problem, 0), 0).fusion is not None


def test_the_default_leaves_a_full_device_for_metis():
    tensors, uses = [(op, 4) for op in range(7)], [(op, op + 1) for op in range(7)]
    types = ["aten.exp"] * 8
    graph = go_gym.ComputationGraph.from_arrays(
        "line", num_ops=8, tensors=tensors, uses=uses, op_types=types, flops=[1000] * 8,
        bytes_read=[4] * 8, bytes_written=[4] * 8, parameter_bytes=[10] * 8,
    )  # fmt: skip
    for memory, devices in ((100, 1), (60, 2)):
        cluster = go_gym.Cluster.uniform(2, 1e9, memory=memory)
        decision = framework_default(go_gym.Problem(graph, cluster))
        assert len(np.unique(decision.placement)) == devices


def test_rows_of_every_task_are_run_and_verified(tmp_path, graph):
    announced = {}
    for task, agents in {"placement": ["human-expert"], **BASELINES}.items():
        problem = make_problem(graph, CLUSTER, task)
        _, failures = run(Jobs(tuple(agents), (problem,), budget=5, command="x"), tmp_path)
        assert not failures
        given = {"graphs": [graph.name], "clusters": [CLUSTER.name], "seeds": [0]}
        wanted = {**given, "priorities": ["fifo"], "agents": agents}
        announced |= wanted if task == "placement" else {task: wanted}
    write_coverage(tmp_path, **announced)
    report = verify(tmp_path)
    assert report.ok and report.rows == 12, report.issues
    board = Board.read(tmp_path)
    assert {row.task for row in board.rows} == set(TASKS)
    for row in board.rows:
        decision = board.decision(row)
        assert board.problem(row).task == row.task
        if row.agent == "framework-default":
            assert decision.fusion is not None and row.speedup_over_default == 1
        assert row.gap >= 0
    lines = (tmp_path / RESULTS).read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("joint") or "one-by-one" not in line]
    (tmp_path / RESULTS).write_text("".join(kept))
    (issue,) = verify(tmp_path).issues
    assert "joint one-by-one" in issue.message


def test_an_agent_of_another_task_is_refused_by_name(tmp_path, graph):
    problem = make_problem(graph, CLUSTER, "fusion")
    _, (failure,) = run(Jobs(("metis",), (problem,)), tmp_path)
    assert failure.error == "agent 'metis' decides placement, not fusion"


def test_agents_by_task():
    found = agents_for("scheduling")
    assert set(BASELINES["scheduling"]) <= set(found)
    assert "metis" not in found
