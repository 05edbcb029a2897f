"""Run agents over problems: one row and one decision file each, none lost when stopped."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from go_gym.agent import Agent, Budget, load_agent, tasks_of
from go_gym.baselines.priorities import PRIORITIES, prioritised
from go_gym.errors import AgentError, GoGymError, is_interrupt
from go_gym.files import atomic_write, sha256, sole_writer
from go_gym.leaderboard.facts import Facts, facts, measures
from go_gym.leaderboard.schema import RESULTS, Row, write_rows
from go_gym.problem import Decision, Problem
from go_gym.problem.decision_file import dump_decision
from go_gym.runs.curves import RunCurve, curve_path, write_curve
from go_gym.runs.folders import OWN, keep_own, put, rows_in
from go_gym.simulator import VERSION, simulate


@dataclass(frozen=True)
class Plan:
    """What to run: every agent on every problem, seed and priority rule."""

    agents: tuple[str, ...]
    problems: tuple[Problem, ...]
    seeds: tuple[int, ...] = (0,)
    priorities: tuple[str, ...] = ("fifo",)
    budget: int = 0
    command: str = ""

    def jobs(self) -> "Iterator[Job]":
        """The jobs, problem by problem."""
        for problem, agent, seed in product(self.problems, self.agents, self.seeds):
            yield Job(problem, agent, seed)

    def __len__(self) -> int:
        return len(self.problems) * len(self.agents) * len(self.seeds)


@dataclass(frozen=True)
class Job:
    """One agent on one problem with one seed."""

    problem: Problem
    agent: str
    seed: int


@dataclass(frozen=True)
class Failure:
    """A job whose agent raised."""

    job: Job
    error: str


def run(
    plan: Plan, folder: Path, progress: Callable[[Job], None] = lambda job: None
) -> tuple[list[Row], list[Failure]]:
    """Run ``plan`` into ``folder``; rows that are there already are not run again.

    Rows of another version of the agent, another budget, graph, cluster or simulator are run again,
    and those of the same job that were made so go. Each finished job is written before the next
    begins, so that a stop loses none.

    Args:
        plan: what to run.
        folder: gets ``results.csv``, ``decisions/`` and ``curves/``.
        progress: called after each job.

    Returns:
        All rows of the folder, and the jobs whose agent raised.

    Raises:
        FileFormatError: if the folder cannot be written to, or another run writes there.
    """
    with sole_writer(folder):
        return _run(plan, folder, progress)


def _run(
    plan: Plan, folder: Path, progress: Callable[[Job], None]
) -> tuple[list[Row], list[Failure]]:
    path = folder / RESULTS
    rows = {row.key: row for row in rows_in(folder)}
    agents: dict[str, Agent] = {name: load_agent(name) for name in plan.agents}
    for problem in plan.problems:
        keep_own(problem, folder)
    known: dict[tuple[int, str], Facts] = {}
    failures = []
    for job in plan.jobs():
        agent = agents[job.agent]
        if not is_done(rows, plan, job, agent, folder):
            try:
                budget = Budget(job.problem, plan.budget)
                decision, seconds = answer(agent, job, budget)
            except Exception as error:  # a stranger's code: named, and the others go on
                if is_interrupt(error):
                    raise KeyboardInterrupt from None
                failures.append(Failure(job, f"{type(error).__name__}: {error}"))
            else:
                for rule in plan.priorities if decision.priority is None else (OWN,):
                    fact_key = (id(job.problem), "fifo" if rule == OWN else rule)
                    if fact_key not in known:
                        known[fact_key] = facts(job.problem, fact_key[1])
                    final = decision if rule == OWN else prioritised(job.problem, decision, rule)
                    row = record(
                        folder, plan, job, agent, final, rule, known[fact_key], budget.used, seconds
                    )
                    put(rows, row)
                where = (job.problem.graph.name, job.problem.cluster.name, job.agent, job.seed)
                curve = curve_path(folder, job.problem.task, *where)
                write_curve(curve, RunCurve.of(budget))
                write_rows(path, rows.values())
        progress(job)
    return list(rows.values()), failures


def solve(agent: Agent, job: Job, simulations: int) -> tuple[Decision, int, float]:
    """What an agent decides within its budget: the better of its answer and the best it tried.

    Returns:
        The decision, the simulator calls used, and the seconds taken.

    Raises:
        AgentError: if the agent does not decide this task, raises something, or gives something
            else than a Decision.
    """
    budget = Budget(job.problem, simulations)
    try:
        decision, seconds = answer(agent, job, budget)
    except GoGymError:
        raise
    except Exception as error:  # a stranger's code
        if is_interrupt(error):
            raise KeyboardInterrupt from None
        what = f"{type(error).__name__}: {error}"
        raise AgentError(f"agent {job.agent!r} on {job.problem.graph.name}: {what}") from error
    return decision, budget.used, seconds


def answer(agent: Agent, job: Job, budget: Budget) -> tuple[Decision, float]:
    """Like :func:`solve` with a budget of the caller's: the decision and the seconds taken."""
    if job.problem.task not in tasks_of(agent):
        raise AgentError(
            f"agent {job.agent!r} decides {', '.join(tasks_of(agent))}, not {job.problem.task}"
        )
    start = time.perf_counter()
    decision = agent.solve(job.problem, budget, job.seed)
    seconds = time.perf_counter() - start
    if not isinstance(decision, Decision):
        raise AgentError(f"agent {job.agent!r} gave {type(decision).__name__}, no Decision")
    result = simulate(job.problem, decision)
    if budget.best is not None and budget.best_step_time_ns is not None:
        better = budget.best_step_time_ns < result.step_time_ns
        if better or not result.valid:
            decision = budget.best
    return decision, seconds


