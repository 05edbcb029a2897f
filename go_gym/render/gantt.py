"""Gantt charts: what every device computes and sends, over the time of one step."""

import io
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from go_gym.files import atomic_write
from go_gym.graph import PHASES
from go_gym.problem import Decision, Problem
from go_gym.render.kernels import shown
from go_gym.render.words import literal
from go_gym.simulator import Result

COLOURS = {
    "forward": "#4477aa",
    "backward": "#ee6677",
    "optimizer": "#ccbb44",
    "transfer": "#228833",
}
"""Paul Tol's bright scheme: distinct to colour-blind readers as well."""
NAMES = (*PHASES, "transfer")
MAX_BARS = 4000
"""Above this many bars a row is drawn as shares of time in bins instead."""
BINS = 1500
FAINTEST = 0.15
"""Colour of a stretch that is busy for however short a time, as a share: nothing vanishes."""
EDGED = 400
"""Up to this many bars in all, each op has an edge, and its name where there is room."""
NAME_WIDTH = 0.0085
"""Room that a letter of an op's name takes, as a share of the chart's width."""


def gantt(problem: Problem, decision: Decision, result: Result) -> Figure:
    """The chart of a result that was simulated with ``trace=True``; kernels where ops are fused.

    A row a device: above what it computes, coloured by phase, below what it sends. Rows of more
    than ``MAX_BARS`` bars show in each of ``BINS`` stretches the mean colour, the lighter the
    longer it idles.
    Raises GoGymError if the result has no trace.
    """
    heading = _heading(problem, decision)
    what = shown(problem, decision, result)
    problem, decision, trace, _ = what
    busy = result.busy_ns / max(result.step_time_ns, 1)
    figure, axes = _frame(problem, [f"\n{share:.0%} busy" for share in busy])
    end = max(result.step_time_ns, 1) / 1e6
    axes.set_xlim(0, end)
    axes.set_xlabel("time (ms)")
    axes.grid(axis="x", alpha=0.3)
    placement = np.asarray(decision.placement)
    timed = trace.op_finish > trace.op_start
    if max(np.bincount(placement[timed], minlength=1)) > MAX_BARS:
        axes.set_xlabel("time (ms); paler where a device is busy for a part of the time")
    edged = int(timed.sum()) + len(trace.transfer_start) <= EDGED
    for device in range(problem.num_devices):
        ops = np.flatnonzero((placement == device) & timed)
        colours = problem.graph.phase[ops]
        spans = trace.op_start[ops] / 1e6, trace.op_finish[ops] / 1e6
        _draw(axes, *spans, colours, device - 0.36, 0.46, end, edged)
        if edged:
            _write_names(axes, [what.name(op) for op in ops.tolist()], colours, *spans, device, end)
        sent = np.flatnonzero(trace.transfer_source == device)
        spans = trace.transfer_start[sent] / 1e6, trace.transfer_finish[sent] / 1e6
        colours = np.full(len(sent), NAMES.index("transfer"))
        _draw(axes, *spans, colours, device + 0.14, 0.2, end, False)
    verdict = "" if result.valid else literal(f" — invalid: {result.reason}")
    title = f"{heading}: {result.step_time_ns / 1e6:,.3f} ms{verdict}"
    axes.set_title("\n".join(textwrap.wrap(title, 130)), loc="left")
    there = [name for code, name in enumerate(PHASES) if (problem.graph.phase[timed] == code).any()]
    labels = {name: name for name in there} | {"transfer": "outgoing transfers"}
    handles = [Patch(color=COLOURS[name], label=label) for name, label in labels.items()]
    figure.legend(handles=handles, loc="outside lower right", ncols=4, frameon=False)
    return figure


def empty_gantt(problem: Problem) -> Figure:
    """The chart before any decision: the devices, and nothing on them; as large as the others."""
    figure, axes = _frame(problem, [""] * problem.num_devices)
    axes.set_xticks([])
    axes.set_title(f"{_heading(problem)}: no decision yet", loc="left")
    return figure


def _heading(problem: Problem, decision: Decision | None = None) -> str:
    fused = ", fused" if decision is not None and decision.fusion is not None else ""
    names = literal(problem.graph.name), literal(problem.cluster.name)
    return f"{names[0]} ({problem.num_ops:,} ops{fused}) on {names[1]}"


