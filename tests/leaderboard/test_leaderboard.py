"""Runs and verification: resume, tampering of every kind, tables."""

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import go_gym
from go_gym import agent as agents
from go_gym.errors import LeaderboardError
from go_gym.leaderboard import tables
from go_gym.leaderboard.schema import COLUMNS, RESULTS, read_rows
from go_gym.leaderboard.verify import Kind, verify, write_coverage
from go_gym.problem.decision_file import load_decision, save_decision
from go_gym.runs import runner
from go_gym.runs.runner import Plan, run

AGENTS = ("human-expert", "metis", "random")
ROOT = Path(__file__).parents[2]


def problems():
    graph = go_gym.ComputationGraph.from_costs(
        [50_000, 70_000, 20_000, 90_000, 40_000],
        [(0, 900), (1, 10), (2, 30), (3, 5)],
        [(0, 1), (0, 2), (1, 3), (2, 4), (3, 4)],
        layers=["a", "a", "b", "b", "c"],
        name="little",
    )
    return graph, (go_gym.Problem(graph, go_gym.load_cluster("p100x2")),)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    graph, made = problems()
    (folder / "graphs").mkdir()
    graph.save(folder / "graphs" / "little.npz")
    _, failures = run(Plan(AGENTS, made, (0, 1), ("fifo", "critical-path"), 100, "x"), folder)
    assert not failures
    write_coverage(
        folder,
        graphs=["little"],
        clusters=["p100x2"],
        seeds=[0, 1],
        priorities=["fifo", "critical-path"],
        agents=list(AGENTS),
    )
    return folder


@pytest.fixture
def board(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "board")
    return tmp_path / "board"


def edit(board: Path, column: str, value: str, line: int = 0) -> None:
    rows = list(csv.DictReader(io.StringIO((board / RESULTS).read_text())))
    rows[line][column] = value
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (board / RESULTS).write_text(out.getvalue())


def kinds(board: Path) -> set[Kind]:
    return {issue.kind for issue in verify(board).issues}


def test_what_was_run_verifies(board):
    report = verify(board)
    assert report.ok and report.rows == len(AGENTS) * 2 * 2


TAMPERED = {
    "task": ("fusion", {Kind.UNKNOWN_PROBLEM, Kind.MISSING_ROW}),
    "graph": ("rnnlm-2", {Kind.HASH, Kind.MISSING_DECISION, Kind.MISSING_ROW}),
    "graph_hash": ("0" * 64, {Kind.HASH}),
    "cluster": ("p100x4", {Kind.HASH, Kind.FIGURE, Kind.MISSING_ROW}),
    "cluster_hash": ("0" * 64, {Kind.HASH}),
    "backend": ("hardware", {Kind.UNKNOWN_PROBLEM}),
    "agent": ("nobody", {Kind.MISSING_ROW}),
    "track": ("secret", {Kind.UNREADABLE}),
    "priorities": ("own", {Kind.FIGURE}),
    "seed": ("7", {Kind.MISSING_ROW}),
    "budget_used": ("101", {Kind.FIGURE}),
    "step_time_ns": ("1", {Kind.FIGURE}),
    "expert_ns": ("99999999", {Kind.FIGURE}),
    "default_ns": ("99999999", {Kind.FIGURE}),
    "speedup_over_expert": ("9.0", {Kind.FIGURE}),
    "speedup_over_default": ("9.0", {Kind.FIGURE}),
    "lower_bound_ns": ("1", {Kind.FIGURE}),
    "gap": ("0.0", {Kind.FIGURE}),
    "peak_memory_bytes": ("1", {Kind.FIGURE}),
    "valid": ("False", {Kind.FIGURE}),
    "reason": ("none", {Kind.FIGURE}),
    "decision": ("decisions/none.npz", {Kind.MISSING_DECISION}),
    "decision_hash": ("0" * 64, {Kind.HASH}),
    "simulator_version": ("99", {Kind.VERSION}),
}
UNVERIFIED = {"agent_version", "budget", "wall_seconds", "command"}


@pytest.mark.parametrize("column", sorted(set(COLUMNS) - UNVERIFIED))
def test_tampering_with_any_column_is_found(board, column):
    value, expected = TAMPERED[column]
    edit(board, column, value, line=2)
    assert kinds(board) & expected, verify(board)


