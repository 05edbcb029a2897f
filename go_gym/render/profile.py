"""A picture of a graph by itself: how many ops could run at once, and where the work lies."""

import io
from pathlib import Path

import numpy as np

from go_gym.baselines.bounds import heads_and_tails
from go_gym.files import atomic_write
from go_gym.graph import PHASES
from go_gym.problem import Problem
from go_gym.render.words import literal

BINS = 400
"""Moments at which running ops are counted (our choice)."""
COLOURS = ("#4c78a8", "#f58518", "#54a24b")
"""Forward, backward, optimizer."""


def parallelism(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """How many ops run at each moment if every op starts as early as its inputs allow.

    Communication is free and devices are without number; each op takes what it takes on its
    fastest device.

    Returns:
        (BINS,) float64 ms, the middle of each stretch of time, and (phases, BINS) float64, the
        mean number of ops of each phase that run in it.
    """
    durations = problem.durations.min(axis=0)
    head, _ = heads_and_tails(problem, durations)
    end = max(int((head + durations).max()), 1)
    edges = np.linspace(0, end, BINS + 1)
    running = np.empty((len(PHASES), BINS))
    for phase in range(len(PHASES)):
        chosen = problem.graph.phase == phase
        begun = _time_since(edges, head[chosen])
        ended = _time_since(edges, (head + durations)[chosen])
        running[phase] = np.diff(begun - ended) / np.diff(edges)
    return (edges[:-1] + edges[1:]) / 2e6, running


def _time_since(edges: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(edges,) float64: Σ over ``times`` of how long each lies back, 0 for those to come."""
    order = np.sort(times).astype(np.float64)
    total = np.concatenate([[0.0], np.cumsum(order)])
    count = np.searchsorted(order, edges, side="right")
    return count * edges - total[count]


def save_profile(path: str | Path, problem: Problem) -> None:
    """Write the picture as PNG: parallelism over time, and work by layer and phase."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    graph = problem.graph
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    times, running = parallelism(problem)
    left.stackplot(times, running, labels=PHASES, colors=COLOURS, linewidth=0)
    left.set(xlabel="time (ms)", ylabel="ops at once", xlim=(0, times[-1]), yscale="symlog")
    highest = max(float(running.sum(axis=0).max()), 1.0)
    left.set_ylim(0, highest * 1.1)
    steps = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    ticks = [0, *(tick for tick in steps if tick <= highest * 1.1)]
    left.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    left.yaxis.set_minor_locator(NullLocator())
    left.set_title("as early as inputs allow, communication free", fontsize="small")

    work = problem.durations.min(axis=0) / 1e6
    tagged = graph.layer >= 0
    bottom = np.zeros(len(graph.layers))
    for phase, colour in enumerate(COLOURS):
        chosen = tagged & (graph.phase == phase)
        height = np.bincount(graph.layer[chosen], work[chosen], minlength=len(graph.layers))
        right.bar(np.arange(len(height)), height, bottom=bottom, color=colour)
        bottom += height
    step = -(-len(graph.layers) // 24)
    shown = range(0, len(graph.layers), step)
    right.set_xticks(
        list(shown), [literal(graph.layers[i]) for i in shown], rotation=90, fontsize="x-small"
    )
    right.set(ylabel="work (ms)")
    right.margins(y=0.08)
    handles, labels = left.get_legend_handles_labels()
    there = [number for number in range(len(PHASES)) if (graph.phase == number).any()]
    figure.legend(
        [handles[number] for number in there],
        [labels[number] for number in there],
        loc="outside lower left",
        ncols=len(PHASES),
        frameon=False,
        fontsize="small",
    )
    right.set_title(
        f"work by layer on {literal(problem.cluster.devices[0].kind)}", fontsize="small"
    )
    figure.suptitle(f"{literal(graph.name)}: {graph.num_ops:,} ops", fontsize="medium")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, metadata={"Software": None})
    atomic_write(path, buffer.getvalue())
