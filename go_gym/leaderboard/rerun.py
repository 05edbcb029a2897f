"""Verification by running again: the same agent, seed and budget, compared bit for bit."""

from collections.abc import Callable, Iterator, Sequence

from go_gym.agent import EXACT, load_agent, solve
from go_gym.errors import GoGymError, LeaderboardError
from go_gym.files import content_hash
from go_gym.leaderboard.entries import curve_entry, decision_entry
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import Issue, Kind


def rerun(board: Board, row: Row) -> list[str]:
    """Run a row's job again and compare decision, calls and curve; what differs, a line each.

    A row whose agent is ``exact`` must come out the same on every machine; others (see
    :data:`go_gym.agent.REPRODUCIBLE`) on theirs alone, so that a difference elsewhere says nothing.
    A curve that the row does not name is not compared.

    Raises:
        LeaderboardError: if the installed agent is of another version, or promises less than the
            row says.
        GoGymError: if the agent is not installed, or raises.
    """
    agent = load_agent(row.agent_name)
    if agent.version != row.agent_version:
        raise LeaderboardError(
            f"agent {row.agent_name!r} is of version {agent.version}, the row's is "
            f"{row.agent_version}"
        )
    if row.reproducible == EXACT and getattr(agent, "reproducible", None) != EXACT:
        raise LeaderboardError(f"the row says {EXACT}, agent {row.agent_name!r} does not")
    problem = board.problem(row)
    found = solve(agent, problem, row.seed, row.budget, row.agent_name)
    compared = [
        ("decision", row.decision, content_hash(decision_entry(problem, found.decision))),
        ("budget_used", row.budget_used, found.calls),
        ("track", row.track, found.track),
    ]
    if row.curve:
        compared.append(("curve", row.curve, content_hash(curve_entry(found.curve))))
    return [
        f"{column} is {stated}, run again {true}"
        for column, stated, true in compared
        if stated != true
    ]


def rerun_some(
    board: Board, count: int, progress: Callable[[int, int], None] = lambda done, of: None
) -> Iterator[Issue]:
    """Run again ``count`` of a board's exact jobs, spread evenly over them; what differs.

    Args:
        board: any.
        count: jobs; all if there are fewer. Rows of a job under several rules are one.
        progress: called with jobs done and jobs in all.
    """
    jobs = list({_job(row): row for row in board.rows if row.reproducible == EXACT}.values())
    chosen = _spread(jobs, count)
    for number, row in enumerate(chosen):
        try:
            texts = rerun(board, row)
        except GoGymError as error:
            texts = [str(error)]
        for text in texts:
            yield Issue(Kind.RERUN, f"{board.folder} ({' '.join(row.key)})", text)
        progress(number + 1, len(chosen))


def _job(row: Row) -> tuple[object, ...]:
    """What rows under several rules have in common."""
    return (row.task, row.graph, row.cluster, row.agent, row.options, row.seed, row.decision)


def _spread(rows: Sequence[Row], count: int) -> list[Row]:
    """So many of ``rows``, at equal distances, the first among them."""
    count = min(count, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]
