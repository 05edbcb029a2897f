"""Curves beside the decisions."""

import pytest

import go_gym
from go_gym.agent import Improvement, Window
from go_gym.errors import LeaderboardError
from go_gym.runs.curves import RunCurve, curve_path, read_curve, write_curve
from go_gym.runs.runner import Plan, run


def test_a_run_leaves_the_curve_that_its_row_ends_on(tmp_path):
    graph = go_gym.ComputationGraph.from_costs([5, 7, 9, 4], [(0, 3)], [(0, 3)], name="four")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    rows, failures = run(Plan(("sa",), (problem,), (3,), budget=40), tmp_path)
    assert not failures
    path = curve_path(tmp_path, "placement", "four", problem.cluster.name, "sa", 3)
    curve = read_curve(path)
    assert curve.improvements[-1].step_time_ns == rows[0].step_time_ns
    calls = [point.calls for point in curve.improvements]
    assert calls == sorted(set(calls)) and calls[-1] <= 40
    times = [point.step_time_ns for point in curve.improvements]
    assert times == sorted(set(times), reverse=True)
    assert [window.calls for window in curve.windows] == list(range(1, 41)), "a window a call"
    for window in curve.windows:
        assert window.mean_step_time_ns >= curve.best_after(window.calls)


def test_curves_are_read_back_and_bad_lines_named(tmp_path):
    path = tmp_path / "a" / "b.csv"
    windows = (Window(10, 95), Window(17, 85), Window(20, 99))
    curve = RunCurve((Improvement(1, 90), Improvement(17, 80)), windows)
    write_curve(path, curve)
    assert read_curve(path) == curve
    assert path.read_text().splitlines()[1:] == ["1,90,", "10,90,95", "17,80,85", "20,80,99"]
    for lines, where in (
        ("calls\n", "line 1"),
        ("calls,step_time_ns,mean_step_time_ns\n1,90,\n2,,5\n", "line 3"),
        ("calls,step_time_ns,mean_step_time_ns\n1,90\n", "line 2"),
        ("calls,step_time_ns\n1,90\n2,-5\n", "line 3"),
    ):
        path.write_text(lines)
        with pytest.raises(LeaderboardError, match=where):
            read_curve(path)


def test_curves_without_means_are_read(tmp_path):
    path = tmp_path / "old.csv"
    path.write_text("calls,step_time_ns\n1,90\n17,80\n")
    assert read_curve(path) == RunCurve((Improvement(1, 90), Improvement(17, 80)))
    assert [read_curve(path).best_after(calls) for calls in (0, 1, 16, 17)] == [None, 90, 90, 80]
