"""Runs and verification: resume, tampering of every kind, tables."""

import csv
import io
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import go_gym
from go_gym import agent as agents
from go_gym.agent import Curve, Improvement, Window
from go_gym.errors import LeaderboardError
from go_gym.leaderboard import run as running
from go_gym.leaderboard import tables
from go_gym.leaderboard.coverage import write_coverage
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import COLUMNS, RESULTS, read_rows, write_rows
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import Kind, verify

AGENTS = ("human-expert", "metis", "sa")
ROOT = Path(__file__).parent.parent.parent


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
    _, failures = run(Jobs(AGENTS, made, (0, 1), ("fifo", "critical-path"), 100, "x"), folder)
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
    "backend": ("hardware", {Kind.UNREADABLE}),
    "agent": ("nobody", {Kind.MISSING_ROW}),
    "agent_version": ("99", {Kind.CLAIM}),
    "options": ("start=best", {Kind.MISSING_ROW}),
    "track": ("generalising", {Kind.CLAIM}),
    "reproducible": ("same machine", {Kind.CLAIM}),
    "priorities": ("own", {Kind.MISSING_DECISION}),
    "seed": ("7", {Kind.MISSING_ROW}),
    "budget": ("99", {Kind.UNREADABLE}),
    "budget_used": ("99", {Kind.CURVE}),
    "step_time_ns": ("1", {Kind.FIGURE}),
    "expert_ns": ("99999999", {Kind.FIGURE}),
    "default_ns": ("99999999", {Kind.FIGURE}),
    "speedup_over_expert": ("9.0", {Kind.FIGURE}),
    "speedup_over_default": ("9.0", {Kind.FIGURE}),
    "lower_bound_ns": ("1", {Kind.FIGURE}),
    "gap": ("0.5", {Kind.FIGURE}),
    "peak_memory_bytes": ("1", {Kind.FIGURE}),
    "valid": ("False", {Kind.FIGURE}),
    "reason": ("none", {Kind.FIGURE}),
    "decision": ("0" * 64, {Kind.MISSING_DECISION}),
    "curve": ("0" * 64, {Kind.CURVE}),
    "default_decision": ("0" * 64, {Kind.MISSING_DECISION}),
    "simulator_version": ("99", {Kind.VERSION}),
    "provenance": ("0" * 16, {Kind.PROVENANCE}),
    "budget_seconds": ("-1.0", {Kind.UNREADABLE}),
    "wall_seconds": ("-5.0", {Kind.UNREADABLE}),
    "started": ("today", {Kind.UNREADABLE}),
    "command": ("=cmd|calc", {Kind.UNREADABLE}),
    "device": ("cpu\u202e", {Kind.UNREADABLE}),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_tampering_with_any_column_is_found(board, column):
    value, expected = TAMPERED[column]
    edit(board, column, value, line=next(n for n, r in enumerate(rows_of(board)) if r.curve))
    assert kinds(board) & expected, verify(board)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("start=scratch", "the same agent's name is 'sa'"),
        ("start=nowhere", "options 'start=nowhere'"),
    ],
)
def test_options_that_are_not_as_the_agent_writes_them_are_found(board, options, said):
    """A default that is given would let the same agent stand on the board twice."""
    rows = rows_of(board)
    edit(board, "options", options, line=next(n for n, row in enumerate(rows) if row.agent == "sa"))
    claims = [issue.message for issue in verify(board).issues if issue.kind == Kind.CLAIM]
    assert len(claims) == 1 and said in claims[0], claims


@pytest.mark.parametrize("column", ["decision", "curve", "default_decision"])
@pytest.mark.parametrize("value", ["../secret", "x" * 64, "A" * 64, "0" * 63])
def test_a_name_that_is_no_hash_is_refused(board, column, value):
    edit(board, column, value)
    assert kinds(board) == {Kind.UNREADABLE}


def rows_of(board):
    return read_rows(board / RESULTS)


def other_decision(board, change):
    """The first row with another decision, which the board holds."""
    there = Board(board)
    row = there.rows[0]
    key = there.put_decision(there.problem(row), change(there.decision(row)))
    write_rows(board / RESULTS, [replace(row, decision=key), *there.rows[1:]])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: go_gym.Decision(0 * d.placement), Kind.FIGURE),
        (lambda d: go_gym.Decision(d.placement[:-1]), Kind.MISSING_DECISION),
        (lambda d: go_gym.Decision(d.placement + 2), Kind.MISSING_DECISION),
        (lambda d: go_gym.Decision(d.placement, priority=[9] * 5), Kind.MISSING_DECISION),
        (lambda d: go_gym.Decision(d.placement, fusion=[1] * 5), Kind.MISSING_DECISION),
    ],
)
def test_another_decision_is_found(board, change, expected):
    other_decision(board, change)
    assert kinds(board) == {expected}


