"""Quality against calls: worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from go_gym.agent import Curve, Improvement
from go_gym.reproduce.curves import JobCurve
from go_gym.reproduce.mean_curves import mean_curves, reference_times, save_mean_curves_png
from go_gym.reproduce.pictures import shown_in
from go_gym.reproduce.tables import farthest


def row(graph, agent, step, seed=0, valid=True):
    key = ("placement", graph, "p100x2", agent, "fifo", seed)
    return SimpleNamespace(
        graph=graph, cluster="p100x2", agent_name=agent, seed=seed, step_time_ns=step,
        valid=valid, budget_used=8, curve="", key=key,
    )  # fmt: skip


def curve(graph, agent, *points, seed=0):
    improvements = tuple(Improvement(*point) for point in points)
    return JobCurve(graph, "p100x2", agent, seed, Curve(improvements))


ROWS = [
    row("a", "expert", 100), row("b", "expert", 1000),
    row("a", "search", 25), row("b", "search", 1000),
    row("a", "rule", 200), row("b", "rule", 2000),
]  # fmt: skip
CURVES = [
    curve("a", "search", (2, 100), (4, 25)),
    curve("b", "search", (1, 4000), (8, 1000)),
]
BASE = {("a", "p100x2"): 100.0, ("b", "p100x2"): 1000.0}


def test_the_reference_must_be_valid_everywhere():
    assert reference_times(ROWS, "expert") == BASE
    assert reference_times([*ROWS, row("b", "expert", 1, seed=1, valid=False)], "expert") == {}
    assert reference_times([*ROWS, row("c", "search", 1)], "expert") == {}


def test_a_mean_over_graphs_begins_where_each_has_a_decision():
    found = mean_curves("search", CURVES, ROWS, BASE, np.array([1, 2, 4, 8]))
    assert np.isnan(found[0, 0])
    assert found[0, 1:] == pytest.approx([2.0, 1.0, 0.5])  # √(1 × 4), √(¼ × 4), √(¼ × 1)


def test_an_agent_without_a_curve_is_a_level_and_one_that_misses_a_graph_has_none():
    assert mean_curves("rule", CURVES, ROWS, BASE, np.array([1, 8])).tolist() == [[2.0, 2.0]]
    assert mean_curves("rule", CURVES, ROWS[:-1], BASE, np.array([1, 8])) is None


def test_the_picture_says_what_it_shows(tmp_path):
    path = tmp_path / "calls.png"
    save_mean_curves_png(path, "Toy", CURVES, ROWS, "nobody")
    assert not path.exists()
    save_mean_curves_png(path, "Toy", CURVES, ROWS, "expert")
    first = shown_in(path)
    save_mean_curves_png(path, "Toy", CURVES, ROWS[:-1], "expert")
    assert len(first) == 64 and shown_in(path) != first


def test_the_worst_graph_of_each_agent_is_named():
    cell = {
        ("a", "best"): (100,), ("b", "best"): (100,), ("a", "x"): (50,), ("b", "x"): (98,),
        ("a", "y"): (10,),
    }  # fmt: skip
    from go_gym.reproduce.cells import Cell

    known = {key: Cell(times) for key, times in cell.items()}
    table = farthest(known, [("a", ""), ("b", "")], ["best", "x", "y"], "best")
    assert table.lines == [["x", "0.700", "0.500", "0.980", "b"]]
