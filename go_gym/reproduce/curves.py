"""Best and mean step time over simulator calls, of several agents and seeds: CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from go_gym.files import atomic_write
from go_gym.leaderboard.schema import Row
from go_gym.runs.curves import HEADINGS, RunCurve, curve_path, read_curve

COLUMNS = ("graph", "cluster", "agent", "seed", *HEADINGS)


@dataclass(frozen=True)
class Curve:
    """One job's curve."""

    graph: str
    cluster: str
    agent: str
    seed: int
    run: RunCurve

    def best_at(self, calls: np.ndarray) -> np.ndarray:
        """(k,) float64 ns: the best after each number of ``calls`` (k,), NaN before a valid one."""
        when = [point.calls for point in self.run.improvements]
        what = np.array([np.nan, *(float(p.step_time_ns) for p in self.run.improvements)])
        return what[np.searchsorted(when, calls, side="right")]

    def mean_at(self, calls: np.ndarray) -> np.ndarray:
        """(k,) float64 ns: the mean of the window that each of ``calls`` (k,) lies in; NaN after
        the last window, and everywhere if the run kept no means."""
        ends = [window.calls for window in self.run.windows]
        what = np.array([*(float(w.mean_step_time_ns) for w in self.run.windows), np.nan])
        return what[np.searchsorted(ends, calls, side="left")]

    def calls_until(self, step_time_ns: float) -> int | None:
        """The first number of calls with a best at or below ``step_time_ns``; None if never."""
        points = self.run.improvements
        return next((p.calls for p in points if p.step_time_ns <= step_time_ns), None)


def curves_of(rows: Sequence[Row], folder: Path) -> list[Curve]:
    """The curves behind rows, each job's once, those without a simulator call left out."""
    jobs = sorted({(row.task, row.graph, row.cluster, row.agent, row.seed) for row in rows})
    found = []
    for task, graph, cluster, agent, seed in jobs:
        path = curve_path(folder, task, graph, cluster, agent, seed)
        run = read_curve(path) if path.exists() else RunCurve()
        if run.improvements:
            found.append(Curve(graph, cluster, agent, seed, run))
    return found


def save_curves_csv(path: Path, curves: Sequence[Curve]) -> None:
    """A line for each window of each curve: its last call, the best by then, its mean.

    Curves without windows have a line for each improvement, the mean left empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for curve in curves:
        job = (curve.graph, curve.cluster, curve.agent, curve.seed)
        for window in curve.run.windows:
            best = curve.run.best_after(window.calls)
            writer.writerow((*job, window.calls, best, window.mean_step_time_ns))
        if not curve.run.windows:
            for point in curve.run.improvements:
                writer.writerow((*job, point.calls, point.step_time_ns, ""))
    atomic_write(path, buffer.getvalue())