def test_a_missing_container_is_found(board):
    (board / "decisions.npz").unlink()
    assert kinds(board) == {Kind.MISSING_DECISION}


def test_a_default_of_one_s_own_is_found(board):
    """One device holds the graph: a rule gives the default, a slower one is no reference."""
    there = Board(board)
    row = there.rows[0]
    slow = there.put_decision(there.problem(row), go_gym.Decision([0, 1, 0, 1, 0]))
    write_rows(board / RESULTS, [replace(each, default_decision=slow) for each in there.rows])
    assert kinds(board) == {Kind.MISSING_DECISION}


def with_curve(board, change):
    """All rows with a changed curve, which the board holds."""
    there = Board(board)
    changed = []
    for row in there.rows:
        curve = there.curve(row)
        key = there.put_curve(change(curve)) if row.curve else ""
        changed.append(replace(row, curve=key))
    write_rows(board / RESULTS, changed)


def points(change):
    """A change of a curve's improvements."""
    return lambda curve: replace(curve, improvements=tuple(change(list(curve.improvements))))


def means(change):
    """A change of a curve's windows."""
    return lambda curve: replace(curve, windows=tuple(change(list(curve.windows))))


CHANGED_CURVES = {
    "as it is": (lambda curve: curve, None),
    "a first call 0": (points(lambda p: [replace(p[0], calls=0), *p[1:]]), "do not rise from 1"),
    "a later first call": (points(lambda p: p[1:]), "is no improvement"),
    "calls out of order": (points(lambda p: [p[1], p[0], *p[2:]]), "do not rise"),
    "a step that rises": (
        points(lambda p: [p[0], replace(p[1], step_time_ns=p[0].step_time_ns), *p[2:]]),
        "does not fall",
    ),
    "a better end": (
        points(lambda p: [*p[:-1], replace(p[-1], step_time_ns=p[-1].step_time_ns - 1)]),
        "not the best evaluated",
    ),
    "a call too many": (points(lambda p: [*p, Improvement(101, 1)]), "improvement at call 101"),
    "a step below 0": (
        points(lambda p: [*p[:-1], replace(p[-1], step_time_ns=-5)]),
        "below 0",
    ),
    "another number": (
        points(lambda p: [replace(p[0], step_time_ns=p[0].step_time_ns + 1), *p[1:]]),
        "its window's mean is",
    ),
    "no windows": (means(lambda w: []), "without windows"),
    "a window left out": (means(lambda w: w[1:]), "in a window without"),
    "a window too many": (
        means(lambda w: [*w, replace(w[-1], calls=101)]),
        "window at call 101, but budget_used is 100",
    ),
    "a better mean": (
        means(lambda w: [*w[:-1], replace(w[-1], mean_step_time_ns=1)]),
        "is below the best",
    ),
}


@pytest.mark.parametrize("name", CHANGED_CURVES)
def test_a_changed_curve_is_found(board, name):
    change, expected = CHANGED_CURVES[name]
    with_curve(board, change)
    issues = verify(board).issues
    assert {issue.kind for issue in issues} == ({Kind.CURVE} if expected else set())
    assert not expected or any(expected in issue.message for issue in issues), issues


def test_more_calls_than_allowed_are_found_without_a_curve_too(board):
    rows = rows_of(board)
    idle = next(n for n, row in enumerate(rows) if not row.curve)
    edit(board, "budget_used", "101", line=idle)
    (issue,) = verify(board).issues
    assert "column budget_used: 101, the budget is 100" in issue.message


