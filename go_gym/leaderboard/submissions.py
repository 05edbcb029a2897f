"""Taking a submitted folder into a leaderboard: all of it, or nothing and the reasons."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from go_gym.agent import agent_entry_points
from go_gym.baselines.priorities import FIFO, OWN
from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, content_hash, read_text, sole_writer
from go_gym.leaderboard.entries import decision_entry
from go_gym.leaderboard.facts import facts
from go_gym.leaderboard.schema import RESULTS, Row, check_names
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.tables import README, with_tables
from go_gym.leaderboard.verify import Issue, Kind, verify
from go_gym.problem import Decision

MAX_FILES = 100_000
MAX_TOTAL_BYTES = 2 * 2**30
"""Largest submission (our choice)."""


def submit(
    submission: Path,
    board: Path,
    replace: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[list[Row], list[Issue]]:
    """Verify a submission and, if nothing is wrong, add its rows and decisions to a leaderboard.

    Everything that :func:`verify` checks is checked, with the leaderboard's coverage in place of
    the submission's, and that rows are measured against the leaderboard's defaults and have the
    curves of their calls. No agent is run, and only what its rows name is read.

    Args:
        submission: folder of a board, as ``go-gym run`` writes it.
        board: the leaderboard's folder.
        replace: may rows take the place of those that the leaderboard has?
        progress: called with rows done and rows in all.

    Returns:
        The rows taken and what is wrong; one of the two is empty, and with anything wrong the
        leaderboard is as it was.

    Raises:
        LeaderboardError: if the folders are one, or the leaderboard itself cannot be read.
        FileFormatError: if another process writes into the leaderboard.
    """
    if submission.resolve() == board.resolve():
        raise LeaderboardError(f"{submission}: is the leaderboard itself")
    Board.read(board)  # there is one
    with sole_writer(board):
        return _submit(submission, board, replace, progress)


def _submit(
    submission: Path, board: Path, replace: bool, progress: Callable[[int, int], None]
) -> tuple[list[Row], list[Issue]]:
    into = Board.read(board)
    issues = _hostile(submission)
    if issues:
        return [], issues
    report = verify(submission, progress, announced_in=board)
    if not report.ok:
        return [], list(report.issues)
    source = Board.read(submission)
    rows = source.rows
    try:
        check_names([*into.rows, *rows], str(submission / RESULTS), agent_entry_points())
    except LeaderboardError as error:
        return [], [Issue(Kind.NAME, str(submission / RESULTS), str(error))]
    found = [*_repeated(rows, into, replace), *_other_defaults(source, into)]
    found += [
        (Kind.CURVE, f"{' '.join(row.key)}: {row.budget_used} calls without a curve")
        for row in rows
        if row.budget_used and row.valid and not row.curve
    ]
    issues = [Issue(kind, str(submission / RESULTS), text) for kind, text in found]
    if issues or not rows:
        empty = Issue(Kind.UNREADABLE, str(submission / RESULTS), "holds no row")
        return [], issues or [empty]
    for row in rows:  # the results name them last, so that a stop leaves the board as it was
        into.take(source, row)
        into.replace(row)
    page = board / README
    text = with_tables(read_text(page), into.rows, str(page)) if page.exists() else None
    into.save()
    into.compact()
    if text is not None:
        atomic_write(page, text)
    return rows, []


def _hostile(folder: Path) -> list[Issue]:
    """Links, other than plain files, too many or too large files: before anything is read."""
    files = total = 0
    for where, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(where, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                return [Issue(Kind.PATH, str(path), "a link or device, expected plain files")]
        files += len(names)
        total += sum(Path(where, name).stat().st_size for name in names)
        if files > MAX_FILES or total > MAX_TOTAL_BYTES:
            limit = f"more than {MAX_FILES:,} files or {MAX_TOTAL_BYTES:,} bytes"
            return [Issue(Kind.PATH, str(folder), limit)]
    for own in ("graphs", "clusters"):
        if (folder / own).exists():
            message = "a leaderboard takes the catalogue's graphs and clusters only"
            return [Issue(Kind.UNKNOWN_PROBLEM, str(folder / own), message)]
    return []


def _repeated(rows: Sequence[Row], into: Board, replace: bool) -> Iterator[tuple[Kind, str]]:
    for row in rows:
        old = into.row(row.key)
        if old is not None and old != row and not replace:
            yield Kind.REPEATED, f"{' '.join(row.key)}: replace it knowingly"


def _other_defaults(source: Board, into: Board) -> Iterator[tuple[Kind, str]]:
    """Rows that are measured against another default than the leaderboard's, or, on a problem that
    is new there, than the one that the partitioner gives here."""
    known = {_problem(row): row.default_decision for row in into.rows}
    for row in source.rows:
        if row.default_decision and _problem(row) not in known:
            problem = source.problem(row)
            partition = facts(problem, row.priorities).partition
            if partition is not None:
                entry = decision_entry(problem, Decision(partition))
                known[_problem(row)] = content_hash(entry)
        true = known.get(_problem(row), "")
        if row.default_decision != true:
            yield (
                Kind.FIGURE,
                f"{' '.join(row.key)}: default_decision is {row.default_decision}, expected {true}",
            )


def _problem(row: Row) -> tuple[str, ...]:
    """What the default is the default of."""
    rule = FIFO if row.priorities == OWN else row.priorities
    return row.task, row.graph, row.cluster, rule
