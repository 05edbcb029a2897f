"""Folders of results: rows that give way, folders put together, files that are left over."""

from dataclasses import replace

import pytest
from go_agents.heuristics.simple import RoundRobin

import go_gym
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.schema import RESULTS, write_rows
from go_gym.leaderboard.verify import verify
from go_gym.runs.curves import curve_path
from go_gym.runs.folders import merge, rows_in, tidy
from go_gym.runs.runner import Plan, run

BOTH = ("fifo", "critical-path")


@pytest.fixture
def problem():
    graph = go_gym.catalogue.datasets.load("rnnlm-2")
    return go_gym.Problem(graph, go_gym.load_cluster("p100x2"))


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {RESULTS}


def test_a_new_version_replaces_rows_under_all_rules(problem, tmp_path, monkeypatch):
    run(Plan(("round-robin", "contiguous"), (problem,), (0, 1), BOTH), tmp_path)
    monkeypatch.setattr(RoundRobin, "version", "99")
    rows, _ = run(Plan(("round-robin",), (problem,), (0,), ("fifo",)), tmp_path)
    mine = {(r.seed, r.priorities): r.agent_version for r in rows if r.agent == "round-robin"}
    assert mine == {(0, "fifo"): "99", (1, "fifo"): "1", (1, "critical-path"): "1"}
    assert sum(row.agent == "contiguous" for row in rows) == 4, "other agents' rows stay"
    before = files(tmp_path)
    tidy(tmp_path)
    assert {path.split("/")[-1] for path in before - files(tmp_path)} == {
        "round-robin-critical-path-0.npz"
    }
    assert verify(tmp_path).ok


def test_rows_of_several_folders_come_with_their_files(problem, tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    run(Plan(("sa",), (problem,), (0,), BOTH, budget=3), one)
    run(Plan(("sa", "metis"), (problem,), (0, 1), ("fifo",), budget=4), two)
    merge(out, [one])
    assert files(out) == files(one) and rows_in(out) == rows_in(one)
    merge(out, [two], lambda row: row.agent == "sa")
    assert {(row.seed, row.priorities, row.budget) for row in rows_in(out)} == {
        (0, "fifo", 4),
        (1, "fifo", 4),
    }, "the rows with three calls gave way"
    tidy(out)
    assert verify(out).ok
    assert files(out) == {path for path in files(two) if "metis" not in path}
    where = (problem.task, "rnnlm-2", "p100x2", "sa", 0)
    assert curve_path(out, *where).read_text() == curve_path(two, *where).read_text()


def test_a_folder_without_results_and_a_path_that_leads_out_are_refused(problem, tmp_path):
    with pytest.raises(LeaderboardError, match="holds no results"):
        merge(tmp_path / "out", [tmp_path / "none"])
    source = tmp_path / "source"
    rows, _ = run(Plan(("metis",), (problem,)), source)
    write_rows(source / RESULTS, [replace(rows[0], decision="../stolen.npz")])
    with pytest.raises(LeaderboardError, match="leads out of"):
        merge(tmp_path / "out", [source])
    assert not (tmp_path / "out").exists()