def test_a_row_under_a_rule_ends_on_what_its_agent_evaluated(tmp_path):
    """First in, first out takes 70 ns on one device, the critical path first 60: the curve of a
    search under the former may not end below 70."""
    graph = go_gym.ComputationGraph.from_costs([10, 10, 50], [(1, 0)], [(0, 2)], name="fork")
    pair = go_gym.Cluster.uniform(2, 1e9, name="pair")
    problem = go_gym.Problem(graph, pair)

    class OneDevice:
        version, reproducible = "1", "exact"

        def solve(self, problem, budget, seed):
            decision = go_gym.Decision([0, 0, 1])
            budget.evaluate(decision)
            return decision

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "load_agent", lambda name: OneDevice())
        run(Jobs(("one",), (problem,), priorities=("critical-path",), budget=1), tmp_path)
    there = Board.read(tmp_path)
    (row,) = there.rows
    curve = there.curve(row)
    assert (row.step_time_ns, curve.improvements[0].step_time_ns) == (60, 70) and verify(
        tmp_path
    ).ok
    for wrong in (65, 60, 50):
        forged = Curve((Improvement(1, wrong),), (Window(1, wrong),))
        write_rows(tmp_path / RESULTS, [replace(row, curve=there.put_curve(forged))])
        assert kinds(tmp_path) == {Kind.CURVE}


def test_a_number_changed_inside_the_container_is_found(board):
    """The store's own check: contents that are not what the name is the hash of."""
    there = Board(board)
    row = next(row for row in there.rows if row.curve)
    for store, key, kind in (
        (there.curves, row.curve, Kind.CURVE),
        (there.decisions, row.decision, Kind.MISSING_DECISION),
    ):
        forged = {name: array.copy() for name, array in store.get(key).items()}
        next(iter(forged.values())).flat[0] += 1
        rename(store, key, forged)
        (issue,) = {(issue.kind, issue.message) for issue in verify(board).issues}
        assert issue[0] == kind and "holds what has the hash" in issue[1]
        shutil.copy(store.path.with_suffix(".old"), store.path)


def rename(store, key, arrays):
    """Write other contents into a container under the name of an entry."""
    from go_gym.files.archive import archive_bytes, pack
    from go_gym.files.content import npy_bytes

    shutil.copy(store.path, store.path.with_suffix(".old"))
    members = [
        packed for other in store.hashes() if other != key for packed in store._packed(other)
    ]
    members += [pack(f"{key}/{name}.npy", npy_bytes(array)) for name, array in arrays.items()]
    store.path.write_bytes(archive_bytes(members))


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
        running, "solve", lambda agent, problem, *_: calls.append(agent) or _first(problem)
    )
    jobs = Jobs(AGENTS, made, (0,), ("fifo",), 10, "x")

    def stop(job):
        if job.agent == "metis":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs, tmp_path, stop)
    assert [row.agent for row in read_rows(tmp_path / RESULTS)] == ["human-expert", "metis"]
    rows, _ = run(jobs, tmp_path)
    assert len(rows) == 3 and [type(agent).__name__ for agent in calls] == CLASSES


CLASSES = ["HumanExpert", "Metis", "SimulatedAnnealing"]


def _first(problem):
    return agents.Outcome(go_gym.Decision([0] * problem.num_ops), 0, agents.Curve(), 0.0)


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
    monkeypatch.setattr(running, "load_agent", lambda n: known.get(n) or agents.load_agent(n))
    _, made = problems()
    rows, failures = run(Jobs(("broken", "searcher"), made, budget=5), tmp_path)
    assert [f.error for f in failures] == ["RuntimeError: no idea"]
    (row,) = rows
    assert (row.agent, row.step_time_ns, row.budget_used) == ("searcher", 270_000, 1)


def test_rows_of_an_earlier_simulator_are_read_and_counted(board):
    """Their figures are not simulated again; their decision must be there, and no submission."""
    rows = rows_of(board)
    line = next(n for n, row in enumerate(rows) if row.curve)
    edit(board, "simulator_version", "1", line)
    edit(board, "step_time_ns", str(rows[line].step_time_ns + 1), line)
    report = verify(board)
    assert {issue.kind for issue in report.issues} <= {Kind.TABLE}
    assert any(note.startswith(f"1 of {len(rows)} rows are of an earlier") for note in report.notes)
    assert Kind.VERSION in {issue.kind for issue in verify(board, announced_in=board).issues}
    edit(board, "decision", "0" * 64, line)
    assert kinds(board) & {Kind.MISSING_DECISION}


def test_duplicate_rows_are_refused(board):
    lines = (board / RESULTS).read_text().splitlines(keepends=True)
    (board / RESULTS).write_text("".join([*lines, lines[1]]))
    with pytest.raises(LeaderboardError, match="second row"):
        read_rows(board / RESULTS)


def test_committed_tables_follow_from_the_rows():
    rows = read_rows(ROOT / "leaderboards" / RESULTS)
    assert not tables.is_stale(ROOT / "leaderboards" / tables.README, rows)
    assert tables.BEGIN in (ROOT / "leaderboards" / tables.README).read_text()
