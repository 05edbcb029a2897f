"""Cells beaten on fewer of the same devices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import go_gym
from go_gym.catalogue import datasets
from go_gym.cli import app
from go_gym.errors import ClusterError
from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.smaller import beaten, is_part
from tests.leaderboard.test_summary import ROW

BOARDS = Path(__file__).parents[2] / "leaderboards"


def row(cluster, step, **more):
    return replace(ROW, **{"cluster": cluster, "step_time_ns": step, "valid": True, **more})


def found(*rows):
    return [(each.cluster, each.part) for each in beaten(rows, go_gym.load_cluster)]


def test_presets_are_parts_of_larger_ones():
    sizes = [go_gym.load_cluster(f"p100x{count}") for count in (2, 4, 8)]
    assert [[is_part(a, b) for b in sizes] for a in sizes] == [
        [False, True, True],
        [False, False, True],
        [False, False, False],
    ]
    assert not is_part(sizes[0], go_gym.load_cluster("a100x8"))


@pytest.mark.parametrize("change", ["bandwidth", "memory", "contention", "peak_flops"])
def test_other_figures_make_no_part(change):
    figures = {"bandwidth": 1e9, "memory": 100, "contention": "none", "peak_flops": 1e12}
    other = {**figures, change: {"contention": "link"}.get(change, 50)}
    assert is_part(go_gym.Cluster.uniform(2, **figures), go_gym.Cluster.uniform(3, **figures))
    assert not is_part(go_gym.Cluster.uniform(2, **figures), go_gym.Cluster.uniform(3, **other))


def test_a_plan_for_a_part_takes_as_long_on_the_whole():
    graph = datasets.load("rnnlm-2")
    place = np.arange(graph.num_ops) % 2
    steps = {
        go_gym.simulate(
            go_gym.Problem(graph, go_gym.load_cluster(name)), go_gym.Decision(place)
        ).step_time_ns
        for name in ("p100x2", "p100x4", "p100x8")
    }
    assert len(steps) == 1


def test_the_best_of_each_cell_counts():
    assert found(row("p100x4", 5), row("p100x8", 6)) == [("p100x8", "p100x4")]
    assert found(row("p100x4", 5), row("p100x8", 6), row("p100x8", 5, agent="b")) == []
    three = (row("p100x2", 4), row("p100x4", 5), row("p100x8", 5))
    assert found(*three) == [("p100x4", "p100x2"), ("p100x8", "p100x2")]
    assert found(row("p100x4", 5, priorities="own"), row("p100x8", 6)) == [("p100x8", "p100x4")]


def test_what_does_not_count():
    assert found(row("p100x4", 5, valid=False), row("p100x8", 6)) == []
    assert found(row("p100x4", 5, task="scheduling"), row("p100x8", 6, task="scheduling")) == []
    assert found(row("p100x4", 5, graph="other"), row("p100x8", 6)) == []
    assert found(row("a100x4", 5), row("p100x8", 6)) == []

    def unknown(name):
        raise ClusterError(name)

    assert beaten([row("p100x4", 5), row("p100x8", 6)], unknown) == []


def test_the_command_flags_them(tmp_path):
    rows = [each for each in read_rows(BOARDS / "table2" / RESULTS) if each.task == "placement"]
    flagged = beaten(rows, go_gym.load_cluster)
    said = CliRunner().invoke(app, ["leaderboard", str(BOARDS / "table2")])
    assert said.exit_code == 0
    assert said.output.count("beaten: placement of") == len(flagged)
    assert all(str(each) in said.output for each in flagged)
