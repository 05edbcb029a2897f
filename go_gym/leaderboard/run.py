"""Run agents over problems into a folder: rows with decisions and curves, none lost by a stop."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from go_gym.agent import (
    SAME_MACHINE,
    Agent,
    Outcome,
    kind_and_options,
    load_agent,
    solve,
)
from go_gym.baselines.priorities import FIFO, OWN, PRIORITIES, prioritised
from go_gym.errors import GoGymError
from go_gym.files import check_name, sole_writer
from go_gym.leaderboard.facts import Facts, facts, measures
from go_gym.leaderboard.isolated import Limits, solve_isolated
from go_gym.leaderboard.own import keep_own
from go_gym.leaderboard.provenance import of_this_process
from go_gym.leaderboard.schema import Row, check_row, clock_key
from go_gym.leaderboard.store import Board
from go_gym.problem import Decision, Problem
from go_gym.simulator import VERSION, simulate


@dataclass(frozen=True)
class Jobs:
    """What to run: every agent, by its canonical name, on every problem, seed and rule.

    With ``seconds``, a clock of CPU time stops each job; with ``limits``, each has a process of its
    own.
    """

    agents: tuple[str, ...]
    problems: tuple[Problem, ...]
    seeds: tuple[int, ...] = (0,)
    priorities: tuple[str, ...] = ("fifo",)
    budget: int = 0
    command: str = ""
    limits: Limits | None = None
    seconds: float = 0.0

    def __iter__(self) -> "Iterator[Job]":
        """The jobs, problem by problem."""
        for problem, agent, seed in product(self.problems, self.agents, self.seeds):
            yield Job(problem, agent, seed)

    def __len__(self) -> int:
        return len(self.problems) * len(self.agents) * len(self.seeds)


@dataclass(frozen=True)
class Job:
    """One agent, by its canonical name, on one problem with one seed."""

    problem: Problem
    agent: str
    seed: int

    def __str__(self) -> str:
        return f"{self.agent} on {self.problem.graph.name}, {self.problem.cluster.name}"


@dataclass(frozen=True)
class Failure:
    """A job whose agent raised."""

    job: Job
    error: str


def run(
    jobs: Jobs, folder: Path, progress: Callable[[Job], None] = lambda job: None
) -> tuple[list[Row], list[Failure]]:
    """Run ``jobs`` into ``folder``; rows that are there already are not run again.

    Rows of another version of the agent, another budget, graph, cluster or simulator are run again,
    and those of the same job that were made so go. Each finished job is written before the next
    begins, so that a stop loses none.

    Args:
        jobs: what to run.
        folder: gets a board, see :mod:`go_gym.leaderboard.store`.
        progress: called after each job.

    Returns:
        All rows of the folder, and the jobs whose agent raised.

    Raises:
        FileFormatError: if the folder cannot be written to, or another run writes there.
    """
    with sole_writer(folder):
        board = Board(folder)
        try:
            failures = _run(jobs, board, progress)
        finally:
            board.compact()
        return board.rows, failures


def _run(jobs: Jobs, board: Board, progress: Callable[[Job], None]) -> list[Failure]:
    agents: dict[str, Agent] = {name: load_agent(name) for name in jobs.agents}
    for problem in jobs.problems:
        keep_own(problem, board.folder)
    known: dict[tuple[int, str], Facts] = {}
    failures = []
    for job in jobs:
        agent = agents[job.agent]
        if not is_done(board, jobs, job, agent):
            try:
                _add(board, jobs, job, agent, known)
            except GoGymError as error:  # named, and the others go on
                where = f"agent {job.agent!r} on {job.problem.graph.name}: "
                failures.append(Failure(job, str(error).removeprefix(where)))
        progress(job)
    return failures


def _add(
    board: Board, jobs: Jobs, job: Job, agent: Agent, known: dict[tuple[int, str], Facts]
) -> None:
    """Run a job and keep its rows; raises GoGymError where the agent gives none that stands."""
    if jobs.limits is None:
        outcome = solve(agent, job.problem, job.seed, jobs.budget, job.agent, jobs.seconds)
    else:
        outcome = solve_isolated(
            job.agent, job.problem, job.seed, jobs.budget, jobs.limits, jobs.seconds
        )
    rows = []
    for rule in jobs.priorities if not outcome.decision.decides_order else (OWN,):
        key = (id(job.problem), FIFO if rule == OWN else rule)
        if key not in known:
            known[key] = facts(job.problem, rule)
        rows.append(record(board, jobs, job, agent, outcome, rule, known[key]))
        check_row(rows[-1], f"agent {job.agent!r} on {job.problem.graph.name}")
    for row in rows:
        board.put(row)
    board.save()


def is_done(board: Board, jobs: Jobs, job: Job, agent: Agent) -> bool:
    """Whether ``board`` holds all that the job would give: under the jobs' priorities or the
    agent's own, each with its decision."""
    graph, cluster = job.problem.graph.name, job.problem.cluster.name
    end = (*clock_key(jobs.seconds), str(job.seed))
    for rules in (jobs.priorities, (OWN,)):
        keys = [
            (job.problem.task, graph, cluster, *kind_and_options(job.agent), rule, *end)
            for rule in rules
        ]
        rows = [row for row in map(board.row, keys) if row is not None]
        if len(rows) == len(keys) and all(_is_current(row, jobs, job, agent) for row in rows):
            return all(row.decision in board.decisions for row in rows)
    return False


