"""Rows as a pandas table, and what the seeds of one agent on one problem say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from go_gym.leaderboard.schema import COLUMNS, KINDS, Row

if TYPE_CHECKING:
    import pandas as pd

PROBLEM = ["task", "graph", "cluster", "priorities"]
"""The columns that say what agents are compared on."""


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """A line for each of ``rows``, in their order.

    The columns are those of the file, and ``agent_name``, the kind with its options, and with the
    seconds of a budget that has a clock; whole numbers
    are int64, others float64, ``valid`` is bool.
    """
    import pandas as pd

    rows = list(rows)
    found = pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))
    numbers = {name: kind for name, kind in KINDS.items() if kind is not str}
    return found.astype(numbers).assign(agent_name=[_named(row) for row in rows])


def _named(row: Row) -> str:
    clock = f" in {row.budget_seconds:g} s" if row.budget_seconds else ""
    return f"{row.agent_name}{clock}"


def over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each agent on each problem, in order of :data:`PROBLEM` and ``agent_name``.

    Args:
        rows: as of :func:`frame`.

    Returns:
        The index's columns; medians of ``step_time_ns`` and ``peak_memory_bytes``; the problem's
        ``expert_ns``, ``default_ns`` and ``lower_bound_ns``; ``seeds``, ``valid_seeds``, how many
        of these are valid, and ``valid``, whether all are.
    """
    each = rows.groupby([*PROBLEM, "agent_name"]).agg(
        step_time_ns=("step_time_ns", "median"),
        peak_memory_bytes=("peak_memory_bytes", "median"),
        expert_ns=("expert_ns", "first"),
        default_ns=("default_ns", "first"),
        lower_bound_ns=("lower_bound_ns", "first"),
        seeds=("valid", "size"),
        valid_seeds=("valid", "sum"),
        valid=("valid", "all"),
    )
    return each.reset_index()
