"""Run an experiment and write its rows, table and pictures."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from go_gym.agent import load_agent
from go_gym.baselines.priorities import OWN
from go_gym.files import atomic_write
from go_gym.leaderboard.merge import merge
from go_gym.leaderboard.own import keep_own
from go_gym.leaderboard.run import Failure, Job
from go_gym.leaderboard.schema import RESULTS, Row
from go_gym.leaderboard.store import Board
from go_gym.reproduce.bars import save_bars
from go_gym.reproduce.catalogue import experiment_of
from go_gym.reproduce.execute import Outcome, equal_calls, equal_time, execute, problems_of
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.mean_curves import save_mean_curves_png
from go_gym.reproduce.pictures import save_curves_png
from go_gym.reproduce.report import Report
from go_gym.reproduce.specification import FIFO

EQUAL_TIME = "equal-time"
"""Folder, inside the experiment's, of the comparison at equal wall time."""


def reproduce(
    experiment: Experiment,
    folder: Path,
    *,
    workers: str = "1",
    sources: Sequence[Path] = (),
    begin: Callable[[int], None] = lambda jobs: None,
    progress: Callable[[Job], None] = lambda job: None,
) -> tuple[str, list[Failure]]:
    """Run what is missing of an experiment and write all that it shows.

    Args:
        experiment: what to run.
        folder: gets a board (as ``go-gym verify`` reads it), ``equal-time/`` with another, the
            table ``NAME.md``, the pictures ``NAME-calls.png`` and ``NAME-curves.png``, and of an
            experiment with bars ``NAME.png``.
        workers: ``"1"``, a number of processes, or ``"ray"``.
        sources: folders of the same kind, whose rows of this experiment are taken in first.
        begin: called with the number of jobs before each of the two comparisons.
        progress: called after each job.

    Returns:
        The Markdown, and the jobs whose agent raised.
    """
    problems = problems_of(experiment)
    for problem in problems:
        keep_own(problem, folder)
    take_in(experiment, folder, sources)
    runs = equal_calls(experiment, problems)
    begin(len(runs))
    done = execute(runs, folder, workers, progress)
    pairs = {(problem.graph.name, problem.cluster.name) for problem in problems}
    rows = _wanted(experiment, done.rows, pairs)
    apart = folder / EQUAL_TIME
    timed = Outcome(tuple(Board(apart).rows), ())
    runs = equal_time(experiment, problems, rows)
    if runs:
        for problem in problems:
            keep_own(problem, apart)
        begin(len(runs))
        timed = execute(runs, apart, workers, progress)
    at_equal_time = _timed(_wanted(experiment, timed.rows, pairs))
    text = write_report(experiment, folder, rows, at_equal_time)
    return text, [*done.failures, *timed.failures]


def take_in(experiment: Experiment, folder: Path, sources: Sequence[Path]) -> None:
    """Take the experiment's rows of other folders into ``folder``, those at equal time as well.

    Rows of other graphs, agents, seeds, budgets and rules stay where they are, and so do those of
    another version of the agent than the installed one.
    """
    for apart, budgets in ((Path(), {experiment.budget}), (Path(EQUAL_TIME), None)):
        there = [source / apart for source in sources]
        if apart != Path():
            there = [source for source in there if (source / RESULTS).exists()]
        merge(folder / apart, there, partial(_belongs, experiment, budgets))


def report_only(experiment: Experiment, folder: Path) -> str:
    """Write table and pictures of the rows that ``folder`` holds of the experiment; run
    nothing."""
    made = report_of(experiment, folder)
    return write_report(made.experiment, folder, made.rows, made.timed)


def report_of(experiment: Experiment, folder: Path) -> Report:
    """The report of the rows that ``folder`` holds of the experiment; nothing is run or written."""
    rows = _wanted(experiment, Board(folder).rows)
    timed = _timed(_wanted(experiment, Board(folder / EQUAL_TIME).rows))
    whole = replace(experiment_of(experiment.name), quick=experiment.quick)
    ran = whole.ran(rows, timed)
    return Report(ran, _in_order(ran, rows), _in_order(ran, timed), folder)


