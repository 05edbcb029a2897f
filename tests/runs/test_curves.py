"""Curves beside the decisions."""

import pytest

import go_gym
from go_gym.agent import Improvement
from go_gym.errors import LeaderboardError
from go_gym.runs.curves import curve_path, read_curve, write_curve
from go_gym.runs.runner import Plan, run


def test_a_run_leaves_the_curve_that_its_row_ends_on(tmp_path):
    graph = go_gym.ComputationGraph.from_costs([5, 7, 9, 4], [(0, 3)], [(0, 3)], name="four")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    rows, failures = run(Plan(("sa",), (problem,), (3,), budget=40), tmp_path)
    assert not failures
    path = curve_path(tmp_path, "placement", "four", problem.cluster.name, "sa", 3)
    curve = read_curve(path)
    assert curve[-1].step_time_ns == rows[0].step_time_ns
    calls = [point.calls for point in curve]
    assert calls == sorted(set(calls)) and calls[-1] <= 40
    times = [point.step_time_ns for point in curve]
    assert times == sorted(set(times), reverse=True)


def test_curves_are_read_back_and_bad_lines_named(tmp_path):
    path = tmp_path / "a" / "b.csv"
    curve = [Improvement(1, 90), Improvement(17, 80)]
    write_curve(path, curve)
    assert read_curve(path) == curve
    path.write_text("calls,step_time_ns\n1,90\n2,-5\n")
    with pytest.raises(LeaderboardError, match="line 3"):
        read_curve(path)
    path.write_text("calls\n")
    with pytest.raises(LeaderboardError, match="line 1"):
        read_curve(path)
