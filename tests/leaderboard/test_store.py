"""Boards: what goes in comes out, alone; what is hostile is named; a stop loses nothing."""

import io
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from go_agents.heuristics.simple import RoundRobin

import go_gym
from go_gym.agent import Curve, Improvement, Window
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue.problems import make_problem
from go_gym.errors import DecisionError, FileFormatError, GoGymError, LeaderboardError
from go_gym.files import atomic_write
from go_gym.files.archive import Archive, archive_bytes, pack, unpack
from go_gym.files.content import npy_bytes
from go_gym.leaderboard import Board, store
from go_gym.leaderboard.entries import decision_entry, entry_decision
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.verify import verify
from tests.files.test_bad_input import flipped

GRAPH = go_gym.ComputationGraph.from_costs(
    [50, 70, 20, 90, 40], [(0, 900), (1, 10), (2, 30)], [(0, 1), (0, 2), (1, 3), (2, 4)], name="own"
)
CLUSTER = go_gym.Cluster.uniform(2, bandwidth=1e9, name="pair")
PROBLEM = go_gym.Problem(GRAPH, CLUSTER)
PLACEMENT = np.array([0, 1, 0, 1, 0])
RULE = critical_path(PROBLEM, PLACEMENT)


def same(one, two):
    return all(
        (mine is None and theirs is None) or np.array_equal(mine, theirs)
        for mine, theirs in (
            (getattr(one, name), getattr(two, name)) for name in ("placement", "priority", "fusion")
        )
    )


@pytest.mark.parametrize(
    ("decided", "row_says", "read", "kept"),
    [
        ((PLACEMENT,), "fifo", (PLACEMENT,), {"placement"}),
        ((PLACEMENT,), "critical-path", (PLACEMENT, RULE), {"placement"}),
        ((PLACEMENT, RULE), "own", (PLACEMENT, RULE), {"placement", "rule"}),
        ((PLACEMENT, RULE + 1), "own", (PLACEMENT, RULE + 1), {"placement", "priority"}),
        ((PLACEMENT, [-5] * 5), "own", (PLACEMENT, [-5] * 5), {"placement", "priority"}),
        ((PLACEMENT, None, [9] * 5), "fifo", (PLACEMENT, None, [9] * 5), {"placement", "fusion"}),
    ],
)
def test_priorities_of_a_rule_are_not_kept_and_come_back(decided, row_says, read, kept):
    problem = make_problem(GRAPH, CLUSTER, "joint" if len(decided) == 3 else "placement")
    entry = decision_entry(problem, go_gym.Decision(*decided))
    assert set(entry) == kept
    if "rule" in kept:
        assert bytes(entry["rule"].astype(np.uint8)) == b"critical-path"
    assert same(entry_decision(entry, problem, row_says), go_gym.Decision(*read))


def text(word):
    return np.frombuffer(word.encode(), dtype=np.uint8).astype(np.int64)


@pytest.mark.parametrize(
    ("entry", "row_says", "match"),
    [
        ({}, "fifo", "is no decision"),
        ({"priority": RULE}, "own", "is no decision"),
        ({"placement": PLACEMENT, "secret": RULE}, "fifo", "is no decision"),
        ({"placement": PLACEMENT[:4]}, "fifo", "4 entries for 5 ops"),
        ({"placement": PLACEMENT + 1}, "critical-path", "expected 0 to 1"),
        ({"placement": PLACEMENT - 1}, "critical-path", "expected 0 to 1"),
        ({"placement": PLACEMENT.reshape(5, 1)}, "fifo", "shape"),
        ({"placement": PLACEMENT, "fusion": PLACEMENT}, "fifo", "decides none"),
        ({"placement": PLACEMENT, "priority": RULE}, "fifo", "priorities of its own"),
        ({"placement": PLACEMENT, "rule": text("critical-path")}, "fifo", "priorities of its own"),
        ({"placement": PLACEMENT}, "own", "priorities by rule"),
        ({"placement": PLACEMENT}, "best", "expected one of fifo"),
        ({"placement": PLACEMENT, "rule": text("fifo")}, "own", "expected the letters"),
        ({"placement": PLACEMENT, "rule": text("\xff")}, "own", "expected the letters"),
        ({"placement": PLACEMENT, "rule": text("critical-path") + 256}, "own", "letters"),
        ({"placement": PLACEMENT, "rule": text("")}, "own", "letters"),
        ({"placement": PLACEMENT, "rule": np.array(7)}, "own", "letters"),
        (
            {"placement": PLACEMENT, "rule": text("critical-path"), "priority": RULE},
            "own",
            "and no priorities",
        ),
    ],
)
def test_entries_that_are_no_decision_of_the_row(entry, row_says, match):
    with pytest.raises(DecisionError, match=match):
        entry_decision(entry, PROBLEM, row_says)


