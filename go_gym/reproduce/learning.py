"""The learning curves of any runs, over several folders, with intervals."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t

from go_gym.agent import joined, kind_and_options
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board
from go_gym.reproduce.curves import JobCurve, curves_of
from go_gym.reproduce.pictures import save_curves_png

LEVEL = 0.95
"""Of the intervals (our choice)."""


def mean_interval(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Geometric mean over the rows of ``table`` (seeds, k), and its interval's ends, each (k,).

    Student's t on logarithms; of one seed the ends are the values themselves.
    """
    logs = np.log(table)
    mean, seeds = logs.mean(axis=0), len(table)
    half = np.zeros_like(mean)
    if seeds > 1:
        error = logs.std(axis=0, ddof=1) / seeds**0.5
        half = t.ppf((1 + LEVEL) / 2, seeds - 1) * error
    return np.exp(mean), np.exp(mean - half), np.exp(mean + half)


def save_learning_curves(
    path: Path,
    folders: Sequence[Path],
    task: str = "placement",
    graphs: Sequence[str] | None = None,
    agents: Sequence[str] | None = None,
) -> dict[str, int]:
    """Draw the curves of all runs of a task in ``folders``, or only of these graphs and agents.

    Returns:
        How many curves each agent has.

    Raises:
        LeaderboardError: without a curve to draw, and for the same job in two folders.
    """
    named = None if agents is None else {joined(*kind_and_options(name)) for name in agents}
    rows: list[Row] = []
    found: list[JobCurve] = []
    where: dict[tuple[object, ...], Path] = {}
    for folder in dict.fromkeys(folders):
        board = Board.read(folder)
        mine = [
            row
            for row in board.rows
            if row.task == task
            and (not graphs or row.graph in graphs)
            and (not named or row.agent_name in named)
        ]
        for row in mine:
            job = (row.graph, row.cluster, row.agent_name, row.seed)
            if where.setdefault(job, folder) != folder:
                raise LeaderboardError(
                    f"{folder}: {row.agent_name} on {row.graph} and {row.cluster} with seed "
                    f"{row.seed} is in {where[job]} too: draw them apart"
                )
        rows += mine
        found += curves_of(mine, board)
    if not found:
        raise LeaderboardError(f"{', '.join(map(str, folders))}: no curve of {task} to draw")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_curves_png(path, f"{task}: mean and 95 % interval over seeds", found, rows, mean_interval)
    return dict(Counter(each.agent for each in found))
