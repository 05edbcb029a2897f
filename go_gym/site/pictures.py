"""The pictures of a board's page beside its intervals, as data: bars, curves and distances.

A picture is ``kind``, ``title`` and ``label`` (of its axis of values), and what its kind needs.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from go_gym.baselines.priorities import FIFO, OWN
from go_gym.leaderboard.hardware import MeasuredRow
from go_gym.leaderboard.optima import distances
from go_gym.reproduce.mean_curves import mean_curves, reference_times
from go_gym.reproduce.report import Report
from go_gym.site.boards import SiteBoard
from go_gym.site.graphs import POINTS
from go_gym.site.scripts import short

Values = Mapping[str, Sequence[float | None]]


def pictures(board: SiteBoard) -> list[dict[str, Any]]:
    """What an experiment's figures show, how far agents are from optima, steps as measured."""
    found = []
    if board.report is not None:
        found += [*_bars_of(board.report), *_calls_of(board.report)]
    if board.known:
        found += _optima(board)
    return [*found, *_measured(board.measured)]


def bars(
    title: str, label: str, groups: Sequence[str], values: Values, marks: Values
) -> dict[str, Any]:
    """A group of bars each of ``groups``, ``marks`` over those of the same name."""
    told = {
        what: [[name, [short(value) for value in each]] for name, each in named.items()]
        for what, named in (("bars", values), ("marks", marks))
    }
    return {"kind": "bars", "title": title, "label": label, "groups": list(groups), **told}


def _bars_of(report: Report) -> list[dict[str, Any]]:
    what = report.experiment.what
    if not what.bars:
        return []
    graphs = [graph for graph, _ in report.graphs]
    return [bars("Graph by graph, beside the paper's", what.bars, graphs, *report.bars())]


def _calls_of(report: Report) -> list[dict[str, Any]]:
    """Step time over the reference's against calls, the geometric mean over graphs."""
    what = report.experiment.what
    forms = set(what.best_priorities.values())
    rows = [r for r in report.rows if r.agent_name not in forms and r.priorities in (FIFO, OWN)]
    base = reference_times(rows, what.reference)
    if not base:
        return []
    last = max(2, *(row.budget_used for row in rows))
    calls = np.unique(np.geomspace(1, last, POINTS).astype(int))
    searched = {each.agent for each in report.curves}
    agents = []
    for agent in dict.fromkeys(row.agent_name for row in rows):
        table = mean_curves(agent, report.curves, rows, base, calls)
        if table is None:
            continue
        table = table[:, ~np.isnan(table).any(axis=0)]
        if not table.size:
            continue
        line = np.exp(np.log(table).mean(axis=0))
        ends = table.min(axis=0), table.max(axis=0)
        curve = [_list(calls[-table.shape[1] :]), _list(line), *map(_list, ends)]
        agents.append([agent, short(float(line[-1])), curve if agent in searched else None])
    return [
        {
            "kind": "curves",
            "title": "Best step time against simulator calls",
            "label": f"step time / {what.reference}",
            "agents": agents,
        }
    ]


def _optima(board: SiteBoard) -> list[dict[str, Any]]:
    found = []
    for name, mine in groupby(distances(board.rows, board.known), key=lambda each: each.set_name):
        agents = []
        for each in mine:
            if not np.isnan(each.mean_gap):
                half = 0.0 if np.isnan(each.half_width) else each.half_width
                ends = (each.mean_gap, max(each.mean_gap - half, 0.0), each.mean_gap + half)
                agents.append([f"{each.agent}, {each.calls:,} calls", *map(short, ends)])
        label = "mean gap to the optimum"
        found.append({"kind": "intervals", "title": name, "label": label, "agents": agents})
    return found


def _measured(rows: Sequence[MeasuredRow]) -> list[dict[str, Any]]:
    def place(row: MeasuredRow) -> tuple[str, str, str]:
        return row.task, row.graph, row.cluster

    found = []
    for (task, graph, cluster), each in groupby(sorted(rows, key=place), key=place):
        mine = sorted(each, key=lambda row: row.step_ns)
        names = [f"{row.agent_name}, {row.priorities}" for row in mine]
        values = {
            "measured": [row.step_ns / 1e6 for row in mine],
            "simulated": [row.simulated_ns / 1e6 for row in mine],
        }
        found.append(bars(f"{task}: {graph} on {cluster}", "step time, ms", names, values, {}))
    return found


def _list(values: np.ndarray) -> list[float | None]:
    return [short(value) for value in values.tolist()]