@pytest.fixture
def board(tmp_path):
    run(Jobs(("sa", "random"), (PROBLEM,), (0, 1), ("fifo", "critical-path"), 50), tmp_path)
    return tmp_path


def test_a_row_is_read_with_its_problem_decision_and_curve(board):
    there = Board.read(board)
    row = next(row for row in there.rows if row.agent == "sa" and row.priorities != "fifo")
    problem = there.problem(row)
    assert problem.graph.content_hash == GRAPH.content_hash and problem is there.problem(row)
    decision = there.decision(row)
    assert np.array_equal(decision.priority, critical_path(problem, decision.placement))
    assert go_gym.simulate(problem, decision).step_time_ns == row.step_time_ns
    assert there.curve(row).improvements[0].calls == 1
    assert {path.name for path in board.iterdir()} == {
        "results.csv",
        "provenance.toml",
        "decisions.npz",
        "curves.npz",
        "graphs",
        "clusters",
    }


def test_one_decision_is_read_alone(board, monkeypatch):
    there = Board.read(board)
    row = there.rows[0]
    read = []
    packed = there.decisions._archive.packed
    monkeypatch.setattr(
        there.decisions._archive, "packed", lambda name, limit: read.append(name) or packed(name)
    )
    there.decision(row)
    assert read == [f"{row.decision}/placement.npy"]


def test_a_curve_of_more_points_than_calls_is_not_unpacked(board, monkeypatch):
    there = Board(board)
    row = next(row for row in there.rows if row.curve)
    windows = (Window(50, 1),)
    points = tuple(Improvement(calls, 2**40 - calls) for calls in range(1, 5000))
    forged = replace(row, curve=there.put_curve(Curve(points, windows)))
    with pytest.raises(FileFormatError, match=r"unpacks to .* expected up to 1,728"):
        there.curve(forged)


def test_a_decision_about_more_ops_is_not_unpacked(board):
    there = Board(board)
    key = there.decisions.put({"placement": np.zeros(10**6, dtype=np.int64)})
    with pytest.raises(FileFormatError, match=r"unpacks to 1,000,128 bytes, expected up to 168"):
        there.decision(replace(there.rows[0], decision=key))
    with pytest.raises(FileFormatError, match="expected up to 168"):
        there.default_placement(replace(there.rows[0], default_decision=key))


def test_a_folder_without_results_is_no_board_to_read(tmp_path):
    with pytest.raises(LeaderboardError, match="holds no results"):
        Board.read(tmp_path)
    assert Board(tmp_path).rows == []


@pytest.mark.parametrize(
    ("name", "match"),
    [("results.csv", "line 1"), ("decisions.npz", "no end"), ("curves.npz", "no end")],
)
def test_files_that_are_none_are_named(board, name, match):
    (board / name).write_bytes(b"nonsense " * 9)
    with pytest.raises(GoGymError, match=match) as caught:
        Board.read(board)
    assert str(board / name) in str(caught.value)


def read_all(folder):
    """All that the rows name, or the error."""
    there = Board.read(folder)
    return [
        (decision.placement.tolist(), there.curve(row))
        for row in there.rows
        for decision in [there.decision(row)]
    ]


@pytest.mark.parametrize("kind", ["decisions", "curves"])
def test_corrupted_containers_are_refused_or_hold_the_same(board, kind):
    """Bytes flipped, cut, doubled and zeroed; arrays with other values, types, shapes and names in
    containers of the right form."""
    path, before, rng = board / f"{kind}.npz", read_all(board), np.random.default_rng(7)
    data = path.read_bytes()
    archive = Archive(path)
    members = {name: unpack(archive.packed(name), path) for name in archive.members}
    refused = 0
    for number in range(300):
        if number % 2:
            bad = flipped(data, rng)
        else:
            name = str(rng.choice(sorted(members)))
            changed = altered_member(name, members[name], rng)
            rest = [pack(each, raw) for each, raw in members.items() if each != name]
            bad = archive_bytes([*rest, *(pack(*pair) for pair in changed)])
        path.write_bytes(bad)
        try:
            assert read_all(board) == before, number
        except GoGymError as error:
            assert "\n" not in str(error) and "npz" in str(error)
            refused += 1
    assert refused > 290


