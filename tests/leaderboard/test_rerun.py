"""Running again finds what no look at a row can: forgeries that agree with themselves."""

from dataclasses import replace

import pytest
from go_agents.search.annealing import SimulatedAnnealing
from typer.testing import CliRunner

import go_gym
from go_gym.agent import EXACT, SAME_MACHINE
from go_gym.cli import app
from go_gym.errors import LeaderboardError
from go_gym.leaderboard import Board
from go_gym.leaderboard.rerun import rerun, rerun_some
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import RESULTS, write_rows
from go_gym.leaderboard.verify import verify


@pytest.fixture
def folder(tmp_path):
    graph = go_gym.ComputationGraph.from_costs(
        [5, 7, 9, 4, 6], [(0, 3), (1, 2)], [(0, 3), (1, 4)], name="five"
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, name="pair"))
    rules = ("fifo", "critical-path")
    run(Jobs(("sa", "brkga", "random"), (problem,), (0, 1), rules, budget=30), tmp_path)
    return tmp_path


def forged(folder, change):
    """The board with its first annealing row, and those of the same job, changed."""
    board = Board(folder)
    row = next(row for row in board.rows if row.agent == "sa")
    changed = change(board, row)
    write_rows(folder / RESULTS, [
        replace(each, **changed) if (each.agent, each.seed) == ("sa", row.seed) else each
        for each in board.rows
    ])  # fmt: skip
    again = Board(folder)
    return again, next(row for row in again.rows if row.agent == "sa")


def test_every_row_comes_out_the_same(folder):
    board = Board.read(folder)
    assert [rerun(board, row) for row in board.rows] == [[]] * 12
    assert {row.reproducible for row in board.rows} == {EXACT}


def other_curve(board, row):
    """The last call that found nothing better gave a nanosecond more: every check holds."""
    curve = board.curve(row)
    better = {point.calls for point in curve.improvements}
    last = max(window.calls for window in curve.windows if window.calls not in better)
    windows = tuple(
        replace(each, mean_step_time_ns=each.mean_step_time_ns + (each.calls == last))
        for each in curve.windows
    )
    return {"curve": board.put_curve(replace(curve, windows=windows))}


def other_decision(board, row):
    """Devices swapped: on equal ones, the same figures."""
    decision = board.decision(replace(row, priorities="fifo"))
    swapped = go_gym.Decision(1 - decision.placement)
    return {"decision": board.put_decision(board.problem(row), swapped)}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (other_curve, "curve is"),
        (other_decision, "decision is"),
    ],
)
def test_a_forgery_that_verifies_is_found(folder, change, found):
    board, row = forged(folder, change)
    assert verify(folder).ok
    (text,) = rerun(board, row)
    assert text.startswith(found) and "run again" in text


def test_another_seed_is_another_outcome(folder):
    board = Board.read(folder)
    row = next(row for row in board.rows if row.agent == "sa")
    assert rerun(board, replace(row, seed=77))


def test_an_agent_of_another_version_is_not_compared(folder, monkeypatch):
    board, row = forged(folder, lambda board, row: {"agent_version": "0"})
    with pytest.raises(LeaderboardError, match="version 1, the row's is 0"):
        rerun(board, row)


def test_a_row_that_promises_more_than_its_agent(folder, monkeypatch):
    board = Board.read(folder)
    row = next(row for row in board.rows if row.agent == "sa")
    monkeypatch.setattr(SimulatedAnnealing, "reproducible", SAME_MACHINE)
    with pytest.raises(LeaderboardError, match="the row says exact, agent 'sa' does not"):
        rerun(board, row)
    assert rerun(board, replace(row, reproducible=SAME_MACHINE)) == []


def test_a_curve_that_was_not_kept_is_not_compared(folder):
    board, row = forged(folder, lambda board, row: {"curve": ""})
    assert rerun(board, row) == []


def _sample(board, ran, draw):
    ran.clear()
    list(rerun_some(board, 3, draw))
    return sorted(ran)


def test_a_sample_is_drawn_by_content_and_each_job_runs_once(folder, monkeypatch):
    ran = []
    monkeypatch.setattr(
        "go_gym.leaderboard.rerun.rerun", lambda board, row: ran.append((row.agent, row.seed)) or []
    )
    board = Board.read(folder)
    assert list(rerun_some(board, 3)) == []
    drawn = list(ran)
    assert len(set(drawn)) == 3
    assert _sample(board, ran, "") == sorted(drawn), "the same content, the same sample"
    samples = {tuple(_sample(board, ran, str(draw))) for draw in range(20)}
    assert len(samples) > 5, "another draw, another sample"
    ran.clear()
    list(rerun_some(board, 99))
    assert sorted(ran) == sorted(set(ran)) and len(ran) == 6, "rows under two rules are one job"


def test_the_command_line(folder):
    def invoke(code):
        result = CliRunner().invoke(app, ["verify", str(folder), "--rerun", "--sample", "9"])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    assert "came out the same" in invoke(0)
    forged(folder, other_curve)
    assert "another outcome when run again" in invoke(1)
