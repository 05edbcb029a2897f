"""Table 3 of the GO paper: fusion against no fusion, on the human expert's placement."""

from collections.abc import Sequence
from pathlib import Path

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.bars import save_bars
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.tables import FIFO, Cell, cells, figure, graphs_of, header, line, rule

CLUSTER_OF = {
    "gnmt-2": "p100x2",
    "gnmt-4": "p100x4",
    "gnmt-8": "p100x8",
    "rnnlm-4": "p100x4",
    "rnnlm-8": "p100x8",
    "transformer-xl-2": "p100x2",
    "transformer-xl-4": "p100x4",
    "transformer-xl-8": "p100x8",
}
DEFAULT = "framework-default"
PAPER = {DEFAULT: "tf_default_pct", "sa": "simulated_annealing_pct", "go": "go_one_pct"}


def report(experiment: Experiment, rows: Sequence[Row], timed: Sequence[Row], folder: Path) -> str:
    """Per cent by which each shortens the step without fusion; the paper's after the slash."""
    known = cells(rows, FIFO)
    names = graphs_of(rows, experiment)
    plain = {row.graph: row.expert_ns for row in rows}  # the given placement without fusion
    columns = experiment.agents
    ours: dict[str, list[float | None]] = {column: [] for column in columns}
    for graph, _ in names:
        for column in columns:
            step = known.get((graph, column), Cell(())).median
            ours[column].append(None if step is None else (1 - step / plain[graph]) * 100)
    theirs = {
        column: [experiment.paper.get(graph, {}).get(PAPER[column]) for graph, _ in names]
        for column in columns
        if column in PAPER
    }
    lines = [
        "Per cent by which the step is shorter than without fusion; median over seeds / the",
        "paper's. All under first in, first out, on the human expert's placement.",
        "",
        header("graph", "cluster", "no fusion, ms", *columns),
        rule(3 + len(columns)),
    ]
    for index, (graph, cluster) in enumerate(names):
        texts = [
            figure(ours[column][index], 2)
            + (f" / {figure(theirs[column][index], 2)}" if column in theirs else "")
            for column in columns
        ]
        lines.append(line(graph, cluster, f"{plain[graph] / 1e6:.1f}", *texts))
    lines.append(line("mean", "", "", *(_mean(ours[column]) for column in columns)))
    groups = [graph for graph, _ in names]
    label = "shorter than without fusion (%)"
    save_bars(folder / f"{experiment.name}.png", experiment.title, label, groups, ours, theirs)
    return "\n".join([*lines, ""])


def _mean(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    return figure(sum(there) / len(there), 2) if there else "–"


TABLE3 = Experiment(
    name="table3",
    title="Fusion against no fusion (the paper's Table 3)",
    task="fusion",
    agents=(DEFAULT, "go", "sa", "sa-from-best"),
    graphs=tuple(CLUSTER_OF),
    clusters=tuple(CLUSTER_OF.values()),
    rules=("fifo",),
    report=report,
)
