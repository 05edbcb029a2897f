"""Placement maps: which layer of a graph runs where, over the course of the step."""

import io
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from go_gym.files import atomic_write
from go_gym.fusion.fused import fuse
from go_gym.graph import PHASES
from go_gym.problem import Decision, Problem
from go_gym.render.words import literal

COLUMNS = 240
"""Stretches of the topological order that the map has."""
MAX_ROWS = 40
"""Above this many layers neighbours share a row."""
LONGEST_LABEL = 26

LEGEND_LETTERS = 160
"""Letters of the legend that a line holds."""


def placement_map(problem: Problem, decision: Decision) -> Figure:
    """The map of a decision's placement.

    On the left a row a layer, in order of first appearance, and the ops in topological order from
    left to right: each spot has the colour of the devices that its work is on, mixed where there
    are several, white where the layer has no op. On the right each layer's work by device. Fused
    ops are kernels, in the layer of the op that names each.
    """
    fused = decision.fusion is not None
    heading = f"{literal(problem.graph.name)} ({problem.num_ops:,} ops{', fused' * fused})"
    if fused:
        kernels = fuse(problem, decision)
        problem, decision = kernels.problem, kernels.decision
    graph = problem.graph
    device = np.asarray(decision.placement)
    work = problem.durations[problem.device_class[device], np.arange(problem.num_ops)]
    row, labels = layer_rows(problem)
    used = np.flatnonzero(np.bincount(device, minlength=problem.num_devices))
    colours = device_colours(problem.num_devices)

    figure = Figure(figsize=(12, 2.2 + 0.24 * len(labels)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes, bars = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    columns = min(COLUMNS, problem.num_ops)
    column = np.arange(problem.num_ops) * columns // problem.num_ops
    mixed, total = np.zeros((len(labels), columns, 3)), np.zeros((len(labels), columns))
    weight = work + 1.0  # ops that cost nothing show too
    np.add.at(mixed, (row, column), weight[:, None] * colours[device])
    np.add.at(total, (row, column), weight)
    picture = np.where(total[..., None] > 0, mixed / np.maximum(total, 1e-9)[..., None], 1.0)
    axes.imshow(
        picture,
        extent=(0, problem.num_ops, len(labels) - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_yticks(range(len(labels)), [literal(label) for label in labels], size=8)
    unit = "kernel" if fused else "op"
    axes.set_xlabel(f"{unit}, in topological order; colours mix where devices share a spot")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylabel("layer")
    for boundary in np.arange(len(labels) - 1) + 0.5:
        axes.axhline(boundary, color="#dddddd", linewidth=0.5)
    for code, phase in enumerate(PHASES):
        mine = np.flatnonzero(graph.phase == code)
        if 0 < len(mine) < problem.num_ops and code > 0:
            first = int(np.quantile(mine, 0.01))
            axes.axvline(first, color="#333333", linewidth=0.8, linestyle=":")
            side = "right" if first > 0.85 * problem.num_ops else "left"
            axes.text(first, -0.62, f" {phase} ", size=8, color="#333333", va="bottom", ha=side)
    left = np.zeros(len(labels))
    for number in used.tolist():
        mine = device == number
        share = np.bincount(row[mine], work[mine], len(labels)) / 1e6
        bars.barh(np.arange(len(labels)), share, left=left, color=colours[number], height=0.8)
        left += share
    bars.set_xlim(0, max(float(left.max()), 1e-6) * 1.05)
    bars.set_xlabel("work (ms)")
    bars.grid(axis="x", alpha=0.3)
    bars.set_axisbelow(True)
    for side in ("top", "right"):
        bars.spines[side].set_visible(False)
    figure.suptitle(
        f"{heading} on {literal(problem.cluster.name)}: device of each layer",
        x=0.01,
        ha="left",
        size=11,
    )
    names = [literal(device.name) for device in problem.cluster.devices]
    handles = [Patch(color=colours[i], label=f"{i} {names[i]}") for i in used.tolist()]
    columns = max(1, min(8, LEGEND_LETTERS // (max(map(len, names)) + 8)))
    figure.legend(
        handles=handles, loc="outside lower right", ncols=columns, frameon=False, fontsize=8
    )
    return figure


def layer_rows(problem: Problem) -> tuple[np.ndarray, list[str]]:
    """The row of each op and the rows' labels; ops without a layer come last."""
    graph = problem.graph
    count = len(graph.layers)
    names = [*graph.layers, "(no layer)"]
    layer = np.where(graph.layer < 0, count, graph.layer)
    present = np.unique(layer)
    rows = min(len(present), MAX_ROWS)
    row_of = np.zeros(count + 1, dtype=np.int64)
    row_of[present] = np.arange(len(present)) * rows // len(present)
    labels = []
    for row in range(rows):
        mine = [names[i] for i in present.tolist() if row_of[i] == row]
        text = mine[0] if len(mine) == 1 else f"{mine[0]} … {mine[-1]}"
        half = LONGEST_LABEL // 2
        labels.append(text if len(text) <= LONGEST_LABEL else f"{text[:half]}…{text[-half:]}")
    return row_of[layer], labels


def device_colours(devices: int) -> np.ndarray:
    """(devices, 3): distinct for up to 10 devices, and to 20; beyond, round the colour wheel."""
    if devices <= 10:
        return np.array([to_rgb(f"C{i}") for i in range(devices)])
    if devices <= 20:
        return np.array([colormaps["tab20"](i)[:3] for i in range(devices)])
    return np.array([colormaps["hsv"](i / devices)[:3] for i in range(devices)])


def save_placement_map(path: str | Path, problem: Problem, decision: Decision) -> None:
    """Write the map as PNG, whole or not at all."""
    buffer = io.BytesIO()
    placement_map(problem, decision).savefig(buffer, format="png")
    atomic_write(path, buffer.getvalue())
