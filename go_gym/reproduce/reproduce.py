"""Run an experiment and write its rows, table and pictures."""

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from go_gym.cluster.toml import format_cluster
from go_gym.files import atomic_write
from go_gym.leaderboard.schema import Row
from go_gym.problem import Problem
from go_gym.reproduce.curves import curves_of, save_curves_csv, save_curves_png
from go_gym.reproduce.execute import Outcome, equal_calls, equal_time, execute, problems_of
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.published import CITATION
from go_gym.runs.runner import Failure, Job

EQUAL_TIME = "equal-time"
"""Folder, inside the experiment's, of the comparison at equal wall time."""


def reproduce(
    experiment: Experiment,
    folder: Path,
    *,
    workers: str = "1",
    begin: Callable[[int], None] = lambda jobs: None,
    progress: Callable[[Job], None] = lambda job: None,
) -> tuple[str, list[Failure]]:
    """Run what is missing of an experiment and write all that it shows.

    Args:
        experiment: what to run.
        folder: gets ``results.csv``, ``decisions/`` and ``curves/`` (as ``go-gym verify`` reads
            them), ``equal-time/`` with the same, the table ``NAME.md``, ``NAME-curves.csv`` and
            ``NAME-curves.png``, and for all but table2 a picture ``NAME.png``.
        workers: ``"1"`` or ``"ray"``.
        begin: called with the number of jobs before each of the two comparisons.
        progress: called after each job.

    Returns:
        The Markdown, and the jobs whose agent raised.
    """
    problems = problems_of(experiment)
    _keep_own(experiment, problems, folder)
    plans = equal_calls(experiment, problems)
    begin(len(plans))
    done = execute(plans, folder, workers, progress)
    rows = _wanted(experiment, problems, done.rows)
    timed = Outcome((), ())
    if experiment.reference in experiment.agents:
        apart = folder / EQUAL_TIME
        _keep_own(experiment, problems, apart)
        plans = equal_time(experiment, problems, rows)
        begin(len(plans))
        timed = execute(plans, apart, workers, progress)
    text = write_report(experiment, folder, rows, _wanted(experiment, problems, timed.rows))
    return text, [*done.failures, *timed.failures]


def write_report(
    experiment: Experiment, folder: Path, rows: Sequence[Row], timed: Sequence[Row]
) -> str:
    """Write the Markdown table, the curves and the pictures of rows that are there."""
    rows, timed = _in_order(experiment, rows), _in_order(experiment, timed)
    text = _heading(experiment, rows) + experiment.report(experiment, rows, timed, folder)
    atomic_write(folder / f"{experiment.name}.md", text.rstrip() + "\n")
    curves = curves_of(rows, folder)
    save_curves_csv(folder / f"{experiment.name}-curves.csv", curves)
    title = experiment.title + (" – quick form" if experiment.quick else "")
    if rows:
        save_curves_png(folder / f"{experiment.name}-curves.png", title, curves, rows)
    return text


def _wanted(experiment: Experiment, problems: Sequence[Problem], rows: Sequence[Row]) -> list[Row]:
    """The rows of this experiment among all that the folder holds."""
    pairs = {(problem.graph.name, problem.cluster.name) for problem in problems}
    return [
        row
        for row in rows
        if (row.graph, row.cluster) in pairs
        and row.agent in experiment.agents
        and row.seed in experiment.seeds
        and row.task == experiment.task
    ]


def _in_order(experiment: Experiment, rows: Sequence[Row]) -> list[Row]:
    graphs = {Path(name).stem: index for index, name in enumerate(experiment.graphs)}
    agents = {name: index for index, name in enumerate(experiment.agents)}
    return sorted(rows, key=lambda r: (graphs.get(r.graph, len(graphs)), agents[r.agent], r.seed))


def _heading(experiment: Experiment, rows: Sequence[Row]) -> str:
    seeds = ", ".join(map(str, experiment.seeds))
    lines = [f"# {experiment.title}", ""]
    if experiment.quick:
        lines += [
            f"**Quick form: {experiment.budget:,} simulator calls and few graphs; it shows that "
            "all runs, not which agent is better.**",
            "",
        ]
    lines += [
        f"{experiment.budget:,} simulator calls for each agent, graph and seed; seeds {seeds}; "
        "cells give the median ± half the range, and the ratio to the first column of times. "
        f"{os.cpu_count()} cores, {platform.machine()}. The paper: {CITATION}.",
        "",
        *_fewer_seeds(experiment, rows),
        "```console",
        experiment.command,
        "```",
        "",
    ]
    return "\n".join(lines) + "\n"


def _fewer_seeds(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    """A line that names the agents which have not run with every seed on every graph."""
    wanted = len(experiment.graphs) * len(experiment.seeds)
    short = []
    for agent in experiment.agents:
        have = len({(row.graph, row.seed) for row in rows if row.agent == agent})
        if have < wanted:
            short.append(f"{agent} {have}")
    if not short:
        return []
    return [f"Of {wanted} runs (graphs × seeds) there are fewer of: {', '.join(short)}.", ""]


def _keep_own(experiment: Experiment, problems: Sequence[Problem], folder: Path) -> None:
    """Graphs and clusters that do not come with go_gym lie beside the rows, for the verifier."""
    named = zip(experiment.graphs, experiment.clusters, problems, strict=True)
    for graph, cluster, problem in named:
        if str(graph).endswith(".npz"):
            path = folder / "graphs" / f"{problem.graph.name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            problem.graph.save(path)
        if str(cluster).endswith(".toml"):
            text = format_cluster(problem.cluster)
            atomic_write(folder / "clusters" / f"{problem.cluster.name}.toml", text)
