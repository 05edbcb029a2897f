"""One panel: quality against simulator calls, the mean over all graphs of an experiment."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from go_gym.leaderboard.schema import Row
from go_gym.render.words import literal
from go_gym.reproduce.curves import JobCurve
from go_gym.reproduce.pictures import POINTS, save, shown_of, strong_first


def save_mean_curves_png(
    path: Path, title: str, curves: Sequence[JobCurve], rows: Sequence[Row], reference: str
) -> None:
    """Draw each agent's best step time over the reference's against its simulator calls.

    The line is the geometric mean over graphs and seeds, the band the seeds' lowest and highest
    geometric mean over graphs; an agent without calls, or with few, is a level from its last call
    on. A line begins where every graph has a valid decision.

    Args:
        path: of the PNG.
        title: of the picture.
        curves: of the agents of ``rows``, and of others, which are not drawn.
        rows: those to which the curves lead, of one rule of priorities; without any of the
            reference, no picture.
        reference: agent whose median step time on each graph is 1.
    """
    from matplotlib.figure import Figure

    base = reference_times(rows, reference)
    agents = [a for a in dict.fromkeys(row.agent_name for row in rows) if a != reference]
    if not base or not agents:
        return
    last = max([2, *(row.budget_used for row in rows)])
    calls = np.unique(np.geomspace(1, last, POINTS).astype(int))
    figure = Figure(figsize=(8.6, 5.2), layout="constrained")
    panel = figure.subplots()
    colours = strong_first()
    for number, agent in enumerate(agents):
        table = mean_curves(agent, curves, rows, base, calls)
        if table is None:
            continue
        colour = colours[number % len(colours)]
        line = np.exp(np.log(table).mean(axis=0))
        ls = ":" if not any(curve.agent == agent for curve in curves) else "-"
        panel.plot(
            calls, line, drawstyle="steps-post", color=colour, ls=ls, lw=1.8, label=literal(agent)
        )
        low, high = table.min(axis=0), table.max(axis=0)
        panel.fill_between(calls, low, high, color=colour, alpha=0.15, step="post", lw=0)
    panel.axhline(1, color="black", lw=0.8, label=literal(reference))
    panel.set_xscale("log")
    panel.set_xlabel("simulator calls")
    panel.set_ylabel(literal(f"step time / {reference}, geometric mean of {len(base)} graphs"))
    panel.set_ylim(top=1.3)
    panel.grid(alpha=0.3)
    panel.set_title(title, loc="left")
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    save(figure, path, [title, reference, shown_of(rows)])


def reference_times(rows: Sequence[Row], reference: str) -> dict[tuple[str, str], float]:
    """The reference's median step time, ns, by graph and cluster; empty unless it has a valid
    one on every graph of ``rows``."""
    graphs = dict.fromkeys((row.graph, row.cluster) for row in rows)
    base = {}
    for graph in graphs:
        mine = [r for r in rows if (r.graph, r.cluster) == graph and r.agent_name == reference]
        if not mine or not all(row.valid for row in mine):
            return {}
        base[graph] = float(np.median([row.step_time_ns for row in mine]))
    return base


def mean_curves(
    agent: str,
    curves: Sequence[JobCurve],
    rows: Sequence[Row],
    base: Mapping[tuple[str, str], float],
    calls: np.ndarray,
) -> np.ndarray | None:
    """(seeds, k) float64: an agent's geometric mean over graphs of best step time over the
    reference's after each of ``calls`` (k,); NaN before every graph has a valid decision; None
    without a seed that has a valid row on every graph."""
    mine = [row for row in rows if row.agent_name == agent and row.valid]
    known = {(c.graph, c.cluster, c.seed): c.curve for c in curves if c.agent == agent}
    found = []
    for seed in sorted({row.seed for row in mine}):
        logs = []
        for row in mine:
            if row.seed != seed:
                continue
            graph = row.graph, row.cluster
            curve = known.get((*graph, seed))
            best = (
                np.full(len(calls), float(row.step_time_ns))
                if curve is None
                else curve.best_at(calls)
            )
            logs.append(np.log(best / base[graph]))
        if len(logs) == len(base):
            found.append(np.exp(np.mean(logs, axis=0)))
    return np.stack(found) if found else None