def _frame(problem: Problem, notes: list[str]) -> tuple[Figure, Axes]:
    devices = problem.num_devices
    figure = Figure(figsize=(12, 1.6 + 0.62 * devices), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_ylim(devices - 0.45, -0.55)
    names = [literal(device.name) for device in problem.cluster.devices]
    axes.set_yticks(range(devices), [a + b for a, b in zip(names, notes, strict=True)])
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _draw(
    axes: Axes,
    start: np.ndarray,
    finish: np.ndarray,
    colours: np.ndarray,
    bottom: float,
    height: float,
    end: float,
    edged: bool,
) -> None:
    """Bars from ``start`` to ``finish`` ms; ``colours`` index NAMES."""
    if len(start) == 0:
        return
    palette = np.array([to_rgb(COLOURS[name]) for name in NAMES])
    if len(start) <= MAX_BARS:
        low, high = np.full(len(start), bottom), np.full(len(start), bottom + height)
        x = np.stack([start, start, finish, finish], axis=1)
        corners = np.stack([x, np.stack([low, high, high, low], axis=1)], axis=2)
        bars = PolyCollection(list(corners), facecolors=palette[colours])
        bars.set(linewidths=0.6 if edged else 0, edgecolors="white" if edged else "none")
        axes.add_collection(bars, autolim=False)
        return
    codes = np.unique(colours)[:, None]
    shares = np.stack([busy_share(start[mine], finish[mine], end) for mine in colours == codes])
    total = shares.sum(axis=0)
    mixed = (shares / np.maximum(total, 1e-12)).T @ palette[codes[:, 0]]
    opaque = np.where(total > 1e-9, np.clip(total, FAINTEST, 1), 0)  # not rounding errors
    picture = np.column_stack([np.clip(mixed, 0, 1), opaque])
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        picture[None],
        extent=(0, end, bottom + height, bottom),
        aspect="auto",
        interpolation="antialiased",
        zorder=1,
    )
    axes.set(xlim=limits[0], ylim=limits[1])


def _write_names(
    axes: Axes,
    names: list[str],
    colours: np.ndarray,
    start: np.ndarray,
    finish: np.ndarray,
    device: int,
    end: float,
) -> None:
    spans = zip(names, colours.tolist(), start.tolist(), finish.tolist(), strict=True)
    for name, colour, left, right in spans:
        if len(name) * NAME_WIDTH * end < right - left:
            axes.text(
                (left + right) / 2,
                device - 0.13,
                literal(name),
                ha="center",
                va="center",
                size=7,
                color="black" if NAMES[colour] == "optimizer" else "white",
            )


def busy_share(start: np.ndarray, finish: np.ndarray, end: float, bins: int = BINS) -> np.ndarray:
    """(bins,) share of each stretch of [0, end] that the spans cover, overlaps counted once."""
    order = np.argsort(start)
    start, reach = start[order], np.maximum.accumulate(finish[order])
    first = np.concatenate([[True], start[1:] > reach[:-1]])  # begins a covered stretch
    start, finish = start[first], reach[np.append(np.flatnonzero(first)[1:] - 1, len(reach) - 1)]
    edges = np.linspace(0, end, bins + 1)
    done = np.concatenate([[0.0], np.cumsum(finish - start)])
    index = np.searchsorted(start, edges, side="right")
    last = np.maximum(index - 1, 0)
    over = np.where(index > 0, np.maximum(finish[last] - edges, 0.0), 0.0)
    return np.clip(np.diff(done[index] - over) / (end / bins), 0, 1)


def gantt_pixels(problem: Problem, decision: Decision, result: Result) -> np.ndarray:
    """(height, width, 3) uint8 picture of the chart."""
    return _pixels(gantt(problem, decision, result))


def empty_pixels(problem: Problem) -> np.ndarray:
    """(height, width, 3) uint8 picture of :func:`empty_gantt`."""
    return _pixels(empty_gantt(problem))


def _pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]


def save_gantt(path: str | Path, problem: Problem, decision: Decision, result: Result) -> None:
    """Write the chart as PNG, whole or not at all."""
    buffer = io.BytesIO()
    gantt(problem, decision, result).savefig(buffer, format="png")
    atomic_write(path, buffer.getvalue())
