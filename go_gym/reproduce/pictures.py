"""Pictures of curves: a panel a graph, best step time solid with the seeds' band, mean dashed."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.files import atomic_write, read_bytes
from go_gym.leaderboard.schema import Row
from go_gym.render.words import literal
from go_gym.reproduce.curves import JobCurve

Summary = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From values (seeds, k), the line over seeds and its band's lower and upper end, each (k,)."""
KEYWORD = "Source"
"""PNG's word for what a picture was made from."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
POINTS = 200
"""Numbers of calls at which seeds are averaged."""
ACROSS = 3
"""Panels beside each other."""
HIGHEST = 2.0
"""Where a panel ends, in best step times: what lies above hides how the others differ."""


def save_curves_png(
    path: Path,
    title: str,
    curves: Sequence[JobCurve],
    rows: Sequence[Row],
    summary: Summary | None = None,
) -> None:
    """Draw the curves of the agents in ``rows``; agents without simulator calls are levels.

    Args:
        path: of the PNG.
        title: of the picture.
        curves: of these agents, and of others, which are not drawn.
        rows: those to which the curves lead; none, no picture.
        summary: the line over seeds and its band; default their median and range.
    """
    from matplotlib.figure import Figure

    graphs = list(dict.fromkeys((row.graph, row.cluster) for row in rows))
    agents = list(dict.fromkeys(row.agent_name for row in rows))
    if not graphs:
        return
    over = summary or median_range
    across = min(ACROSS, len(graphs))
    down = -(-len(graphs) // across)
    colours = strong_first()
    figure = Figure(figsize=(5.2 * across, 3.4 * down + 0.8), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    for panel, (graph, cluster) in zip(panels, graphs, strict=False):
        here = [row for row in rows if (row.graph, row.cluster) == (graph, cluster)]
        last = max([2, *(row.budget_used for row in here)])
        calls = np.unique(np.geomspace(1, last, POINTS).astype(int))
        for number, agent in enumerate(agents):
            look: dict[str, Any] = {
                "color": colours[number % len(colours)],
                "label": literal(agent),
            }
            mine = [c for c in curves if (c.graph, c.cluster, c.agent) == (graph, cluster, agent)]
            if mine:
                _draw(panel, calls, [each.curve.best_at(calls) for each in mine], look, True, over)
                means = [each.curve.mean_at(calls) for each in mine]
                look |= {"ls": "--", "lw": 0.9, "label": None}
                _draw(panel, calls, means, look, False, over)
            else:
                final = [row.step_time_ns for row in here if row.agent_name == agent and row.valid]
                if final:
                    panel.axhline(min(final) / 1e6, lw=0.9, alpha=0.8, ls=":", **look)
        panel.set(xscale="log", title=literal(f"{graph} on {cluster}"), xlabel="simulator calls")
        panel.set_ylabel("step time (ms)")
        valid = [row.step_time_ns / 1e6 for row in here if row.valid]
        if valid:
            low, high = min(valid), max(valid)
            panel.set_ylim(low * 0.95, min(max(high * 1.3, low * 1.1), low * HIGHEST))
    for panel in list(figure.axes)[len(graphs) :]:
        panel.set_axis_off()
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=min(6, len(agents))
    )
    figure.suptitle(f"{title}\nsolid: best so far; dashed: mean of each hundredth of the calls")
    save(figure, path, [title, shown_of(rows)])


def strong_first() -> tuple[tuple[float, float, float], ...]:
    """Twenty colours of agents, the strong ones first."""
    from matplotlib import colormaps

    pairs = colormaps["tab20"].colors  # type: ignore[attr-defined]
    return (*pairs[::2], *pairs[1::2])


def shown_of(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """What a picture of ``rows`` follows from, for :func:`save`."""
    return [(*row.key, row.step_time_ns, row.valid, row.budget_used, row.curve) for row in rows]


def save(figure, path: Path, shown: object) -> None:
    """A matplotlib figure as PNG, whole or not at all; the hash of what it shows, JSON, is in it.

    Pixels depend on matplotlib's version and the machine's fonts, the hash does not: it says
    whether a picture is that of the rows at hand.
    """
    digest = hashlib.sha256(json.dumps(shown).encode()).hexdigest()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={KEYWORD: digest})
    atomic_write(path, buffer.getvalue())


def shown_in(path: Path) -> str:
    """The hash of what a picture shows, as :func:`save` wrote it, empty without."""
    data = read_bytes(path)
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        name, _, text = body.partition(b"\0")
        if kind == b"tEXt" and name == KEYWORD.encode():
            return text.decode("ascii")
        place += length + 12  # the body between length, kind and checksum
    return ""


def median_range(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, minimum and maximum over the rows of ``table`` (seeds, k), each (k,)."""
    return np.median(table, axis=0), table.min(axis=0), table.max(axis=0)


def _draw(
    panel,
    calls: np.ndarray,
    values: Sequence[np.ndarray],
    look: dict,
    band: bool,
    summary: Summary,
) -> None:
    """The line over seeds, and with ``band`` its band, where every seed has a value."""
    table = np.stack(values) / 1e6
    seen = ~np.isnan(table).any(axis=0)
    if not seen.any():
        return
    calls, table = calls[seen], table[:, seen]
    line, low, high = summary(table)
    panel.plot(calls, line, drawstyle="steps-post", **look)
    if band and len(values) > 1:
        panel.fill_between(calls, low, high, color=look["color"], alpha=0.12, step="post", lw=0)