def altered_member(name, raw, rng):
    """What stands in the place of one array: (name, bytes), or nothing."""
    array = np.load(io.BytesIO(raw))
    kind = rng.integers(7)
    if kind == 0:
        return []
    if kind == 1:
        return [(name.replace("/", "/x"), raw)]
    if kind == 2:
        return [(name, flipped(raw, rng))]
    if kind == 3:
        wide = array.astype(np.int64)
        wide.flat[rng.integers(array.size)] = rng.choice([-1, 2**31, 2**62, -(2**63)])
        return [(name, npy_bytes(wide))]
    buffer = io.BytesIO()
    shaped = {
        4: lambda: array.astype(rng.choice(["f4", "c8", "?", "S3", "datetime64[s]"])),
        5: lambda: array[None],
        6: lambda: array[..., :-1],
    }[int(kind)]()
    np.save(buffer, shaped, allow_pickle=False)
    return [(name, buffer.getvalue())]


KILLED = """
    import os
    from pathlib import Path
    from go_agents.heuristics.simple import RoundRobin
    from go_gym.leaderboard.run import Jobs, run
    from tests.leaderboard.test_store import PROBLEM

    def killed(self, problem, budget, seed):
        os._exit(9)

    RoundRobin.solve = killed
    run(Jobs(("random", "sa", "round-robin"), (PROBLEM,), (0, 1), budget=20), Path({folder!r}))
"""


def test_a_killed_run_has_lost_nothing_and_goes_on(tmp_path):
    """The process ends in its fifth job, without a chance to tidy up."""
    script = textwrap.dedent(KILLED).format(folder=str(tmp_path))
    assert subprocess.run([sys.executable, "-c", script]).returncode == 9
    rows = read_rows(tmp_path / RESULTS)
    assert [(row.agent, row.seed) for row in rows] == [
        ("random", 0), ("random", 1), ("sa", 0), ("sa", 1),
    ]  # fmt: skip
    assert list((tmp_path / "journal").rglob("*.npz")) and not list(tmp_path.glob("*.npz"))
    assert verify(tmp_path).ok and verify(tmp_path).rows == 4
    jobs = Jobs(("random", "sa", "round-robin"), (PROBLEM,), (0, 1), budget=20)
    again, _ = run(jobs, tmp_path)
    assert again[:4] == rows and len(again) == 6, "seconds too: nothing was run again"
    assert not (tmp_path / "journal").exists() and verify(tmp_path).ok


@pytest.mark.parametrize("stop", range(6))
def test_rows_never_name_what_is_not_there(board, tmp_path, monkeypatch, stop):
    """A stop at any of the writes of a run that replaces rows: what is there verifies."""
    monkeypatch.setattr(RoundRobin, "version", "0")
    wrote = []

    def stopped(path, data):
        if len(wrote) == stop:
            raise KeyboardInterrupt
        wrote.append(path)
        atomic_write(path, data)

    for module in ("files.content", "leaderboard.schema", "leaderboard.provenance"):
        monkeypatch.setattr(f"go_gym.{module}.atomic_write", stopped)
    jobs = Jobs(("round-robin", "random"), (PROBLEM,), (0, 5), ("fifo",), 50)
    with pytest.raises(KeyboardInterrupt):
        run(jobs, board)
    monkeypatch.undo()
    assert verify(board).ok
    rows, _ = run(jobs, board)
    assert verify(board).ok and len(rows) == 8 + 3


def test_taken_rows_are_there_before_the_rows_name_them(board, tmp_path, monkeypatch):
    into, source = Board(tmp_path / "into"), Board.read(board)
    for row in source.rows:
        into.take(source, row)
        into.put(row)

    def stop(*_):
        assert Board(tmp_path / "into").decisions.hashes() == source.decisions.hashes()
        assert Board(tmp_path / "into").curves.hashes() == source.curves.hashes()
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "write_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        into.save()
