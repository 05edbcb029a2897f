"""Taking a submitted folder into a leaderboard: all of it, or nothing and the reasons."""

import os
from collections.abc import Callable
from pathlib import Path

from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_bytes
from go_gym.leaderboard.schema import RESULTS, Row, read_rows, write_rows
from go_gym.leaderboard.tables import README, update
from go_gym.leaderboard.verify import Issue, Kind, verify
from go_gym.problem.decision_file import MAX_BYTES

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
    the submission's. Nothing of it is run, and only the files that its rows name are read.

    Args:
        submission: folder with ``results.csv`` and ``decisions/``, as ``go-gym run`` writes it.
        board: the leaderboard's folder.
        replace: may rows take the place of those that the leaderboard has?
        progress: called with rows done and rows in all.

    Returns:
        The rows taken and what is wrong; one of the two is empty, and with anything wrong the
        leaderboard is as it was.

    Raises:
        LeaderboardError: if the folders are one, or the leaderboard itself cannot be read.
    """
    if submission.resolve() == board.resolve():
        raise LeaderboardError(f"{submission}: is the leaderboard itself")
    old = {row.key: row for row in read_rows(board / RESULTS)}
    issues = _hostile(submission)
    if issues:
        return [], issues
    report = verify(submission, progress, announced_in=board)
    if not report.ok:
        return [], list(report.issues)
    rows = read_rows(submission / RESULTS)
    issues = [issue for row in rows for issue in _unfit(row, old, replace, submission)]
    if issues or not rows:
        empty = Issue(Kind.UNREADABLE, str(submission / RESULTS), "holds no row")
        return [], issues or [empty]
    for row in rows:  # the results name them last, so that a stop leaves the board as it was
        atomic_write(board / row.decision, read_bytes(submission / row.decision, MAX_BYTES))
    write_rows(board / RESULTS, (old | {row.key: row for row in rows}).values())
    if (board / README).exists():
        update(board / README, read_rows(board / RESULTS))
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


def _unfit(
    row: Row, old: dict[tuple[str, ...], Row], replace: bool, submission: Path
) -> list[Issue]:
    where = f"{submission / RESULTS} ({' '.join(row.key)})"
    name = f"{row.agent}-{row.priorities}-{row.seed}.npz"
    expected = f"decisions/{row.task}/{row.graph}/{row.cluster}/{name}"
    if row.decision != expected:
        return [Issue(Kind.PATH, where, f"decision {row.decision}, expected {expected}")]
    if row.key in old and old[row.key] != row and not replace:
        return [Issue(Kind.REPEATED, where, "the leaderboard has this row: replace it knowingly")]
    return []
