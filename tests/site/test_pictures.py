"""What the pictures of the boards' pages show, against rows and tables that others made."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from go_gym.leaderboard.optima import Known
from go_gym.site.boards import read_board
from go_gym.site.pictures import pictures
from tests.leaderboard.test_summary import ROW
from tests.site.pages import hand_made
from tests.site.test_site import BOARDS


def test_measured_steps_are_those_of_the_file():
    board = read_board("hardware", BOARDS / "hardware")
    (found,) = pictures(board)
    with (BOARDS / "hardware" / "hardware.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["step_ns"]))
    assert found["groups"] == [f"{row['agent']}, {row['priorities']}" for row in rows]
    shown = dict(found["bars"])
    for name, column in (("measured", "step_ns"), ("simulated", "simulated_ns")):
        expected = [int(row[column]) / 1e6 for row in rows]
        assert shown[name] == pytest.approx(expected, rel=1e-4)


def test_bars_stand_beside_the_papers_figures():
    board = read_board("table3", BOARDS / "table3")
    found, _ = pictures(board)
    lines = {line[0]: line[1:] for line in board.report.shorter_beside().lines}
    agents = list(board.report.experiment.columns)
    for kind, place in (("bars", 0), ("marks", 1)):
        for agent, values in found[kind]:
            for graph, value in zip(found["groups"], values, strict=True):
                text = lines[graph][agents.index(agent)].split(" / ")[place]
                assert (
                    (text == "–")
                    if value is None
                    else float(text) == pytest.approx(value, abs=6e-3)
                )
    assert [name for name, _ in found["marks"]] and len(found["groups"]) == 8


def test_curves_end_on_the_geometric_mean_of_the_rows():
    board = read_board("table3", BOARDS / "table3")
    _, found = pictures(board)
    with (BOARDS / "table3" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    base = {}
    for row in rows:
        if row["agent"] == "framework-default":
            base.setdefault(row["graph"], []).append(int(row["step_time_ns"]))
    ends = {name: (value, curve) for name, value, curve in found["agents"]}
    assert ends["framework-default"] == (1.0, None)
    logs = [
        np.log(int(row["step_time_ns"]) / np.median(base[row["graph"]]))
        for row in rows
        if (row["agent"], row["options"]) == ("go", "")
    ]
    value, (calls, line, low, high) = ends["go"]
    assert calls[-1] == 4000 and line[-1] == value
    assert value == pytest.approx(np.exp(np.mean(logs)), rel=1e-4)
    assert all(a <= b <= c for a, b, c in zip(low, line, high, strict=True))


def test_distances_from_optima_have_their_intervals(tmp_path):
    rows = [replace(ROW, graph=graph, graph_hash=graph) for graph in "gh"]
    slow = [replace(row, agent="b", step_time_ns=150) for row in rows]
    slow[1] = replace(slow[1], step_time_ns=120)
    board = hand_made(tmp_path, *rows, *slow)
    known = {(graph, "0"): Known(f"set:{graph}", graph, "0", 100, 100, "by hand") for graph in "gh"}
    (found,) = pictures(replace(board, known=known))
    assert (found["kind"], found["title"]) == ("intervals", "set")
    first, second = found["agents"]
    assert first == ["a, 0 calls", 0.0, 0.0, 0.0]
    half = 12.706 * np.std([0.5, 0.2], ddof=1) / 2**0.5  # Student's t of one degree of freedom
    assert second[0] == "b, 0 calls"
    assert second[1:] == pytest.approx([0.35, 0.0, 0.35 + half], rel=1e-3)
