"""The curves behind an experiment's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from go_gym.agent import Curve
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board


@dataclass(frozen=True)
class JobCurve:
    """One job's curve."""

    graph: str
    cluster: str
    agent: str
    seed: int
    curve: Curve


def curves_of(rows: Sequence[Row], board: Board) -> list[JobCurve]:
    """The curves behind rows of a board, each job's once, those without a valid decision left
    out."""
    jobs = {
        (row.task, row.graph, row.cluster, row.agent_name, row.seed): row
        for row in rows
        if row.curve
    }
    return [
        JobCurve(row.graph, row.cluster, row.agent_name, row.seed, board.curve(row))
        for _, row in sorted(jobs.items())
    ]