def write_report(
    experiment: Experiment, folder: Path, rows: Sequence[Row], timed: Sequence[Row]
) -> str:
    """Write the Markdown table and the pictures of rows that are there."""
    rows, timed = _in_order(experiment, rows), _in_order(experiment, timed)
    report = Report(experiment, rows, timed, folder)
    text = report.text()
    curves = report.curves
    what = experiment.what
    if what.bars:
        ours, theirs = report.bars()
        groups = [graph for graph, _ in report.graphs]
        path = folder / f"{experiment.name}.png"
        save_bars(path, what.title, what.bars, groups, ours, theirs)
    title = what.title + (" – quick form" if experiment.quick else "")
    forms = set(what.best_priorities.values())
    # curves are under first in, first out, or the agent's own priorities: so are the levels
    plain = [r for r in rows if r.agent_name not in forms and r.priorities in (FIFO, OWN)]
    save_curves_png(folder / f"{experiment.name}-curves.png", title, curves, plain)
    path = folder / f"{experiment.name}-calls.png"
    save_mean_curves_png(path, title, curves, plain, what.reference)
    scheduled = [row for row in rows if row.agent_name in forms]
    path = folder / f"{experiment.name}-curves-scheduled.png"
    save_curves_png(path, f"{title}: critical-path priorities", curves, scheduled)
    atomic_write(
        folder / f"{experiment.name}.md", f"{text.rstrip()}\n{_pictures(experiment, folder)}"
    )
    return text


def _pictures(experiment: Experiment, folder: Path) -> str:
    """Lines that show the pictures that there are."""
    names = [
        f"{experiment.name}{end}.png" for end in ("-calls", "", "-curves", "-curves-scheduled")
    ]
    shown = [
        f"\n![{experiment.what.title}]({name})\n" for name in names if (folder / name).exists()
    ]
    return "".join(shown)


def _wanted(
    experiment: Experiment, rows: Sequence[Row], pairs: Collection[tuple[str, str]] | None = None
) -> list[Row]:
    """The rows of this experiment among all that a folder holds.

    Args:
        pairs: names of its graphs and clusters; None for whatever there are rows of.
    """
    wanted = [
        row
        for row in rows
        if (pairs is None or (row.graph, row.cluster) in pairs)
        and row.agent_name in experiment.agents
        and row.seed in experiment.seeds
        and row.task == experiment.what.task
    ]
    return _of_one_simulator(wanted)


def _of_one_simulator(rows: Sequence[Row]) -> list[Row]:
    """Rows of the simulator's version that made most of them, the newest of several such.

    Step times of two versions are not compared: what a board has of another one waits until it is
    whole there.
    """
    made = Counter(row.simulator_version for row in rows)
    shown = max(made, key=lambda version: (made[version], version), default=0)
    return [row for row in rows if row.simulator_version == shown]


def _timed(rows: Sequence[Row]) -> list[Row]:
    """The rows that a clock stopped; all where there is none, as in boards of before the clock."""
    return [row for row in rows if row.budget_seconds] or list(rows)


def _belongs(experiment: Experiment, budgets: Collection[int] | None, row: Row) -> bool:
    return (
        bool(_wanted(experiment, [row]))
        and row.graph in {Path(name).stem for name in experiment.graphs}
        and row.priorities in (*experiment.what.priorities, OWN)
        and (budgets is None or (row.budget in budgets and not row.budget_seconds))
        and row.agent_version == load_agent(row.agent_name).version
    )


def _in_order(experiment: Experiment, rows: Sequence[Row]) -> list[Row]:
    graphs = {Path(name).stem: index for index, name in enumerate(experiment.graphs)}
    agents = {name: index for index, name in enumerate(experiment.agents)}
    return sorted(
        rows, key=lambda r: (graphs.get(r.graph, len(graphs)), agents[r.agent_name], r.seed)
    )
