"""Seeds that say the same: what a stochastic agent does not give twice."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from go_gym.agent import agent_entry_points, load_agent
from go_gym.errors import AgentError, GoGymError
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board

MIN_MEANS = 10
"""Different window means from which on a curve tells its run from others (our choice)."""


def repeated_seeds(board: Board) -> Iterator[tuple[bool, str]]:
    """Groups of rows with calls, alike but for their seed, that have one decision or one curve.

    Yields:
        (wrong, text): a curve with MIN_MEANS means that several seeds share is wrong where the
        installed agent does not say that it is deterministic, as means are of what was tried; a
        decision alone may be found twice.
    """
    cells: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in board.rows:
        if row.budget_used:
            cells[row.key[:-1]].append(row)
    for key, mine in cells.items():
        for column in ("curve", "decision"):
            seeds: dict[str, list[int]] = defaultdict(list)
            for row in mine:
                seeds[getattr(row, column)].append(row.seed)
            shared = [each for content, each in seeds.items() if content and len(each) > 1]
            if shared:
                where = " ".join(filter(None, key))
                text = f"{where}: seeds {', '.join(map(str, shared[0]))} have one {column}"
                wrong = column == "curve" and _is_stochastic(mine[0]) and _is_telling(board, mine)
                yield wrong, text
                break


def _is_telling(board: Board, rows: Sequence[Row]) -> bool:
    """Whether a curve that some of the rows share holds enough means to tell runs apart."""
    curves = [row.curve for row in rows]
    shared = next(row for row in rows if row.curve and curves.count(row.curve) > 1)
    try:
        means = {window.mean_step_time_ns for window in board.curve(shared).windows}
    except GoGymError:
        return False  # told where the row is looked at
    return len(means) >= MIN_MEANS


def _is_stochastic(row: Row) -> bool:
    """Whether the agent is installed and does not say that it is deterministic."""
    if row.agent not in agent_entry_points():
        return False
    try:
        return not getattr(load_agent(row.agent_name), "deterministic", False)
    except AgentError:
        return False
