"""Running agents into folders: who writes where, and what is refused before any work."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from go_agents.heuristics.simple import RoundRobin
from typer.testing import CliRunner

import go_gym
from go_gym.agent import solve
from go_gym.cli import app
from go_gym.errors import AgentError, GoGymError, LeaderboardError
from go_gym.files import sole_writer
from go_gym.leaderboard.coverage import missing
from go_gym.leaderboard.run import Jobs, check_names, run
from go_gym.leaderboard.schema import RESULTS, read_rows, write_rows
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import verify


def own_problem(costs, name="own"):
    graph = go_gym.ComputationGraph.from_costs(costs, [(0, 9)], [(0, 1)], name=name)
    return go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9, name="pair"))


def test_rows_on_a_graph_and_cluster_of_ones_own_verify(tmp_path):
    run(Jobs(("round-robin",), (own_problem([3, 4]),)), tmp_path)
    report = verify(tmp_path)
    assert report.ok and report.rows == 1
    with pytest.raises(LeaderboardError, match="another of this name"):
        run(Jobs(("round-robin",), (own_problem([3, 5]),)), tmp_path)


def test_two_graphs_of_one_name_are_refused():
    with pytest.raises(GoGymError, match="graph 'own': two of this name"):
        check_names([own_problem([3, 4]), own_problem([3, 5])])
    check_names([own_problem([3, 4]), own_problem([3, 4])])
    with pytest.raises(GoGymError, match="graph 'x y'"):
        check_names([own_problem([3, 4], "x y")])


def test_a_folder_has_one_writer_at_a_time(tmp_path):
    jobs = Jobs(("round-robin",), (own_problem([3, 4]),))
    with sole_writer(tmp_path), pytest.raises(GoGymError, match="another run"):
        run(jobs, tmp_path)
    assert len(run(jobs, tmp_path)[0]) == 1


def test_a_folder_that_cannot_be_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(RoundRobin, "solve", lambda *_: pytest.fail("worked in vain"))
    (tmp_path / "file").write_text("here")
    with pytest.raises(GoGymError, match="file"):
        run(Jobs(("round-robin",), (own_problem([3, 4]),)), tmp_path / "file")


def test_nothing_is_written_that_is_not_read(tmp_path):
    jobs = Jobs(("round-robin",), (own_problem([3, 4]),), seeds=(-1,))
    rows, (failure,) = run(jobs, tmp_path)
    assert not rows and "column seed: '-1'" in failure.error
    assert not (tmp_path / RESULTS).exists()
    rows, _ = run(Jobs(("round-robin",), (own_problem([3, 4]),)), tmp_path)
    with pytest.raises(LeaderboardError, match="column reason"):
        write_rows(tmp_path / RESULTS, [type(rows[0])(**{**vars(rows[0]), "reason": "a\nb"})])
    assert Board(tmp_path).rows == rows


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("version", 1), ("tasks", "placement"), ("reproducible", "sometimes")],
)
def test_agents_that_break_the_protocol_are_named(attribute, value, monkeypatch):
    monkeypatch.setattr(RoundRobin, attribute, value, raising=False)
    with pytest.raises(AgentError, match=f"'round-robin': {attribute}"):
        go_gym.agent.load_agent("round-robin")


def test_ctrl_c_inside_compiled_code_is_ctrl_c(tmp_path, monkeypatch):
    def stopped(*_):
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()

    monkeypatch.setattr(RoundRobin, "solve", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(Jobs(("round-robin",), (own_problem([3, 4]),)), tmp_path)


@pytest.mark.parametrize("calls", [2.5, "5", None, True, -1])
def test_budgets_are_whole_numbers(calls):
    with pytest.raises(GoGymError, match="simulations"):
        go_gym.agent.Budget(own_problem([3, 4]), calls)
    assert go_gym.agent.Budget(own_problem([3, 4]), np.int64(5)).remaining == 5


def test_a_row_whose_decision_is_gone_is_run_again(tmp_path):
    jobs = Jobs(("round-robin",), (own_problem([3, 4]),))
    run(jobs, tmp_path)
    (tmp_path / "decisions.npz").unlink()
    assert not verify(tmp_path).ok
    run(jobs, tmp_path)
    assert verify(tmp_path).ok


def test_an_agent_that_raises_is_named(monkeypatch):
    def broken(*_):
        raise RuntimeError("no idea")

    monkeypatch.setattr(RoundRobin, "solve", broken)
    with pytest.raises(AgentError, match="'round-robin' on own: RuntimeError: no idea"):
        solve(RoundRobin(), own_problem([3, 4]), 0, 5, "round-robin")
    with pytest.raises(AgentError, match="'RoundRobin' on own"):
        solve(RoundRobin(), own_problem([3, 4]), 0, 5)


def test_a_clock_is_said_in_the_row_and_stands_beside_the_job_without_one(tmp_path):
    """In its own process as well; both boards are read back, verify, and are not run again."""
    words = ["run", "-a", "sa", "-g", "rnnlm-2", "-c", "p100x2", "--budget", "30"]
    words += ["--out", str(tmp_path)]
    for more in ([], ["--seconds", "60"], ["--seconds", "2.5", "--isolate"]):
        said = CliRunner().invoke(app, [*words, *more])
        assert said.exit_code == 0, said.output
    rows = {row.budget_seconds: row for row in read_rows(tmp_path / RESULTS)}
    assert set(rows) == {0, 60, 2.5} and "--seconds 2.5" in rows[2.5].command
    assert len({row.key for row in rows.values()}) == 3
    assert rows[0].decision == rows[60].decision and rows[60].budget_used == 30
    assert "sa in 60 s" in said.output and verify(tmp_path).ok
    before = (tmp_path / RESULTS).read_bytes()
    CliRunner().invoke(app, [*words, "--seconds", "60"])
    assert (tmp_path / RESULTS).read_bytes() == before


def test_files_of_before_the_clock_are_read(tmp_path):
    folder = Path(__file__).parents[2] / "leaderboards" / "fig6"
    rows = read_rows(folder / RESULTS)
    with (folder / RESULTS).open() as file:
        table = list(csv.DictReader(file))
    old = [name for name in table[0] if name != "budget_seconds"]
    with (tmp_path / RESULTS).open("w", newline="") as file:
        writer = csv.DictWriter(file, old, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    assert read_rows(tmp_path / RESULTS) == rows and not any(row.budget_seconds for row in rows)


def test_a_row_with_a_clock_is_not_the_one_that_a_board_announces():

    folder = Path(__file__).parents[2] / "leaderboards" / "fig6"
    row = read_rows(folder / RESULTS)[0]
    wanted = {
        "graphs": [row.graph],
        "clusters": [row.cluster],
        "seeds": [row.seed],
        "priorities": [row.priorities],
        "agents": [row.agent_name],
    }
    assert not list(missing([row], {row.task: wanted}))
    assert len(list(missing([replace(row, budget_seconds=1.0)], {row.task: wanted}))) == 1
