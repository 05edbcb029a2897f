"""Curves beside the decisions: best and mean step time over simulator calls."""

import csv
import io
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from go_gym.agent import Budget, Improvement, Window
from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text

HEADINGS = ("calls", "step_time_ns", "mean_step_time_ns")
WITHOUT_MEANS = HEADINGS[:2]
"""Columns of files that hold improvements alone."""


@dataclass(frozen=True)
class RunCurve:
    """How one run went on: each improvement, and the mean in each stretch of the budget."""

    improvements: tuple[Improvement, ...] = ()
    windows: tuple[Window, ...] = ()

    @classmethod
    def of(cls, budget: Budget) -> "RunCurve":
        return cls(tuple(budget.curve), tuple(budget.windows))

    def best_after(self, calls: int) -> int | None:
        """The best step time in ns after so many calls, None before a valid decision."""
        found = bisect_right(self.improvements, calls, key=lambda point: point.calls)
        return self.improvements[found - 1].step_time_ns if found else None


def curve_path(
    folder: Path, task: str, graph: str, cluster: str, agent: str, seed: int | str
) -> Path:
    """Where the curve of one agent, problem and seed lies in a folder of results."""
    return folder / "curves" / task / graph / cluster / f"{agent}-{seed}.csv"


def write_curve(path: Path, curve: RunCurve) -> None:
    """Write a curve as CSV, whole or not at all.

    A line for each improvement and for each window's last call: the best so far, and in the
    window's line the mean of its valid step times.
    """
    means = {window.calls: window.mean_step_time_ns for window in curve.windows}
    calls = sorted({point.calls for point in curve.improvements} | set(means))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows((each, curve.best_after(each), means.get(each, "")) for each in calls)
    atomic_write(path, buffer.getvalue())


def read_curve(path: Path) -> RunCurve:
    """The curve in a file, with means or without; raises LeaderboardError naming the line at
    fault."""
    lines = list(csv.reader(read_text(path).splitlines()))
    if not lines or tuple(lines[0]) not in (HEADINGS, WITHOUT_MEANS):
        raise LeaderboardError(f"{path}, line 1: expected the columns {', '.join(HEADINGS)}")
    improvements: list[Improvement] = []
    windows = []
    for number, cells in enumerate(lines[1:], start=2):
        filled = [cell for cell in cells if cell] if len(cells) == len(HEADINGS) else cells
        whole = all(cell.isascii() and cell.isdigit() for cell in filled)
        if len(cells) != len(lines[0]) or not whole or not all(cells[:2]):
            raise LeaderboardError(f"{path}, line {number}: expected whole numbers")
        calls, best, *mean = map(int, filled)
        if not improvements or best < improvements[-1].step_time_ns:
            improvements.append(Improvement(calls, best))
        windows += [Window(calls, each) for each in mean]
    return RunCurve(tuple(improvements), tuple(windows))
