"""Submissions: good ones are taken whole, hostile ones change nothing and are told why."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from go_gym import Decision, Problem, load_cluster, simulate
from go_gym.catalogue import datasets
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.coverage import write_coverage
from go_gym.leaderboard.facts import facts, measures
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import RESULTS, read_rows, write_rows
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.submissions import submit
from go_gym.leaderboard.tables import BEGIN, END, README
from go_gym.leaderboard.verify import Kind, verify

GRAPH = "inception-b32"


def make(folder, agents, seeds=(0,)):
    problem = Problem(datasets.load(GRAPH), load_cluster("p100x2"))
    run(Jobs(agents, (problem,), seeds=seeds, command="go-gym run"), folder)
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


def test_calls_without_their_curve(made, tmp_path):
    board = shutil.copytree(made[0], tmp_path / "board")
    problem = Problem(datasets.load(GRAPH), load_cluster("p100x2"))
    run(Jobs(("sa",), (problem,), budget=5, command="go-gym run"), tmp_path / "mine")
    whole = read_rows(tmp_path / "mine" / RESULTS)
    rewrite(tmp_path / "mine", curve="")
    assert verify(tmp_path / "mine").ok, "a board may hold rows from before curves were kept"
    (issue,) = refused((board, tmp_path / "mine"), Kind.CURVE)
    assert "5 calls without a curve" in str(issue)
    write_rows(tmp_path / "mine" / RESULTS, whole)
    assert submit(tmp_path / "mine", board)[1] == []
    assert Board.read(board).curve(whole[0]).improvements[-1].step_time_ns == whole[0].step_time_ns


def test_another_default_than_the_leaderboard_s(tmp_path, monkeypatch):
    """On a problem that the board knows, its default counts; on a new one, that of METIS here."""
    graph = datasets.load("gnmt-8")
    problem = Problem(graph, load_cluster("p100x2"))
    run(Jobs(("human-expert",), (problem,)), tmp_path / "board")
    run(Jobs(("contiguous",), (problem,)), tmp_path / "mine")
    ((known,), (mine,)) = (read_rows(tmp_path / name / RESULTS) for name in ("board", "mine"))
    assert known.default_decision == mine.default_decision != ""
    there = Board(tmp_path / "mine")
    slow = Decision(np.arange(graph.num_ops) % 2)
    worse = facts(problem, "fifo", np.asarray(slow.placement))
    result = simulate(problem, there.decision(mine))
    forged = replace(
        mine, default_decision=there.put_decision(problem, slow), **measures(result, worse)
    )
    assert forged.speedup_over_default > 3 * mine.speedup_over_default
    write_rows(tmp_path / "mine" / RESULTS, [forged])
    assert verify(tmp_path / "mine").ok, "alone, it is one default for all its rows"
    (issue,) = refused((tmp_path / "board", tmp_path / "mine"), Kind.FIGURE)
    assert "default_decision" in str(issue)
    write_rows(tmp_path / "board" / RESULTS, [])
    refused((tmp_path / "board", tmp_path / "mine"), Kind.FIGURE)
    write_rows(tmp_path / "mine" / RESULTS, [mine])
    assert submit(tmp_path / "mine", tmp_path / "board")[1] == []
