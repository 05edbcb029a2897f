"""Learning curves: arithmetic, and the CSV read back."""

import math
from types import SimpleNamespace

from go_agents.common.curves import LearningCurve


def results(*pairs):
    return [SimpleNamespace(step_time_ns=time, valid=valid) for time, valid in pairs]


def test_points_keep_the_best_and_the_mean_of_the_valid(tmp_path):
    curve = LearningCurve()
    assert curve.calls == 0
    curve.note(results((5, False), (7, False)))
    curve.note(results((10, True), (30, True), (2, False), (20, True)))
    curve.note(results((40, True)))
    curve.note(results((8, True), (4, True)))
    assert [point.calls for point in curve.points] == [2, 6, 7, 9]
    assert [point.best_step_time_ns for point in curve.points] == [-1, 10, 10, 4]
    assert math.isnan(curve.points[0].mean_step_time_ns)
    assert [point.mean_step_time_ns for point in curve.points[1:]] == [20, 40, 6]
    assert [point.valid for point in curve.points] == [0, 0.75, 1, 1]
    path = tmp_path / "curve.csv"
    curve.write(path)
    assert path.read_text().splitlines()[0] == "calls,best_step_time_ns,mean_step_time_ns,valid"
    assert str(LearningCurve.read(path).points) == str(curve.points)
