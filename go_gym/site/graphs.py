"""What the page of a graph is given: every comparison that it is in, with curves and plans."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from go_gym.baselines.priorities import FIFO, OWN
from go_gym.files import sha256
from go_gym.leaderboard.optima import columns
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board
from go_gym.reproduce.pictures import median_range
from go_gym.site.boards import SiteBoard
from go_gym.site.comparisons import Comparison, Place
from go_gym.site.data import cell_numbers
from go_gym.site.plans import worth_showing
from go_gym.site.scripts import short

POINTS = 60
"""Numbers of calls at which a curve is given."""

Found = Sequence[tuple[SiteBoard, Sequence[Comparison]]]


@dataclass(frozen=True)
class PlanOf:
    """A plan to be shown: the row, and the board that holds its decision."""

    name: str
    board: Board
    row: Row


@dataclass
class GraphPage:
    """A graph's name, its data, and the plans that its page opens."""

    name: str
    data: dict[str, Any]
    plans: dict[str, PlanOf]


def graph_pages(found: Found, most: int | None) -> Iterator[GraphPage]:
    """A page for each graph of the boards.

    Args:
        found: the boards with their comparisons.
        most: plans a cell, beside the reference's; None for all, 0 for none.
    """
    places: dict[str, list[tuple[SiteBoard, Comparison, Place]]] = {}
    for board, comparisons in found:
        for each in comparisons:
            for place in each.rows:
                places.setdefault(place[0], []).append((board, each, place))
    for name, mine in places.items():
        page = GraphPage(name, {"name": name, "cells": []}, {})
        for board, each, place in mine:
            page.data["cells"].append(_cell(page, board, each, place, most))
        yield page


def _cell(
    page: GraphPage, board: SiteBoard, found: Comparison, place: Place, most: int | None
) -> dict[str, Any]:
    here = found.rows[place]
    # a reference at equal time is that at equal calls: its rows lie with those
    timed = board.timed if found.clock else None
    source = {
        agent: board.board if timed is None or agent == found.reference else timed for agent in here
    }
    plans = {}
    for agent, row in worth_showing(here, found.reference, most).items():
        plan = PlanOf(_plan_name(board, row, found.clock), source[agent], row)
        plans[agent] = page.plans.setdefault(plan.name, plan).name
    base = found.bases.get(place)
    return {
        "board": board.name,
        "task": found.task,
        "cluster": place[1],
        "rule": found.rule,
        "clock": found.clock,
        "reference": found.reference,
        "base": base / 1e6 if base else None,
        "optimum": _optimum(board, next(iter(here.values()))[0]),
        "agents": [
            {
                "name": agent,
                "numbers": cell_numbers(found, place, agent),
                "versions": sorted({row.agent_version for row in here[agent]}),
                "simulators": sorted({row.simulator_version for row in here[agent]}),
                "curve": _curve(here[agent], source[agent]),
                "plan": plans.get(agent),
            }
            for agent in here
        ],
    }


def _optimum(board: SiteBoard, row: Row) -> str:
    """What is known of the optimum of a row's problem, in words."""
    known = board.known.get((row.graph_hash, row.cluster_hash))
    if known is None:
        return ""
    text, _ = columns((row.graph_hash, row.cluster_hash), row.step_time_ns, board.known)
    return f"Optimum: {text} ms ({known.source})."


def _plan_name(board: SiteBoard, row: Row, clock: bool) -> str:
    return sha256("\0".join((board.name, str(clock), *row.key)).encode())[:16]


def _curve(rows: Sequence[Row], board: Board) -> list[list[float | None]] | None:
    """Calls, and after each the seeds' median, lowest and highest best step time in ms; None
    without a curve under the rows' own priorities."""
    curves = [board.curve(row) for row in rows if row.curve and row.priorities in (FIFO, OWN)]
    if not curves or len(curves) < len(rows):
        return None
    last = max(2, *(row.budget_used for row in rows))
    calls = np.unique(np.geomspace(1, last, POINTS).astype(int))
    table = np.stack([curve.best_at(calls) for curve in curves]) / 1e6
    seen = ~np.isnan(table).any(axis=0)
    if not seen.any():
        return None
    lines = [calls[seen], *median_range(table[:, seen])]
    return [[short(value) for value in line.tolist()] for line in lines]