def is_done(
    rows: Mapping[tuple[str, ...], Row], plan: Plan, job: Job, agent: Agent, folder: Path
) -> bool:
    """Whether ``rows``, by key, hold all that the job would give: under the plan's priorities or
    the agent's own, each with its decision in ``folder``."""
    graph, cluster = job.problem.graph.name, job.problem.cluster.name
    for rules in (plan.priorities, (OWN,)):
        keys = [
            (job.problem.task, graph, cluster, job.agent, rule, str(job.seed)) for rule in rules
        ]
        known = [rows[key] for key in keys if key in rows]
        if len(known) == len(keys) and all(
            _is_current(row, plan, job, agent) and (folder / row.decision).is_file()
            for row in known
        ):
            return True
    return False


def _is_current(row: Row, plan: Plan, job: Job, agent: Agent) -> bool:
    return (
        row.graph_hash == job.problem.graph.content_hash
        and row.cluster_hash == job.problem.cluster.content_hash
        and row.agent_version == agent.version
        and row.budget == plan.budget
        and row.simulator_version == VERSION
    )


def record(
    folder: Path,
    plan: Plan,
    job: Job,
    agent: Agent,
    decision: Decision,
    rule: str,
    known: Facts,
    used: int,
    seconds: float,
) -> Row:
    """Simulate a final decision, write its file, and give its row."""
    problem = job.problem
    result = simulate(problem, decision)
    data = dump_decision(problem, decision)
    name = f"{problem.graph.name}/{problem.cluster.name}/{job.agent}-{rule}-{job.seed}.npz"
    relative = f"decisions/{problem.task}/{name}"
    atomic_write(folder / relative, data)
    return Row(
        task=problem.task,
        graph=problem.graph.name,
        graph_hash=problem.graph.content_hash,
        cluster=problem.cluster.name,
        cluster_hash=problem.cluster.content_hash,
        backend="simulator",
        agent=job.agent,
        agent_version=agent.version,
        track=getattr(agent, "track", "tuned"),
        priorities=rule,
        seed=job.seed,
        budget=plan.budget,
        budget_used=used,
        wall_seconds=round(seconds, 3),
        **measures(result, known),
        decision=relative,
        decision_hash=sha256(data),
        simulator_version=VERSION,
        command=plan.command,
    )


def check_names(problems: Sequence[Problem]) -> None:
    """Raise GoGymError unless every graph and cluster has a name fit for a file, and its own."""
    seen: dict[tuple[str, str], str] = {}
    for problem in problems:
        for kind, thing in (("graph", problem.graph), ("cluster", problem.cluster)):
            name = thing.name
            if not name or not all(c.isalnum() or c in "-_.+" for c in name) or name[0] == ".":
                raise GoGymError(
                    f"{kind} {name!r}: its name must be of letters, digits, '-', '_', '.'"
                )
            if seen.setdefault((kind, name), thing.content_hash) != thing.content_hash:
                raise GoGymError(f"{kind} {name!r}: two of this name; each needs its own")


def check_priorities(names: Sequence[str]) -> None:
    """Raise GoGymError unless each is a known priority rule."""
    for name in names:
        if name not in PRIORITIES:
            raise GoGymError(f"priorities {name!r}: expected one of {', '.join(PRIORITIES)}")
