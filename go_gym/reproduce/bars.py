"""A picture of a table: a group of bars a graph, the paper's figures as marks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from go_gym.reproduce.pictures import save

LETTERS = 13
"""Letters of a legend that an inch holds."""


def save_bars(
    path: Path,
    title: str,
    label: str,
    groups: Sequence[str],
    bars: Mapping[str, Sequence[float | None]],
    marks: Mapping[str, Sequence[float | None]],
) -> None:
    """Write a bar chart as PNG.

    Args:
        path: of the PNG.
        title, label: of the picture, of the upright axis.
        groups: names along the level axis.
        bars: by name, a value for each group, None where there is none.
        marks: the paper's values in the same unit, drawn over the bars of the same name; a name
            without bars gets a column of its own.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys([*bars, *marks]))
    width = 0.85 / max(len(names), 1)
    size = (max(6.0, 1.2 + 0.16 * len(groups) * len(names)), 4.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(groups))
    for number, name in enumerate(names):
        where = place + (number - (len(names) - 1) / 2) * width
        if name in bars:
            heights = [np.nan if value is None else value for value in bars[name]]
            axes.bar(where, heights, width, label=name, color=f"C{number % 10}")
        if name in marks:
            heights = [np.nan if value is None else value for value in marks[name]]
            axes.plot(where, heights, "k_", ms=9, mew=2, label="the paper's")
    axes.set_xticks(place, groups, rotation=20 if len(groups) > 3 else 0)
    axes.set(title=title, ylabel=label)
    axes.margins(y=0.12)
    handles, labels = axes.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))  # the paper's marks look alike: once
    columns = max(1, int(size[0] * LETTERS / (max(map(len, shown), default=0) + 6)))
    figure.legend(
        list(shown.values()),
        list(shown),
        loc="outside lower center",
        ncols=min(columns, max(len(shown), 1)),
        fontsize="small",
    )
    shown_here = [title, label, list(groups), dict(bars), dict(marks)]
    save(figure, path, shown_here)
