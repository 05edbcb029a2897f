"""The report of simulated against measured step times: a page, a picture and a table."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from go_gym.files import atomic_write
from go_gym.hardware.calibration.comparison import BUDGET, RULE, Row, write_rows
from go_gym.hardware.calibration.statistics import estimate, median_error, pearson, spearman


def write_report(rows: Sequence[Row], machine: Mapping[str, str], stem: Path) -> None:
    """Write ``stem``.md, ``stem``.png and ``stem``.csv.

    Args:
        rows: of :func:`go_gym.hardware.calibration.comparison.compare`.
        machine: what was measured on.
        stem: path without ending; its name (``2026-11-24-cpu2``) is the report's title.
    """
    write_rows(stem.with_suffix(".csv"), rows)
    atomic_write(stem.with_suffix(".png"), scatter(rows))
    atomic_write(stem.with_suffix(".md"), page(rows, machine, stem.name))


def page(rows: Sequence[Row], machine: Mapping[str, str], title: str) -> str:
    """The report in Markdown."""
    simulated, measured = _columns(rows)
    quiet = [row for row in rows if not row.noisy]
    models = list(dict.fromkeys(row.model for row in rows))
    lines = [
        f"# Simulated against measured: {title}",
        "",
        f"{len(rows)} placements of {len(models)} models of the zoo (full training steps) on two "
        f"or more devices of one machine, {RULE} priorities. Durations of ops and transfers were "
        "calibrated on the same machine (`go-gym calibrate`); each placement was then simulated "
        "and run. Measured: the median of the steps that count; steps of which other programs "
        f"took more than 2 % were repeated, and {len(rows) - len(quiet)} placements have noisy "
        f"steps all the same. Load average: {min(row.load for row in rows):.1f} to "
        f"{max(row.load for row in rows):.1f}.",
        "",
        f"![Scatter]({title}.png)",
        "",
        "| over all placements | value (95 % interval, bootstrap over placements) |",
        "| --- | --- |",
        f"| Pearson | {estimate(pearson, simulated, measured)} |",
        f"| Spearman | {estimate(spearman, simulated, measured)} |",
        f"| median error | {estimate(median_error, simulated, measured)} |",
        "",
        "Models differ in size, which makes a correlation over all of them easy; within a model:",
        "",
        "| model | placements | Pearson | Spearman | median error |",
        "| --- | --- | --- | --- | --- |",
        *(_model_line(name, [row for row in rows if row.model == name]) for name in models),
        "",
        "On CPU cores a copy is made by the core that sends it, right after the op, and read by "
        "the one that receives it, and both have their calls to pay; the simulator gives copies to "
        "a link that works beside the cores. So placements that move much tend to take longer than "
        "simulated. Parameters and other inputs lie in memory that the cores have in common.",
        "",
        "The choice that matters: the placement that is best in the simulator, beside the best.",
        "",
        "| model | one device ms | simulator's best: which, measured ms | best measured: which, ms "
        "| lost by the choice | real speed-up of the choice | of the best |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_choice_line(name, [row for row in rows if row.model == name]) for name in models),
        "",
        "| model | placement | simulated ms | measured ms | error | spread | taken | noisy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row_line(row) for row in rows),
        "",
        "`sa:start=best` had "
        f"{BUDGET:,} simulator calls; `layers:N` gives each layer and phase a random device. "
        "Spread: between the quartiles, as a share of the median. Taken: the largest share of a "
        "counted step that other programs took, by the OS's accounting.",
        "",
        "| machine | |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in machine.items()),
        "",
        "Made by `go-gym report sim-vs-real`.",
    ]
    return "\n".join(lines) + "\n"


def _columns(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    simulated = np.array([row.simulated_ns for row in rows], dtype=np.float64)
    return simulated, np.array([row.measured_ns for row in rows], dtype=np.float64)


def _model_line(name: str, rows: Sequence[Row]) -> str:
    simulated, measured = _columns(rows)
    return (
        f"| {name} | {len(rows)} | {pearson(simulated, measured):.3f} | "
        f"{spearman(simulated, measured):.3f} | {median_error(simulated, measured):.1%} |"
    )


def _choice_line(name: str, rows: Sequence[Row]) -> str:
    chosen = min(rows, key=lambda row: row.simulated_ns)
    best = min(rows, key=lambda row: row.measured_ns)
    alone = next((row for row in rows if row.placement == "single-device"), None)
    one = "" if alone is None else f"{alone.measured_ns / 1e6:.1f}"
    gains = [
        "" if alone is None else f"{alone.measured_ns / each.measured_ns:.2f}×"
        for each in (chosen, best)
    ]
    return (
        f"| {name} | {one} | {chosen.placement}, {chosen.measured_ns / 1e6:.1f} | "
        f"{best.placement}, {best.measured_ns / 1e6:.1f} | "
        f"{chosen.measured_ns / best.measured_ns - 1:.1%} | {gains[0]} | {gains[1]} |"
    )


def _row_line(row: Row) -> str:
    return (
        f"| {row.model} | {row.placement} | {row.simulated_ns / 1e6:.2f} | "
        f"{row.measured_ns / 1e6:.2f} | {row.simulated_ns / row.measured_ns - 1:+.1%} | "
        f"{row.spread:.1%} | {row.taken:.1%} | {'yes' if row.noisy else 'no'} |"
    )


def scatter(rows: Sequence[Row]) -> bytes:
    """The picture: measured over simulated, a colour a model, on logarithmic axes, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name in dict.fromkeys(row.model for row in rows):
        simulated, measured = _columns([row for row in rows if row.model == name])
        axes.scatter(simulated / 1e6, measured / 1e6, s=28, alpha=0.8, label=name)
    both = np.concatenate(_columns(rows)) / 1e6
    ends = np.array([both.min() * 0.9, both.max() * 1.1])
    axes.plot(ends, ends, color="black", linewidth=0.8, label="equal")
    axes.fill_between(ends, ends * 0.9, ends * 1.1, color="black", alpha=0.08, label="± 10 %")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set_xlabel("simulated step, ms")
    axes.set_ylabel("measured step, ms")
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
