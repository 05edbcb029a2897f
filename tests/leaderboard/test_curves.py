"""What a run leaves of its calls, and how it is read."""

import numpy as np
import pytest

import go_gym
from go_gym.agent import Curve, Improvement, Window
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.entries import curve_entry, entry_curve
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.store import Board

CURVE = Curve((Improvement(3, 90), Improvement(17, 80)), (Window(10, 95), Window(20, 85)))


def test_a_run_leaves_the_curve_that_its_row_ends_on(tmp_path):
    graph = go_gym.ComputationGraph.from_costs([5, 7, 9, 4], [(0, 3)], [(0, 3)], name="four")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    (row,), failures = run(Jobs(("sa",), (problem,), (3,), budget=40), tmp_path)
    assert not failures
    curve = Board.read(tmp_path).curve(row)
    assert curve.improvements[-1].step_time_ns == row.step_time_ns
    calls = [point.calls for point in curve.improvements]
    assert calls == sorted(set(calls)) and calls[-1] <= 40
    times = [point.step_time_ns for point in curve.improvements]
    assert times == sorted(set(times), reverse=True)
    assert [window.calls for window in curve.windows] == list(range(1, 41)), "a window a call"
    for window in curve.windows:
        assert window.mean_step_time_ns >= curve.best_after(window.calls)


def test_a_run_without_a_call_leaves_none(tmp_path):
    graph = go_gym.ComputationGraph.from_costs([5, 7], [], [], name="two")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    (row,), _ = run(Jobs(("random",), (problem,), budget=40), tmp_path)
    assert row.curve == "" and Board.read(tmp_path).curve(row) == Curve()
    assert not (tmp_path / "curves.npz").exists()


def test_curves_are_read_back(tmp_path):
    assert entry_curve(curve_entry(CURVE)) == CURVE
    assert entry_curve(curve_entry(Curve())) == Curve()
    entry = curve_entry(CURVE)
    for bad in (
        {"improvements": entry["improvements"]},
        {**entry, "more": entry["windows"]},
        {**entry, "windows": entry["windows"][0]},
        {**entry, "windows": entry["windows"].T[:1]},
    ):
        with pytest.raises(LeaderboardError, match="no curve"):
            entry_curve(bad)


def test_a_curve_between_its_points():
    assert [CURVE.best_after(calls) for calls in (0, 2, 3, 16, 17)] == [None, None, 90, 90, 80]
    assert str(CURVE.best_at(np.array([2, 3, 16, 17, 40]))) == "[nan 90. 90. 80. 80.]"
    assert str(CURVE.mean_at(np.array([1, 10, 11, 20, 21]))) == "[95. 95. 85. 85. nan]"
    assert [CURVE.calls_until(step) for step in (95, 90, 80.5, 79)] == [3, 3, 17, None]