@pytest.mark.parametrize("path", ["../secret.npz", "/etc/passwd", "decisions/link", "", "a\\b"])
def test_paths_out_of_the_folder_are_refused(board, path, tmp_path):
    (tmp_path / "secret.npz").write_bytes(b"secret")
    (board / "decisions" / "link").symlink_to(tmp_path / "secret.npz")
    edit(board, "decision", path)
    assert Kind.PATH in kinds(board)


def test_an_altered_decision_is_found(board):
    row = read_rows(board / RESULTS)[0]
    decision, _ = load_decision(board / row.decision)
    moved = go_gym.Decision(placement=1 - decision.placement, priority=decision.priority)
    save_decision(board / row.decision, problems()[1][0], moved)
    assert Kind.HASH in kinds(board)


def test_a_missing_decision_is_found(board):
    (board / read_rows(board / RESULTS)[0].decision).unlink()
    assert kinds(board) == {Kind.MISSING_DECISION}


@pytest.mark.parametrize("line", range(3))
def test_a_missing_row_is_found(board, line):
    lines = (board / RESULTS).read_text().splitlines(keepends=True)
    del lines[line + 1]
    (board / RESULTS).write_text("".join(lines))
    assert kinds(board) == {Kind.MISSING_ROW}


def test_a_stale_table_is_found(board):
    readme = board / tables.README
    readme.write_text(f"# Mine\n{tables.BEGIN}\n{tables.END}\n")
    assert kinds(board) == {Kind.TABLE}
    tables.update(readme, read_rows(board / RESULTS))
    assert verify(board).ok
    readme.write_text(readme.read_text().replace("metis", "mine", 1))
    assert kinds(board) == {Kind.TABLE}


def test_finished_rows_are_not_run_again_and_a_stop_loses_none(tmp_path, monkeypatch):
    _, made = problems()
    calls = []
    monkeypatch.setattr(
        runner, "answer", lambda agent, job, budget: calls.append(job) or _first(job)
    )
    plan = Plan(AGENTS, made, (0,), ("fifo",), 10, "x")

    def stop(job):
        if job.agent == "metis":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, tmp_path, stop)
    assert [row.agent for row in read_rows(tmp_path / RESULTS)] == ["human-expert", "metis"]
    rows, _ = run(plan, tmp_path)
    assert len(rows) == 3 and [job.agent for job in calls] == list(AGENTS)


def _first(job):
    return go_gym.Decision(placement=[0] * job.problem.num_ops), 0.0


@dataclass
class Broken:
    version: str = "1"

    def solve(self, problem, budget, seed):
        raise RuntimeError("no idea")


@dataclass
class Searcher:
    """Tries one device, then hands in something worse."""

    version: str = "1"

    def solve(self, problem, budget, seed):
        budget.evaluate(go_gym.Decision(placement=[1] * problem.num_ops))
        return go_gym.Decision(placement=[0, 1, 0, 1, 0])


def test_failing_agents_do_not_lose_the_others_and_best_counts(tmp_path, monkeypatch):
    known = {"broken": Broken(), "searcher": Searcher()}
    monkeypatch.setattr(runner, "load_agent", lambda n: known.get(n) or agents.load_agent(n))
    _, made = problems()
    rows, failures = run(Plan(("broken", "searcher"), made, budget=5), tmp_path)
    assert [f.error for f in failures] == ["RuntimeError: no idea"]
    (row,) = rows
    assert (row.agent, row.step_time_ns, row.budget_used) == ("searcher", 270_000, 1)


def test_duplicate_rows_are_refused(board):
    lines = (board / RESULTS).read_text().splitlines(keepends=True)
    (board / RESULTS).write_text("".join([*lines, lines[1]]))
    with pytest.raises(LeaderboardError, match="second row"):
        read_rows(board / RESULTS)


def test_committed_leaderboard_verifies():
    report = verify(ROOT / "leaderboards")
    assert report.ok, "\n".join(map(str, report.issues[:20]))
    assert report.rows >= 300


def test_committed_tables_follow_from_the_rows():
    rows = read_rows(ROOT / "leaderboards" / RESULTS)
    assert not tables.is_stale(ROOT / "leaderboards" / tables.README, rows)
    assert tables.BEGIN in (ROOT / "leaderboards" / tables.README).read_text()
