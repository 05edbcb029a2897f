"""go-gym reproduce: the paper's tables and figures, ours beside them."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import GOES_ON, MAX_SEED, app, bar, complain, one_line_errors, say


# Long: an argument for each option, with its help
@app.command()
def reproduce(
    experiment: Annotated[
        str, typer.Argument(help="table2, table3, fig5, fig6 or ablation.")
    ] = "table2",
    quick: Annotated[
        bool, typer.Option(help="Minutes on two cores: few graphs, one seed, few calls.")
    ] = False,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seeds", min=0, max=MAX_SEED, help="Repeat for several; default 0 to 4."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Simulator calls a job; default 4000.")
    ] = None,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", "-a", help="Repeat for several.")
    ] = None,
    graph: Annotated[
        list[str] | None, typer.Option("--graph", "-g", help="Name or .npz path; repeat.")
    ] = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option("--cluster", "-c", help="For other graphs: one each, or one for all."),
    ] = None,
    equal_time: Annotated[
        bool, typer.Option(help="Also compare at the wall time of GO, where the table does.")
    ] = True,
    equal_time_seeds: Annotated[
        list[int] | None, typer.Option(help="Seeds of that comparison; default the first.")
    ] = None,
    equal_time_agent: Annotated[
        list[str] | None, typer.Option(help="Its agents; default all.")
    ] = None,
    equal_time_graph: Annotated[
        list[str] | None, typer.Option(help="Its graphs; default all.")
    ] = None,
    workers: Annotated[
        str,
        typer.Option(
            help="Processes, a core each; or ray: spread over Ray's workers (extra spread)."
        ),
    ] = "1",
    merge: Annotated[
        list[Path] | None,
        typer.Option(help="Take in this experiment's rows of another folder first; repeat."),
    ] = None,
    report_only: Annotated[
        bool, typer.Option(help="Run nothing: write table and pictures of the rows there are.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder; default runs/reproduce-EXPERIMENT.")
    ] = None,
) -> None:
    """Run a table or figure of the GO paper; what is done already is not run again.

    Rows of an agent whose version has changed are run anew and replaced. Several runs with other
    agents or graphs, each with a folder of its own, are put together with --merge.

    Example: go-gym reproduce table2 --quick
    """
    from go_gym.reproduce.catalogue import experiment_of
    from go_gym.reproduce.experiment import EqualTime
    from go_gym.reproduce.reproduce import report_only as report
    from go_gym.reproduce.reproduce import reproduce as run
    from go_gym.reproduce.reproduce import take_in

    with one_line_errors(GOES_ON):
        chosen = experiment_of(experiment).changed(
            quick=quick,
            graphs=graph or (),
            clusters=cluster or (),
            agents=agent or (),
            seeds=seeds or (),
            budget=budget,
            equal_time=EqualTime(
                wanted=equal_time,
                seeds=tuple(equal_time_seeds or ()),
                graphs=tuple(equal_time_graph or ()),
                agents=tuple(equal_time_agent or ()),
            ),
        )
        folder = out or Path("runs") / f"reproduce-{experiment}{'-quick' if quick else ''}"
        if report_only:
            take_in(chosen, folder, merge or ())
            typer.echo(report(chosen, folder))
            return
        with bar(0) as progress:
            task = progress.task_ids[0]

            def begin(jobs: int) -> None:
                progress.update(task, total=(progress.tasks[0].total or 0) + jobs)

            def advance(job) -> None:
                where = f"{job.agent} on {job.problem.graph.name}, {job.problem.cluster.name}"
                progress.update(task, advance=1, description=where[:42])

            text, failures = run(
                chosen,
                folder,
                workers=workers,
                sources=merge or (),
                begin=begin,
                progress=advance,
            )
        typer.echo(text)
        say(f"Table, rows, decisions, curves: {folder}")
        for failure in failures:
            job = failure.job
            where = f"agent {job.agent!r} on {job.problem.graph.name}, {job.problem.cluster.name}"
            complain(f"{where}: {failure.error}")
    if failures:
        raise typer.Exit(1)
