"""Best step time over simulator calls, of several agents and seeds: CSV and PNG."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.agent import Improvement
from go_gym.files import atomic_write
from go_gym.leaderboard.schema import Row
from go_gym.runs.curves import curve_path, read_curve

COLUMNS = ("graph", "cluster", "agent", "seed", "calls", "step_time_ns")
POINTS = 200
"""Numbers of calls at which seeds are averaged for the picture."""


@dataclass(frozen=True)
class Curve:
    """One job's best-so-far curve."""

    graph: str
    cluster: str
    agent: str
    seed: int
    points: tuple[Improvement, ...]

    def at(self, calls: np.ndarray) -> np.ndarray:
        """(k,) float64 ns: the best after each number of ``calls`` (k,), NaN before a valid one."""
        when = np.array([point.calls for point in self.points])
        what = np.array([np.nan, *(float(point.step_time_ns) for point in self.points)])
        return what[np.searchsorted(when, calls, side="right")]

    def calls_until(self, step_time_ns: float) -> int | None:
        """The first number of calls with a best at or below ``step_time_ns``; None if never."""
        return next((p.calls for p in self.points if p.step_time_ns <= step_time_ns), None)


def curves_of(rows: Sequence[Row], folder: Path) -> list[Curve]:
    """The curves behind rows, each job's once, those without a simulator call left out."""
    jobs = sorted({(row.task, row.graph, row.cluster, row.agent, row.seed) for row in rows})
    found = []
    for task, graph, cluster, agent, seed in jobs:
        path = curve_path(folder, task, graph, cluster, agent, seed)
        points = tuple(read_curve(path)) if path.exists() else ()
        if points:
            found.append(Curve(graph, cluster, agent, seed, points))
    return found


def save_curves_csv(path: Path, curves: Sequence[Curve]) -> None:
    """Every point of every curve, a line each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for curve in curves:
        for point in curve.points:
            job = (curve.graph, curve.cluster, curve.agent, curve.seed)
            writer.writerow((*job, point.calls, point.step_time_ns))
    atomic_write(path, buffer.getvalue())


def save_curves_png(path: Path, title: str, curves: Sequence[Curve], rows: Sequence[Row]) -> None:
    """A panel a graph: the median over seeds with the range; agents without calls as levels."""
    from matplotlib.figure import Figure

    graphs = list(dict.fromkeys((row.graph, row.cluster) for row in rows))
    agents = list(dict.fromkeys(row.agent for row in rows))
    across = min(3, len(graphs))
    down = -(-len(graphs) // across)
    figure = Figure(figsize=(5.2 * across, 3.4 * down + 0.8), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    for panel, (graph, cluster) in zip(panels, graphs, strict=False):
        # curves are under first in first out, or the agent's own priorities: so are the levels
        here = [
            row
            for row in rows
            if (row.graph, row.cluster) == (graph, cluster) and row.priorities in ("fifo", "own")
        ]
        last = max([2, *(row.budget_used for row in here)])
        calls = np.unique(np.geomspace(1, last, POINTS).astype(int))
        for number, agent in enumerate(agents):
            look = {"color": f"C{number % 10}", "ls": "-" if number < 10 else "--", "label": agent}
            mine = [c for c in curves if (c.graph, c.cluster, c.agent) == (graph, cluster, agent)]
            if mine:
                _draw(panel, calls, mine, look)
            else:
                final = [row.step_time_ns for row in here if row.agent == agent and row.valid]
                if final:
                    panel.axhline(min(final) / 1e6, lw=0.9, alpha=0.8, **{**look, "ls": ":"})
        panel.set(xscale="log", title=f"{graph} on {cluster}", xlabel="simulator calls")
        panel.set_ylabel("best step time (ms)")
        valid = [row.step_time_ns / 1e6 for row in here if row.valid]
        if valid:
            low, high = min(valid), float(np.quantile(valid, 0.9))
            panel.set_ylim(low * 0.95, max(high * 1.3, low * 1.1))
    for panel in list(figure.axes)[len(graphs) :]:
        panel.set_axis_off()
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=min(6, len(agents))
    )
    figure.suptitle(title)
    save(figure, path)


def save(figure, path: Path) -> None:
    """A matplotlib figure as PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    atomic_write(path, buffer.getvalue())


def _draw(panel, calls: np.ndarray, curves: Sequence[Curve], look: dict) -> None:
    values = np.stack([curve.at(calls) for curve in curves]) / 1e6
    seen = ~np.isnan(values).any(axis=0)
    if not seen.any():
        return
    panel.plot(calls[seen], np.median(values[:, seen], axis=0), drawstyle="steps-post", **look)
    if len(curves) > 1:
        low, high = values[:, seen].min(axis=0), values[:, seen].max(axis=0)
        panel.fill_between(calls[seen], low, high, color=look["color"], alpha=0.15, step="post")
