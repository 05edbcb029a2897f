"""Verification by running again: the same agent, seed and budget, on a sample of the rows.

What is exact on every machine is compared bit for bit; of a network, whose sums processors take in
different orders, the step time has to come within ``BAND`` of the row's.
"""

from collections.abc import Callable, Iterator

from go_gym.agent import EXACT, Outcome, load_agent, solve
from go_gym.baselines.priorities import OWN, prioritised
from go_gym.errors import GoGymError, LeaderboardError
from go_gym.files import content_hash, sha256
from go_gym.leaderboard.entries import curve_entry, decision_entry
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import Issue, Kind
from go_gym.problem import Problem
from go_gym.simulator import VERSION, simulate

SAMPLE = 20
"""Jobs that are run again unless more are asked for."""
BAND = 0.2
"""How far a network's step time may be from the row's, as a part of it (our choice)."""


def rerun(board: Board, row: Row) -> list[str]:
    """Run a row's job again and compare what comes; what differs, a line each.

    Decision, calls, track and curve of an ``exact`` agent must come out the same on every machine.
    Of others (see :data:`go_gym.agent.REPRODUCIBLE`) calls and track must, and the step time of
    the decision may differ by ``BAND``. A curve that the row does not name is not compared.

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
    exact = getattr(agent, "reproducible", None) == EXACT
    if row.reproducible == EXACT and not exact:
        raise LeaderboardError(f"the row says {EXACT}, agent {row.agent_name!r} does not")
    problem = board.problem(row)
    found = solve(agent, problem, row.seed, row.budget, row.agent_name)
    compared = [("budget_used", row.budget_used, found.calls), ("track", row.track, found.track)]
    if row.reproducible == EXACT:
        true = content_hash(decision_entry(problem, found.decision))
        compared.insert(0, ("decision", row.decision, true))
        if row.curve:
            compared.append(("curve", row.curve, content_hash(curve_entry(found.curve))))
    texts = [
        f"{column} is {stated}, run again {true}"
        for column, stated, true in compared
        if stated != true
    ]
    return texts if row.reproducible == EXACT else [*texts, *_out_of_band(row, problem, found)]


def _out_of_band(row: Row, problem: Problem, found: Outcome) -> Iterator[str]:
    decision = found.decision
    final = decision if row.priorities == OWN else prioritised(problem, decision, row.priorities)
    step = simulate(problem, final).step_time_ns
    if abs(step - row.step_time_ns) > BAND * row.step_time_ns:
        yield f"step_time_ns is {row.step_time_ns}, run again {step}: over {BAND:.0%} apart"


def rerun_some(
    board: Board,
    count: int = SAMPLE,
    seed: str = "",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[Issue]:
    """Run again ``count`` of a board's jobs, drawn by the board's content; what differs.

    Jobs of agents that are not installed, or are installed in another version, are not drawn, nor
    those of another version of the simulator, nor those that a clock stopped, as no other machine
    stops them at the same call.

    Args:
        board: any.
        count: jobs; all if there are fewer. Rows of a job under several rules are one.
        seed: any text: whoever verifies may draw a sample that no one could foresee.
        progress: called with jobs done and jobs in all.
    """
    jobs = list({_job(row): row for row in board.rows if _can_run(row)}.values())
    lottery = f"{board.content_hash}\n{seed}"
    chosen = sorted(jobs, key=lambda row: _draw(lottery, row))[:count]
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


def _can_run(row: Row) -> bool:
    if row.simulator_version != VERSION or row.budget_seconds:
        return False
    try:
        return load_agent(row.agent_name).version == row.agent_version
    except GoGymError:
        return False


def _draw(lottery: str, row: Row) -> str:
    """A job's place in a lottery."""
    return sha256("\n".join([lottery, *map(str, _job(row))]).encode())
