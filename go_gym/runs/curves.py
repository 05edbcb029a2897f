"""Best-so-far curves beside the decisions: step time over simulator calls."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from go_gym.agent import Improvement
from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text

HEADINGS = ("calls", "step_time_ns")


def curve_path(
    folder: Path, task: str, graph: str, cluster: str, agent: str, seed: int | str
) -> Path:
    """Where the curve of one agent, problem and seed lies in a folder of results."""
    return folder / "curves" / task / graph / cluster / f"{agent}-{seed}.csv"


def write_curve(path: Path, curve: Sequence[Improvement]) -> None:
    """Write a curve as CSV, whole or not at all: a line for each improvement."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows((point.calls, point.step_time_ns) for point in curve)
    atomic_write(path, buffer.getvalue())


def read_curve(path: Path) -> list[Improvement]:
    """The curve in a file; raises LeaderboardError naming the line at fault."""
    lines = list(csv.reader(read_text(path).splitlines()))
    if not lines or tuple(lines[0]) != HEADINGS:
        raise LeaderboardError(f"{path}, line 1: expected the columns {', '.join(HEADINGS)}")
    points = []
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(HEADINGS) or not all(c.isascii() and c.isdigit() for c in cells):
            raise LeaderboardError(f"{path}, line {number}: expected two whole numbers")
        points.append(Improvement(*map(int, cells)))
    return points
