"""What the pages are given of a board, as plain lists and texts."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.cells import Cell
from go_gym.reproduce.statistics import Interval
from go_gym.site.boards import SiteBoard
from go_gym.site.comparisons import Comparison, Place, Ranked, comparisons
from go_gym.site.scripts import file_name, short

CELL = ("agent", "graph", "cluster", "ms", "low", "high", "ratio", "gap", "gb", "seeds", "valid")
"""What the numbers of a cell are: three places in lists of names; the median over seeds of the step
time in ms, None unless all are valid, its range, its ratio to the reference, its distance from the
lower bound; the median peak memory in GB; how many seeds, how many of them valid."""
RANK = ("agent", "middle", "low", "high", "over", "over_low", "over_high", "leads", "valid")
"""What those of a rank are, see :class:`go_gym.site.comparisons.Ranked`."""


def board_data(board: SiteBoard, found: Sequence[Comparison] | None = None) -> dict[str, Any]:
    """All that the front page shows of a board.

    Args:
        board: any.
        found: its comparisons, where they are at hand.
    """
    found = comparisons(board) if found is None else found
    agents = _Names(agent for each in found for agent in each.agents)
    graphs = _Names(graph for each in found for graph, _ in each.rows)
    clusters = _Names(cluster for each in found for _, cluster in each.rows)
    return {
        "name": board.name,
        "title": board.title,
        "page": f"{file_name(board.name)}.html",
        "simulators": board.simulators,
        "agents": agents.names,
        "graphs": [
            [name, board.families[name], f"{file_name(name)}.html"] for name in graphs.names
        ],
        "clusters": clusters.names,
        "comparisons": [_comparison(each, agents, graphs, clusters) for each in found],
    }


def _comparison(
    found: Comparison, agents: "_Names", graphs: "_Names", clusters: "_Names"
) -> dict[str, Any]:
    ranks: dict[tuple[Place, ...], list[list[Any]]] = {}
    summaries = {}
    for (cluster, kind), places in found.subsets().items():
        key = tuple(places)
        if key not in ranks:
            ranks[key] = [_rank(each, agents) for each in found.ranking(places)]
        summaries[f"{cluster}|{kind}"] = {"places": len(places), "ranks": ranks[key]}
    return {
        "task": found.task,
        "rule": found.rule,
        "clock": found.clock,
        "reference": found.reference,
        "agents": [[agents[name], *_facts(found, name)] for name in found.agents],
        "cells": [
            [agents[agent], graphs[graph], clusters[cluster], *cell_numbers(found, place, agent)]
            for place in found.rows
            for agent in found.rows[place]
            for graph, cluster in [place]
        ],
        "summaries": summaries,
    }


def _facts(found: Comparison, agent: str) -> tuple[list[str], list[int], list[str], list[int]]:
    """Of an agent's rows: tracks, budgets, versions, versions of the simulator."""
    rows = [row for here in found.rows.values() for row in here.get(agent, ())]
    return (
        sorted({row.track for row in rows}),
        sorted({row.budget for row in rows}),
        sorted({row.agent_version for row in rows}),
        sorted({row.simulator_version for row in rows}),
    )


def cell_numbers(found: Comparison, place: Place, agent: str) -> list[Any]:
    """The numbers of a cell after the names, see :data:`CELL`."""
    rows = found.rows[place][agent]
    times = [time / 1e6 for time in Cell.of(rows).times]
    base = found.bases.get(place)
    middle = median(times) if times else None
    return [
        short(middle),
        short(min(times, default=None)),
        short(max(times, default=None)),
        short(middle * 1e6 / base) if middle is not None and base else None,
        short(_gap(rows, middle)),
        short(median(row.peak_memory_bytes for row in rows) / 1e9),
        len(rows),
        sum(row.valid for row in rows),
    ]


def _gap(rows: Sequence[Row], middle: float | None) -> float | None:
    bound = rows[0].lower_bound_ns / 1e6
    return middle / bound - 1 if middle is not None and bound else None


def _rank(ranked: Ranked, agents: "_Names") -> list[Any]:
    middle, over = _ends(ranked.middle), _ends(ranked.over_best)
    return [agents[ranked.agent], *middle, *over, int(ranked.leads), ranked.valid]


def _ends(interval: Interval | None) -> list[float | None]:
    if interval is None:
        return [None, None, None]
    return [short(end) for end in (interval.estimate, interval.low, interval.high)]


class _Names:
    """Distinct names, and the place of each."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self._places = {name: place for place, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> int:
        return self._places[name]
