"""Seeds that say the same: what a stochastic agent does not give twice."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from go_gym.agent import agent_entry_points, load_agent
from go_gym.errors import AgentError
from go_gym.leaderboard.schema import Row


def repeated_seeds(rows: Sequence[Row]) -> Iterator[tuple[bool, str]]:
    """Groups of rows with calls, alike but for their seed, that have one decision or one curve.

    Yields:
        (wrong, text): a curve that several seeds share is wrong where the installed agent does not
        say that it is deterministic, as it holds the mean of what was tried; a decision alone may
        be found twice.
    """
    cells: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
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
                yield column == "curve" and _is_stochastic(mine[0]), text
                break


def _is_stochastic(row: Row) -> bool:
    """Whether the agent is installed and does not say that it is deterministic."""
    if row.agent not in agent_entry_points():
        return False
    try:
        return not getattr(load_agent(row.agent_name), "deterministic", False)
    except AgentError:
        return False
