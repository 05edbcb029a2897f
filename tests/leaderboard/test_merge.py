"""Folders of results: rows that give way, folders put together, entries that are left over."""

from dataclasses import replace

import pytest
from go_agents.heuristics.simple import RoundRobin

import go_gym
from go_gym.errors import FileFormatError, LeaderboardError
from go_gym.leaderboard.merge import merge
from go_gym.leaderboard.provenance import PROVENANCE
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import RESULTS, write_rows
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import verify

BOTH = ("fifo", "critical-path")


@pytest.fixture
def problem():
    graph = go_gym.catalogue.datasets.load("rnnlm-2")
    return go_gym.Problem(graph, go_gym.load_cluster("p100x2"))


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_new_version_replaces_rows_under_all_rules(problem, tmp_path, monkeypatch):
    run(Jobs(("round-robin", "random"), (problem,), (0, 1), BOTH), tmp_path)
    before = {row.key: row for row in Board(tmp_path).rows}
    assert len({row.decision for row in before.values()}) == 3, "a decision under both rules is one"
    monkeypatch.setattr(RoundRobin, "version", "99")
    rows, _ = run(Jobs(("round-robin",), (problem,), (0,), ("fifo",)), tmp_path)
    mine = {(r.seed, r.priorities): r.agent_version for r in rows if r.agent == "round-robin"}
    assert mine == {(0, "fifo"): "99", (1, "fifo"): "1", (1, "critical-path"): "1"}
    assert sum(row.agent == "random" for row in rows) == 4, "other agents' rows stay"
    assert verify(tmp_path).ok


def test_what_no_row_names_any_more_goes(problem, tmp_path):
    run(Jobs(("random", "sa"), (problem,), budget=3), tmp_path)
    kept, gone = sorted(Board(tmp_path).rows, key=lambda row: row.agent == "sa")
    write_rows(tmp_path / RESULTS, [kept])
    board = Board(tmp_path)
    assert gone.decision in board.decisions and gone.curve in board.curves
    board.compact()
    assert board.decisions.hashes() == [kept.decision] and board.curves.hashes() == []
    assert files(tmp_path) == {RESULTS, PROVENANCE, "decisions.npz"} and verify(tmp_path).ok


def test_rows_of_several_folders_come_with_what_they_name(problem, tmp_path):
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    run(Jobs(("sa",), (problem,), (0,), BOTH, budget=3), one)
    run(Jobs(("sa", "metis"), (problem,), (0, 1), ("fifo",), budget=4), two)
    merge(out, [one])
    for name in files(one):
        assert (out / name).read_bytes() == (one / name).read_bytes(), "equal contents, equal bytes"
    merge(out, [two], lambda row: row.agent == "sa")
    there, board = Board(two), Board(out)
    assert {(row.seed, row.priorities, row.budget) for row in board.rows} == {
        (0, "fifo", 4),
        (1, "fifo", 4),
    }, "the rows with three calls gave way"
    assert verify(out).ok
    wanted = [row for row in there.rows if row.agent == "sa"]
    assert board.rows == wanted
    assert board.decisions.hashes() == sorted({row.decision for row in wanted})
    assert [board.curve(row) for row in wanted] == [there.curve(row) for row in wanted]


def test_own_graphs_come_along(tmp_path):
    graph = go_gym.ComputationGraph.from_costs([3, 4], [(0, 9)], [(0, 1)], name="own")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, bandwidth=1e9, name="pair"))
    run(Jobs(("random",), (problem,)), tmp_path / "one")
    merge(tmp_path / "out", [tmp_path / "one"])
    assert {"graphs/own.npz", "clusters/pair.toml"} < files(tmp_path / "out")
    assert verify(tmp_path / "out").ok


def test_bad_sources_are_refused_and_nothing_is_written(problem, tmp_path):
    with pytest.raises(LeaderboardError, match="holds no results"):
        merge(tmp_path / "out", [tmp_path / "none"])
    source = tmp_path / "source"
    ((row,), _) = run(Jobs(("metis",), (problem,)), source)
    for changes, error, match in (
        ({"provenance": "0" * 16}, LeaderboardError, "holds no provenance '0000"),
        ({"decision": "0" * 64}, FileFormatError, "holds no '0000"),
        ({"curve": "0" * 64}, FileFormatError, r"curves\.npz: holds no '0000"),
    ):
        write_rows(source / RESULTS, [replace(row, **changes)])
        with pytest.raises(error, match=match):
            merge(tmp_path / "out", [source])
    assert not (tmp_path / "out").exists()
