"""Submissions drawn from a grammar: each is taken and the board verifies, or nothing changes."""

import contextlib
import csv
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from go_gym.catalogue.problems import resolve_problems
from go_gym.errors import GoGymError
from go_gym.leaderboard.coverage import write_coverage
from go_gym.leaderboard.run import Jobs, run
from go_gym.leaderboard.schema import COLUMNS, RESULTS
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.submissions import submit
from go_gym.leaderboard.tables import BEGIN, END, README, update
from go_gym.leaderboard.verify import verify

TEXTS = (
    "", ".", "..", "./human-expert", "../p100x2/human-expert", "metis", "METIS", "rnet1s", "go ",
    " go", "=cmd|calc!A0", "<img src=x onerror=alert(1)>", END, BEGIN, "x | 9.999 | 1 | yes |",
    "go\u200b", "g\u043e", "\u202e", "a\nb", 'a"b', "a,b", "x" * 3000, "\x9b31m", "\ud800",
    "mine", "1", "99", "hardware", "joint", "own", "critical-path", "generalising", "exact", "True",
    "rnnlm-2",
)  # fmt: skip
NUMBERS = (
    "0", "1", "-1", "-0", "1e999", "nan", "inf", "9" * 19, "9" * 30, "0x10", "1_000", "\u0663",
    "1.5",
)  # fmt: skip
FILES = (
    RESULTS, "decisions.npz", "curves.npz", "provenance.toml", "coverage.toml", README, "x/y.npz",
)  # fmt: skip
BYTES = (b"", b"lies\n", b"\xff\xfe")
COLUMN, FILE = st.sampled_from(COLUMNS), st.sampled_from(FILES)
SAME_PLACE = st.integers(0, 3)

edits = st.one_of(
    st.tuples(st.just("cell"), SAME_PLACE, COLUMN, st.sampled_from(TEXTS + NUMBERS)),
    st.tuples(st.just("number"), SAME_PLACE, COLUMN, st.integers(-2, 2)),
    st.tuples(st.just("all"), COLUMN, st.sampled_from(TEXTS)),
    st.tuples(st.just("drop"), SAME_PLACE),
    st.tuples(st.just("double"), SAME_PLACE),
    st.tuples(st.just("swap"), COLUMN, SAME_PLACE, SAME_PLACE),
    st.tuples(st.just("column"), COLUMN),
    st.tuples(st.just("bytes"), FILE, st.integers(0, 5000), st.binary(max_size=9)),
    st.tuples(st.just("cut"), FILE, st.integers(0, 5000)),
    st.tuples(st.just("remove"), FILE),
    st.tuples(st.just("write"), FILE, st.sampled_from(BYTES)),
    st.tuples(st.just("link"), FILE),
)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A board that verifies, with a README, and an honest submission to it."""
    top = tmp_path_factory.mktemp("hostile")
    problems = tuple(resolve_problems(["rnnlm-2"], "p100x2"))
    run(Jobs(("human-expert", "metis"), problems), top / "board")
    write_coverage(
        top / "board", graphs=["rnnlm-2"], clusters=["p100x2"], seeds=[0], priorities=["fifo"],
        agents=["human-expert", "metis"],
    )  # fmt: skip
    (top / "board" / README).write_text(f"# Board\n{BEGIN}\n{END}\n")
    update(top / "board" / README, Board.read(top / "board").rows)
    run(Jobs(("sa", "round-robin"), problems, budget=12), top / "submission")
    assert verify(top / "board").ok and verify(top / "submission").ok
    return top


def changed(folder: Path, edit) -> None:
    """Make one change to a submission."""
    kind, *words = edit
    if kind in ("bytes", "cut", "remove", "write", "link"):
        path = folder / words[0]
        data = path.read_bytes() if path.is_file() else b""
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        if kind == "bytes":
            place = words[1] % (len(data) + 1)
            path.write_bytes(data[:place] + words[2] + data[place + len(words[2]) :])
        elif kind == "cut":
            path.write_bytes(data[: words[1] % (len(data) + 1)])
        elif kind == "write":
            path.write_bytes(words[1])
        elif kind == "link":
            path.symlink_to("/etc/passwd")
        return
    table = list(csv.DictReader(io.StringIO((folder / RESULTS).read_text(errors="replace"))))
    columns = list(COLUMNS)
    at = [word % len(table) for word in words if isinstance(word, int)] if table else []
    if kind == "cell" and table:
        table[at[0]][words[1]] = words[2]
    elif kind == "number" and table:
        old = table[at[0]].get(words[1]) or ""
        table[at[0]][words[1]] = str(int(old) + words[2]) if old.isdigit() else old
    elif kind == "all":
        for row in table:
            row[words[0]] = words[1]
    elif kind == "drop" and table:
        del table[at[0]]
    elif kind == "double" and table:
        table.append(dict(table[at[0]]))
    elif kind == "swap" and table:
        one, two = table[at[0]], table[at[1]]
        one[words[0]], two[words[0]] = two.get(words[0]), one.get(words[0])
    elif kind == "column":
        columns.remove(words[0])
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(table)
    (folder / RESULTS).write_bytes(out.getvalue().encode(errors="surrogatepass"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def taken_whole_or_not(places, edits, replace) -> bool:
    """Submit with these edits; whether it was taken. A property that holds for all of them."""
    board, submission = places / "now", places / "sent"
    for source, copy in ((places / "board", board), (places / "submission", submission)):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
    for edit in edits:
        with contextlib.suppress(FileNotFoundError, UnicodeError, csv.Error):
            changed(submission, edit)  # unless an edit before took the file away
    before = contents(board)
    try:
        rows, issues = submit(submission, board, replace)
    except GoGymError as error:
        rows, issues = [], [error]
    assert bool(rows) != bool(issues), "taken, or a reason"
    for issue in issues:
        assert str(issue).isprintable() and len(str(issue)) < 4000
    if rows:
        report = verify(board)
        assert report.ok, report
    else:
        assert contents(board) == before
    return bool(rows)


def test_an_honest_submission_is_taken(places):
    assert taken_whole_or_not(places, [], False)


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=60, **COMMON)
@given(edits=st.lists(edits, min_size=1, max_size=3), replace=st.booleans())
def test_a_hostile_submission_changes_nothing_or_leaves_the_board_verifying(places, edits, replace):
    taken_whole_or_not(places, edits, replace)


@pytest.mark.slow
@settings(max_examples=1200, **COMMON)
@given(edits=st.lists(edits, min_size=1, max_size=4), replace=st.booleans())
def test_many_hostile_submissions(places, edits, replace):
    taken_whole_or_not(places, edits, replace)
