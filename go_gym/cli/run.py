"""go-gym run: agents over problems."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from go_gym.cli.shared import (
    GOES_ON,
    MAX_SEED,
    Clusters,
    Graphs,
    app,
    bar,
    complain,
    one_line_errors,
    print_table,
    say,
)
from go_gym.errors import visible

if TYPE_CHECKING:
    from go_gym.leaderboard.isolated import Limits


@app.command()
def run(
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            "-a",
            help="KIND or KIND:OPTION=VALUE,… (see go-gym agents); repeat for several; default all "
            "kinds of the task.",
        ),
    ] = None,
    task: Annotated[
        str, typer.Option(help="placement, scheduling, fusion or joint.")
    ] = "placement",
    graph: Graphs = None,
    cluster: Clusters = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, max=MAX_SEED, help="Repeat for several; default 0."),
    ] = None,
    priorities: Annotated[
        list[str] | None, typer.Option(help="fifo or critical-path; repeat for both.")
    ] = None,
    budget: Annotated[int, typer.Option(min=0, help="Simulator calls allowed.")] = 4000,
    seconds: Annotated[
        float,
        typer.Option(min=0.0, help="CPU time allowed, after which an agent is stopped; 0 for any."),
    ] = 0.0,
    out: Annotated[Path, typer.Option(help="Folder that gets results.csv.")] = Path("runs/latest"),
    isolate: Annotated[
        bool, typer.Option(help="Run each job in a process of its own, with limits.")
    ] = False,
    max_seconds: Annotated[
        float, typer.Option(min=0.1, help="Of an isolated job's wall time.")
    ] = 3600.0,
    max_memory: Annotated[
        float, typer.Option(min=0.1, help="GiB, of an isolated job's processes together.")
    ] = 8.0,
) -> None:
    """Run agents; write a row for each, with its decision; go on where a stop left off.

    Decisions lie in decisions.npz, best-so-far curves in curves.npz, by the hashes in the rows.

    Default: rnnlm-2 on p100x2.

    Example: go-gym run -a metis -a sa:start=best -g rnnlm-2 -c p100x2 --out runs/mine
    """
    from go_gym.agent import agents_for, canonical_name
    from go_gym.leaderboard.isolated import Limits

    with one_line_errors(GOES_ON):
        names = map(canonical_name, agent or agents_for(task))
        failed = run_agents(
            agents=list(dict.fromkeys(names)),
            graphs=graph or ["rnnlm-2"],
            clusters=cluster or ["p100x2"],
            seeds=seed or [0],
            priorities=priorities or ["fifo"],
            budget=budget,
            out=out,
            task=task,
            limits=Limits(max_seconds, int(max_memory * 2**30)) if isolate else None,
            seconds=seconds,
        )
    if failed:
        raise typer.Exit(1)


def run_agents(
    agents: list[str],
    graphs: list[str],
    clusters: list[str],
    seeds: list[int],
    priorities: list[str],
    budget: int,
    out: Path,
    task: str = "placement",
    limits: "Limits | None" = None,
    seconds: float = 0.0,
) -> bool:
    """Run, print the tables of what ran, and say whether any agent failed."""
    from go_gym.catalogue.instances import load as load_instance
    from go_gym.catalogue.problems import OWN_CLUSTER, resolve_problems
    from go_gym.leaderboard.optima import keep_known, read_known
    from go_gym.leaderboard.run import Jobs, check_names, check_priorities
    from go_gym.leaderboard.run import run as run_jobs
    from go_gym.leaderboard.schema import RESULTS
    from go_gym.leaderboard.tables import groups, headings

    problems = [problem for name in clusters for problem in resolve_problems(graphs, name, task)]
    check_names(problems)
    check_priorities(priorities)
    options = [
        *([("--task", task)] if task != "placement" else []),
        *(("--agent", name) for name in agents),
        *(("--graph", name) for name in graphs),
        *(("--cluster", name) for name in clusters),
        *(("--seed", str(seed)) for seed in seeds),
        *(("--priorities", rule) for rule in priorities),
        ("--budget", str(budget)),
        *([("--seconds", f"{seconds:g}")] if seconds else []),
    ]
    command = shlex.join(["go-gym", "run", *(part for option in options for part in option)])
    jobs = Jobs(
        tuple(agents),
        tuple(problems),
        tuple(seeds),
        tuple(priorities),
        budget,
        visible(command)[:2048],
        limits,
        seconds,
    )
    with bar(len(jobs)) as progress:

        def advance(job) -> None:
            where = f"{job.agent} on {job.problem.graph.name}, {job.problem.cluster.name}"
            progress.update(progress.task_ids[0], advance=1, description=where[:42])

        rows, failures = run_jobs(jobs, out, advance)
    ran = [
        row
        for row in rows
        if row.task == task
        and row.agent_name in agents
        and any((row.graph, row.cluster) == (p.graph.name, p.cluster.name) for p in problems)
    ]
    if OWN_CLUSTER in clusters:
        keep_known(map(load_instance, graphs), out)
    known = read_known(out)
    for (_, graph, cluster, rule), table in groups(ran, known).items():
        print_table(f"{graph} on {cluster} ({task}, {rule} priorities)", headings(known), table)
    if rows:
        say(f"{len(rows)} rows in {out / RESULTS}")
    for failure in failures:
        job = failure.job
        where = f"agent {job.agent!r} on {job.problem.graph.name}, {job.problem.cluster.name}"
        complain(f"{where}: {failure.error}")
    return bool(failures)
