"""Gantt charts: what every device computes and sends, over the time of one step."""

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from go_gym.errors import GoGymError
from go_gym.files import atomic_write
from go_gym.graph.model import PHASES
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

COLOURS = {
    "forward": "#4477aa",
    "backward": "#ee6677",
    "optimizer": "#ccbb44",
    "transfer": "#228833",
}
"""Paul Tol's bright scheme: distinct to colour-blind readers as well."""
MAX_BARS = 4000
"""Above this many bars a row is drawn as shares of time in bins instead."""
BINS = 1500


def gantt(problem: Problem, decision: Decision, result: Result) -> Figure:
    """The chart of a result that was simulated with ``trace=True``."""
    if result.trace is None:
        raise GoGymError("a Gantt chart needs simulate(…, trace=True)")
    devices = problem.cluster.num_devices
    figure = Figure(figsize=(12, 1.6 + 0.62 * devices), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    end = max(result.step_time_ns, 1) / 1e6
    placement = np.asarray(decision.placement)
    phase = problem.graph.phase
    trace = result.trace
    for device in range(devices):
        mine = np.flatnonzero((placement == device) & (trace.op_finish > trace.op_start))
        for code, name in enumerate(PHASES):
            ops = mine[phase[mine] == code]
            spans = trace.op_start[ops] / 1e6, trace.op_finish[ops] / 1e6
            _draw(axes, *spans, device - 0.36, 0.46, COLOURS[name], end)
        sent = trace.transfer_source == device
        spans = trace.transfer_start[sent] / 1e6, trace.transfer_finish[sent] / 1e6
        _draw(axes, *spans, device + 0.14, 0.2, COLOURS["transfer"], end)
    axes.set_xlim(0, end)
    axes.set_ylim(devices - 0.45, -0.55)
    busy = result.busy_ns / max(result.step_time_ns, 1)
    labels = [
        f"{device.name}\n{share:.0%} busy"
        for device, share in zip(problem.cluster.devices, busy, strict=True)
    ]
    axes.set_yticks(range(devices), labels)
    axes.set_xlabel("time (ms)")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    verdict = "" if result.valid else f" — invalid: {result.reason}"
    axes.set_title(
        f"{problem.graph.name} ({problem.num_ops:,} ops) on {problem.cluster.name}: "
        f"{result.step_time_ns / 1e6:,.3f} ms{verdict}",
        loc="left",
    )
    names = ["forward", "backward", "optimizer", "outgoing transfers"]
    handles = [
        Patch(color=colour, label=name)
        for colour, name in zip(COLOURS.values(), names, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower right", ncols=4, frameon=False)
    return figure


def _draw(axes, start, finish, bottom: float, height: float, colour: str, end: float) -> None:
    if len(start) == 0:
        return
    if len(start) <= MAX_BARS:
        top = bottom + height
        corners = [
            [(a, bottom), (a, top), (b, top), (b, bottom)]
            for a, b in zip(start.tolist(), finish.tolist(), strict=True)
        ]
        axes.add_collection(PolyCollection(corners, facecolors=colour, linewidths=0))
        return
    share = busy_share(start, finish, end)
    axes.imshow(
        share[None],
        extent=(0, end, bottom + height, bottom),
        aspect="auto",
        cmap=_fading(colour),
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )


def busy_share(start: np.ndarray, finish: np.ndarray, end: float, bins: int = BINS) -> np.ndarray:
    """(bins,) share of each stretch of [0, end] that the spans cover; spans do not overlap."""
    edges = np.linspace(0, end, bins + 1)
    order = np.argsort(start)
    start, finish = start[order], finish[order]
    done = np.concatenate([[0.0], np.cumsum(finish - start)])
    index = np.searchsorted(start, edges, side="right")
    last = np.maximum(index - 1, 0)
    over = np.where(index > 0, np.maximum(finish[last] - edges, 0.0), 0.0)
    return np.clip(np.diff(done[index] - over) / (end / bins), 0, 1)


def _fading(colour: str) -> ListedColormap:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return ListedColormap([(red, green, blue, step / 255) for step in range(256)])


def gantt_pixels(problem: Problem, decision: Decision, result: Result) -> np.ndarray:
    """(height, width, 3) uint8 picture of the chart."""
    figure = gantt(problem, decision, result)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def save_gantt(path: str | Path, problem: Problem, decision: Decision, result: Result) -> None:
    """Write the chart as PNG, whole or not at all."""
    buffer = io.BytesIO()
    gantt(problem, decision, result).savefig(buffer, format="png")
    atomic_write(path, buffer.getvalue())
