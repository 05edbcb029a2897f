"""Submissions: good ones are taken whole, hostile ones change nothing and are told why."""

import shutil
from dataclasses import replace

import pytest

from go_gym import Problem, load_cluster
from go_gym.catalogue import datasets
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.coverage import write_coverage
from go_gym.leaderboard.run import Plan, run
from go_gym.leaderboard.schema import RESULTS, read_rows, write_rows
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.submissions import submit
from go_gym.leaderboard.tables import BEGIN, END, README
from go_gym.leaderboard.verify import Kind, verify

GRAPH = "inception-b32"


def make(folder, agents, seeds=(0,)):
    problem = Problem(datasets.load(GRAPH), load_cluster("p100x2"))
    run(Plan(agents, (problem,), seeds=seeds, command="go-gym run"), folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    board = make(folder / "board", ("human-expert",))
    (board / README).write_text(f"# Board\n{BEGIN}\n{END}\n")
    write_coverage(
        board, graphs=[GRAPH], clusters=["p100x2"], seeds=[0], priorities=["fifo"],
        agents=["human-expert"],
    )  # fmt: skip
    return board, make(folder / "mine", ("metis",))


@pytest.fixture
def both(made, tmp_path):
    for source, name in zip(made, ("board", "mine"), strict=True):
        shutil.copytree(source, tmp_path / name)
    return tmp_path / "board", tmp_path / "mine"


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(both, kind, **options):
    board, mine = both
    before = snapshot(board)
    rows, issues = submit(mine, board, **options)
    assert rows == [] and {issue.kind for issue in issues} == {kind}, issues
    assert snapshot(board) == before
    return issues


def rewrite(mine, **changes):
    rows = [replace(row, **changes) for row in read_rows(mine / RESULTS)]
    write_rows(mine / RESULTS, rows)


def test_a_good_one_is_taken(both):
    board, mine = both
    rows, issues = submit(mine, board)
    assert [row.agent for row in rows] == ["metis"] and issues == []
    assert verify(board).ok and len(read_rows(board / RESULTS)) == 2
    assert "| metis |" in (board / README).read_text()
    assert submit(mine, board)[1] == []  # the same again changes nothing


def test_a_better_number_than_the_decision_s(both):
    rewrite(both[1], step_time_ns=1)
    refused(both, Kind.FIGURE)


def test_a_forged_hash(both):
    rewrite(both[1], decision="0" * 64)
    refused(both, Kind.MISSING_DECISION)


def test_a_graph_left_out(both):
    board, _ = both
    write_coverage(
        board, graphs=[GRAPH, "rnnlm-2"], clusters=["p100x2"], seeds=[0], priorities=["fifo"],
        agents=[],
    )  # fmt: skip
    (issue,) = refused(both, Kind.MISSING_ROW)
    assert "rnnlm-2" in str(issue)


def test_its_own_coverage_counts_for_nothing(both):
    board, mine = both
    write_coverage(
        board, graphs=[GRAPH], clusters=["p100x2"], seeds=[0, 1], priorities=["fifo"], agents=[]
    )
    write_coverage(
        mine, graphs=[GRAPH], clusters=["p100x2"], seeds=[0], priorities=["fifo"], agents=[]
    )
    refused(both, Kind.MISSING_ROW)


def test_a_forged_curve(both):
    rewrite(both[1], curve="0" * 64)
    refused(both, Kind.CURVE)


def test_another_agent_s_decision(both):
    """It gives another figure, or, with its figures, verifies: what is decided has no owner."""
    board, mine = both
    (theirs,) = read_rows(board / RESULTS)
    there = Board(mine)
    there.decisions.take(Board(board).decisions, theirs.decision)
    there.decisions.compact()
    rewrite(mine, decision=theirs.decision)
    refused(both, Kind.FIGURE)


def test_a_link(both):
    (both[1] / "journal").symlink_to("/etc")
    refused(both, Kind.PATH)


def test_graphs_of_its_own(both):
    (both[1] / "graphs").mkdir()
    refused(both, Kind.UNKNOWN_PROBLEM)


def test_a_row_of_somebody_else(both):
    board, mine = both
    submit(mine, board)
    rewrite(mine, wall_seconds=77.0)
    refused(both, Kind.REPEATED)
    assert submit(mine, board, replace=True)[0][0].wall_seconds == 77.0


def test_a_decision_that_is_none(both):
    (both[1] / "decisions.npz").write_bytes(b"PK nothing")
    refused(both, Kind.UNREADABLE)


def test_too_large(both, monkeypatch):
    monkeypatch.setattr("go_gym.leaderboard.submissions.MAX_TOTAL_BYTES", 10)
    refused(both, Kind.PATH)


def test_nothing_submitted(both):
    write_rows(both[1] / RESULTS, [])
    refused(both, Kind.UNREADABLE)


def test_the_leaderboard_itself(both):
    with pytest.raises(LeaderboardError, match="itself"):
        submit(both[0], both[0])
