"""Run an experiment's jobs, here or spread; a stop loses no finished job."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from go_gym.agent import load_agent
from go_gym.catalogue.problems import make_problem, resolve_graphs
from go_gym.cluster import load_cluster
from go_gym.leaderboard.merge import merge
from go_gym.leaderboard.run import Failure, Job, Jobs, check_names, is_done
from go_gym.leaderboard.schema import RESULTS, Row
from go_gym.leaderboard.store import Board
from go_gym.problem import Problem
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.spread import check_workers, run_warm, spread

PARTS = "parts"
"""Folder of what several workers write, each job in one of its own, until it is done."""
MOST_CALLS = 200_000
"""Most simulator calls in the comparison at equal time (our choice)."""
LEAST_SECONDS = 0.01
"""Below this no clock is set and no pace is told (our choice: processes' times tick in 10 ms)."""


@dataclass(frozen=True)
class Outcome:
    """What came of the jobs: all rows of the folder, and the jobs that failed."""

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]


def problems_of(experiment: Experiment) -> list[Problem]:
    """The experiment's problems, in order; raises GoGymError for a bad graph or cluster."""
    made = []
    for graph, cluster in experiment.graphs.items():
        (loaded,) = resolve_graphs([graph])
        made.append(make_problem(loaded, load_cluster(cluster), experiment.what.task))
    check_names(made)
    return made


def equal_calls(experiment: Experiment, problems: Sequence[Problem]) -> list[Jobs]:
    """Each job on its own, all with the experiment's budget."""
    return [
        _jobs(experiment, problem, agent, seed, experiment.budget)
        for problem in problems
        for agent in experiment.agents
        for seed in experiment.seeds
    ]


def idle(row: Row) -> bool:
    """Whether more calls would have brought the row nothing: it left some of them unused."""
    return row.budget_used < 0.9 * row.budget


def equal_time(
    experiment: Experiment, problems: Sequence[Problem], rows: Sequence[Row]
) -> list[Jobs]:
    """Each job on its own, stopped by a clock at the reference agent's time on that problem.

    The clock, of CPU time, has the median of the reference's seconds over the seeds of the rows at
    equal calls, to three digits; scheduled forms get the time of the reference's. Searches plan
    ahead by calls, so each is told as many as its own median pace promises in that time, at most
    MOST_CALLS. Agents that are :func:`idle` are left out, as more time would bring them nothing.
    """
    timed = experiment.equal_time
    if not timed.wanted or experiment.what.timed_by not in experiment.agents:
        return []
    runs = []
    for problem in problems:
        if timed.graphs and problem.graph.name not in timed.graphs:
            continue
        mine = {
            (row.agent_name, row.seed): row
            for row in rows
            if (row.graph, row.cluster) == (problem.graph.name, problem.cluster.name)
        }
        taken = {
            agent: median(row.wall_seconds for (name, _), row in mine.items() if name == agent)
            for agent, _ in mine
        }
        for seed in timed.seeds or experiment.seeds[:1]:
            for agent in timed.agents or experiment.agents:
                row, pace = mine.get((agent, seed)), taken.get(_pace(experiment, agent))
                if row is None or pace is None or idle(row):
                    continue
                seconds = max(float(f"{pace:.3g}"), LEAST_SECONDS)
                calls = round(row.budget * seconds / max(taken[agent], LEAST_SECONDS))
                calls = min(MOST_CALLS, max(1, calls))
                runs.append(_jobs(experiment, problem, agent, seed, calls, seconds))
    return runs


def _pace(experiment: Experiment, agent: str) -> str:
    """Whose wall time an agent gets."""
    forms, reference = experiment.what.best_priorities, experiment.what.timed_by
    return forms[reference] if agent in forms.values() else reference


def execute(
    runs: Sequence[Jobs],
    folder: Path,
    workers: str = "1",
    progress: Callable[[Job], None] = lambda job: None,
) -> Outcome:
    """Run single jobs into ``folder``; jobs that are done there are not run again.

    Args:
        runs: see :func:`equal_calls`.
        folder: gets a board, see :mod:`go_gym.leaderboard.store`.
        workers: ``"1"``: one job after the other in this process; another number: in so many
            processes; ``"ray"``: over Ray's workers.
        progress: called after each job.

    Raises:
        GoGymError: for another ``workers``, or if Ray is not installed.
    """
    check_workers(workers)
    failures: list[Failure] = []
    _gather(folder, [part.parent for part in folder.glob(f"{PARTS}/*/{RESULTS}")])
    left = missing(runs, folder)
    waiting = set(map(id, left))
    for jobs in runs:
        if id(jobs) not in waiting:
            progress(next(iter(jobs)))
    if workers == "1":
        for jobs in left:
            failures += run_warm(jobs, folder)
            progress(next(iter(jobs)))
    else:
        for jobs, part, failed in spread([(jobs, _part(folder, jobs)) for jobs in left], workers):
            failures += failed
            _gather(folder, [part])
            progress(next(iter(jobs)))
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    return Outcome(tuple(Board(folder).rows), tuple(failures))


def missing(runs: Sequence[Jobs], folder: Path) -> list[Jobs]:
    """The single jobs that ``folder`` does not hold as they would come out now."""
    board = Board(folder)
    agents = {name: load_agent(name) for jobs in runs for name in jobs.agents}
    left = []
    for jobs in runs:
        (job,) = jobs
        if not is_done(board, jobs, job, agents[job.agent]):
            left.append(jobs)
    return left


def _jobs(
    experiment: Experiment,
    problem: Problem,
    agent: str,
    seed: int,
    budget: int,
    seconds: float = 0.0,
) -> Jobs:
    return Jobs(
        agents=(agent,),
        problems=(problem,),
        seeds=(seed,),
        priorities=experiment.what.priorities,
        budget=budget,
        command=experiment.command[:2048],
        seconds=seconds,
    )


def _part(folder: Path, jobs: Jobs) -> Path:
    (job,) = jobs
    problem = job.problem
    name = f"{problem.task}-{problem.graph.name}-{problem.cluster.name}-{job.agent}-{job.seed}"
    return folder / PARTS / name


def _gather(folder: Path, parts: Sequence[Path]) -> None:
    """Take in what parts hold, nothing of those whose job failed, and remove them."""
    merge(folder, [part for part in parts if (part / RESULTS).exists()])
    for part in parts:
        shutil.rmtree(part, ignore_errors=True)
