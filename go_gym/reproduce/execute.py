"""Run an experiment's jobs, here or over Ray's workers; a stop loses no finished job."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from go_gym.cluster import load_cluster
from go_gym.envs.problems import resolve_graphs
from go_gym.errors import GoGymError
from go_gym.leaderboard.schema import RESULTS, Row, read_rows, write_rows
from go_gym.problem import Problem
from go_gym.reproduce.experiment import Experiment
from go_gym.runs.runner import Failure, Job, Plan, check_names, run
from go_gym.tasks import make_problem

PARTS = "parts"
"""Folder of what Ray's workers have written, each job in one of its own."""
MOST_CALLS = 200_000
"""Most simulator calls in the comparison at equal wall time (our choice)."""
WORKERS = ("1", "ray")


@dataclass(frozen=True)
class Outcome:
    """What came of the jobs: all rows of the folder, and the jobs that failed."""

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]


def problems_of(experiment: Experiment) -> list[Problem]:
    """The experiment's problems, in order; raises GoGymError for a bad graph or cluster."""
    made = []
    for graph, cluster in zip(experiment.graphs, experiment.clusters, strict=True):
        (loaded,) = resolve_graphs([graph])
        made.append(make_problem(loaded, load_cluster(cluster), experiment.task))
    check_names(made)
    return made


def equal_calls(experiment: Experiment, problems: Sequence[Problem]) -> list[Plan]:
    """A plan a job, all with the experiment's budget."""
    return [
        _plan(experiment, problem, agent, seed, experiment.budget)
        for problem in problems
        for agent in experiment.agents
        for seed in experiment.seeds
    ]


def equal_time(
    experiment: Experiment, problems: Sequence[Problem], rows: Sequence[Row]
) -> list[Plan]:
    """A plan a job, with as many calls as fit into the reference agent's wall time.

    The number follows from the seconds of the rows at equal calls: budget × the reference's
    seconds / the agent's, at most MOST_CALLS. Agents that make no call are left out, as more time
    would bring them nothing.
    """
    plans = []
    for problem in problems:
        mine = {
            (row.agent, row.seed): row
            for row in rows
            if (row.graph, row.cluster) == (problem.graph.name, problem.cluster.name)
        }
        for (agent, seed), row in sorted(mine.items()):
            pace = mine.get((experiment.reference, seed))
            if pace is None or agent not in experiment.agents or row.budget_used < 0.9 * row.budget:
                continue
            more = row.budget * pace.wall_seconds / max(row.wall_seconds, 0.001)
            calls = min(MOST_CALLS, max(1, round(more)))
            plans.append(_plan(experiment, problem, agent, seed, calls))
    return plans


def execute(
    plans: Sequence[Plan], folder: Path, workers: str, progress: Callable[[Job], None]
) -> Outcome:
    """Run plans of one job each into ``folder``; jobs that are done there are not run again.

    Args:
        plans: see :func:`equal_calls`.
        folder: gets ``results.csv``, ``decisions/`` and ``curves/``.
        workers: ``"1"``: one job after the other in this process; ``"ray"``: all over a cluster,
            the one that ``RAY_ADDRESS`` names or this machine.
        progress: called after each job.

    Raises:
        GoGymError: for another ``workers``, or if Ray is not installed.
    """
    if workers not in WORKERS:
        raise GoGymError(f"workers {workers!r}: expected one of {', '.join(WORKERS)}")
    failures: list[Failure] = []
    if workers == "1":
        for plan in plans:
            failures += run(plan, folder, progress)[1]
    else:
        for job, failed in _spread(plans, folder):
            failures += failed
            progress(job)
        _merge(folder)
    path = folder / RESULTS
    return Outcome(tuple(read_rows(path)) if path.exists() else (), tuple(failures))


def _plan(experiment: Experiment, problem: Problem, agent: str, seed: int, budget: int) -> Plan:
    return Plan(
        agents=(agent,),
        problems=(problem,),
        seeds=(seed,),
        priorities=experiment.rules,
        budget=budget,
        command=experiment.command[:2048],
    )


def _spread(plans: Sequence[Plan], folder: Path) -> Iterator[tuple[Job, list[Failure]]]:
    """Each plan as a Ray task with a folder of its own, in the order in which they finish."""
    try:
        import ray
    except ImportError:
        raise GoGymError(
            "workers 'ray': Ray is not installed; expected it from: pip install 'go-gym[spread]'"
        ) from None
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    remote = ray.remote(num_cpus=1)(_run_part)
    waiting = {}
    for plan in plans:
        (job,) = plan.jobs()
        waiting[remote.remote(plan, str(_part(folder, job)))] = job
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        yield waiting.pop(done), ray.get(done)


def _run_part(plan: Plan, folder: str) -> list[Failure]:
    return run(plan, Path(folder))[1]


def _part(folder: Path, job: Job) -> Path:
    problem = job.problem
    name = f"{problem.task}-{problem.graph.name}-{problem.cluster.name}-{job.agent}-{job.seed}"
    return (folder / PARTS / name).resolve()


def _merge(folder: Path) -> None:
    """What the parts hold, into ``folder``."""
    path = folder / RESULTS
    rows = {row.key: row for row in read_rows(path)} if path.exists() else {}
    for part in sorted((folder / PARTS).iterdir()):
        if not (part / RESULTS).exists():
            continue
        rows |= {row.key: row for row in read_rows(part / RESULTS)}
        for kind in ("decisions", "curves"):
            if (part / kind).exists():
                shutil.copytree(part / kind, folder / kind, dirs_exist_ok=True)
    write_rows(path, rows.values())
