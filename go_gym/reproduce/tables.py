"""Cells and tables of a report: everything in them follows from the rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.experiment import Experiment

FIFO, BEST = "fifo", "best"
"""Which rows are compared: first in first out for all, or for each the best priorities it has."""


@dataclass(frozen=True)
class Cell:
    """One agent on one graph: step times of its seeds in ns, empty if a seed gave no valid one."""

    times: tuple[int, ...]

    @property
    def median(self) -> float | None:
        return float(median(self.times)) if self.times else None

    def text(self, reference: float | None) -> str:
        """Median in ms, half the range over seeds, and the ratio to ``reference`` (ns)."""
        middle = self.median
        if middle is None:
            return "OOM"
        spread = (max(self.times) - min(self.times)) / 2
        around = f" ±{spread / 1e6:.1f}" if len(self.times) > 1 else ""
        ratio = f" ({middle / reference:.3f})" if reference else ""
        return f"{middle / 1e6:.1f}{around}{ratio}"


def cells(
    rows: Iterable[Row], kind: str, scheduled: Mapping[str, str] | None = None
) -> dict[tuple[str, str], Cell]:
    """The cell of each (graph, agent).

    Args:
        rows: any.
        kind: FIFO for the rows under first in, first out; BEST for each seed's best row under any
            priorities, by rule or the agent's own.
        scheduled: agents for which another stands where kind is BEST: their own rows do not count
            there, and if the other has none, they have no cell.
    """
    forms = dict(scheduled or {})
    plain = {form: agent for agent, form in forms.items()}
    found: dict[tuple[str, str], dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        counts = row.priorities == FIFO if kind == FIFO else row.agent not in forms
        if counts:
            found[row.graph, plain.get(row.agent, row.agent)][row.seed].append(row)
    made = {}
    for key, seeds in found.items():
        best = [[row.step_time_ns for row in mine if row.valid] for mine in seeds.values()]
        made[key] = Cell(tuple(min(times) for times in best) if all(best) else ())
    return made


def ratio_table(
    experiment: Experiment, rows: Sequence[Row], kind: str, reference: str
) -> list[str]:
    """Markdown: a line a graph, a column an agent, and the geometric means of the ratios."""
    known = cells(rows, kind, experiment.scheduled)
    agents = [reference, *(agent for agent in experiment.columns if agent != reference)]
    lines = [
        header("graph", "cluster", *(f"{agent}, ms" for agent in agents)),
        rule(2 + len(agents)),
    ]
    ratios: dict[str, list[float]] = {agent: [] for agent in agents}
    names = graphs_of(rows, experiment)
    for graph, cluster in names:
        base = known.get((graph, reference), Cell(())).median
        texts = []
        for agent in agents:
            cell = known.get((graph, agent))
            texts.append("–" if cell is None else cell.text(base))
            if cell is not None and cell.median is not None and base:
                ratios[agent].append(cell.median / base)
        lines.append(line(graph, cluster, *texts))
    means = [mean_text(ratios[agent], len(names)) for agent in agents]
    lines.append(line("geometric mean of ratios", "", *means))
    return lines


def mean_text(ratios: Sequence[float], of: int) -> str:
    """A geometric mean, and of how many where that is not all."""
    if not ratios:
        return "–"
    note = "" if len(ratios) == of else f" ({len(ratios)} of {of})"
    return f"{geometric_mean(ratios):.3f}{note}"


def graphs_of(rows: Sequence[Row], experiment: Experiment) -> list[tuple[str, str]]:
    """(graph, cluster) of the rows, in the experiment's order, those it does not name last."""
    order = {graph: index for index, graph in enumerate(experiment.graphs)}
    present = {(row.graph, row.cluster) for row in rows}
    return sorted(present, key=lambda pair: (order.get(pair[0], len(order)), pair))


def header(*names: str) -> str:
    return line(*names)


def rule(columns: int) -> str:
    return "| --- |" + " ---: |" * (columns - 1)


def line(*texts: str) -> str:
    return "| " + " | ".join(texts) + " |"


def seconds(ns: float | None) -> str:
    return "–" if ns is None else f"{ns / 1e9:.3f}"


def figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b
