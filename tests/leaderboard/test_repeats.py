"""A board whose seeds were made one: found by their curves, however consistent the rest is."""

import shutil
from dataclasses import replace

import pytest

import go_gym
from go_gym.leaderboard import Board
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import RESULTS, write_rows
from go_gym.leaderboard.verify import Kind, verify


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    ops = [3 + (7 * op) % 11 for op in range(24)]
    edges = [(op, (op * 5 + 3) % 24) for op in range(24) if op < (op * 5 + 3) % 24]
    graph = go_gym.ComputationGraph.from_costs(ops, [(u, 1) for u, _ in edges], [
        (tensor, v) for tensor, (_, v) in enumerate(edges)
    ], name="web")  # fmt: skip
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(3, 1e9, name="three"))
    run(Jobs(("sa", "round-robin"), (problem,), (0, 1, 2), ("fifo",), 100), folder)
    return folder


@pytest.fixture
def board(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "board")


def test_an_honest_board_has_no_such_thing(board):
    report = verify(board)
    assert report.ok and not report.notes


def test_the_best_seed_s_result_in_every_seed_is_found(board):
    """All checks of a row hold: the decision, the figures and the curve are those of a true run."""
    rows = Board.read(board).rows
    best = min((row for row in rows if row.agent == "sa"), key=lambda row: row.step_time_ns)
    faked = [replace(best, seed=row.seed) if row.agent == "sa" else row for row in rows]
    write_rows(board / RESULTS, faked)
    (issue,) = verify(board).issues
    assert issue.kind == Kind.REPEATED_SEED and "seeds 0, 1, 2 have one curve" in issue.message


def test_one_decision_under_several_seeds_is_noted(board):
    rows = Board.read(board).rows
    best = min((row for row in rows if row.agent == "sa"), key=lambda row: row.step_time_ns)
    columns = ("decision", "step_time_ns", "peak_memory_bytes", "gap")
    columns += ("speedup_over_expert", "speedup_over_default")
    result = {column: getattr(best, column) for column in columns}
    write_rows(
        board / RESULTS, [replace(row, **result) if row.agent == "sa" else row for row in rows]
    )
    report = verify(board)
    assert report.ok and report.notes == (
        "placement web three sa fifo: seeds 0, 1, 2 have one decision",
    )