def _is_current(row: Row, jobs: Jobs, job: Job, agent: Agent) -> bool:
    return (
        row.graph_hash == job.problem.graph.content_hash
        and row.cluster_hash == job.problem.cluster.content_hash
        and row.agent_version == agent.version
        and row.budget == jobs.budget
        and row.simulator_version == VERSION
    )


def record(
    board: Board, jobs: Jobs, job: Job, agent: Agent, outcome: Outcome, rule: str, known: Facts
) -> Row:
    """Simulate a job's decision under a rule's priorities, or its own; keep it, and give its row.

    Args:
        board: gets the decision, the curve and the default's placement.
        jobs, job, agent, outcome: who decided what, and how.
        rule: the priorities, ``own`` for those of the decision.
        known: the problem's facts under this rule.
    """
    problem, decision = job.problem, outcome.decision
    kind, options = kind_and_options(job.agent)
    final = decision if rule == OWN else prioritised(problem, decision, rule)
    partition = known.partition
    default = "" if partition is None else board.put_decision(problem, Decision(partition))
    return Row(
        task=problem.task,
        graph=problem.graph.name,
        graph_hash=problem.graph.content_hash,
        cluster=problem.cluster.name,
        cluster_hash=problem.cluster.content_hash,
        backend="simulator",
        agent=kind,
        agent_version=agent.version,
        options=options,
        reproducible=getattr(agent, "reproducible", SAME_MACHINE),
        device=outcome.device,
        track=outcome.track,
        priorities=rule,
        seed=job.seed,
        budget=jobs.budget,
        budget_used=outcome.calls,
        budget_seconds=jobs.seconds,
        wall_seconds=round(outcome.seconds, 3),
        **measures(simulate(problem, final), known),
        decision=board.put_decision(problem, decision),
        curve=board.put_curve(outcome.curve),
        default_decision=default,
        simulator_version=VERSION,
        provenance=board.put_provenance(of_this_process()),
        started=outcome.started,
        command=jobs.command,
    )


def check_names(problems: Sequence[Problem]) -> None:
    """Raise GoGymError unless every graph and cluster has a name fit for a file, and its own."""
    seen: dict[tuple[str, str], str] = {}
    for problem in problems:
        for kind, thing in (("graph", problem.graph), ("cluster", problem.cluster)):
            name = thing.name
            check_name(name, kind)
            if seen.setdefault((kind, name), thing.content_hash) != thing.content_hash:
                raise GoGymError(f"{kind} {name!r}: two of this name; each needs its own")


def check_priorities(names: Sequence[str]) -> None:
    """Raise GoGymError unless each is a known priority rule."""
    for name in names:
        if name not in PRIORITIES:
            raise GoGymError(f"priorities {name!r}: expected one of {', '.join(PRIORITIES)}")
