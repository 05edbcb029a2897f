"""go-gym pipeline: a captured step as a pipeline of micro-batches."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, bar, one_line_errors, print_table, say


@app.command()
def pipeline(
    graph: Annotated[str, typer.Option("--graph", "-g", help="Name or .npz path.")],
    cluster: Annotated[str, typer.Option("--cluster", "-c", help="Preset or .toml path.")],
    micro: Annotated[
        list[int] | None,
        typer.Option("--micro", "-m", min=1, help="Repeat for several; default 8."),
    ] = None,
    schedule: Annotated[
        list[str] | None,
        typer.Option("--schedule", "-s", help="gpipe, 1f1b, interleaved or zero-bubble."),
    ] = None,
    cut: Annotated[
        list[str] | None,
        typer.Option("--cut", help="uniform, parameters or balanced."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of pictures and a trace of the best plan.")
    ] = None,
) -> None:
    """Cut a step into stages, run it in micro-batches, compare schedules exactly.

    Example: go-gym pipeline -g vit-b16 -c p100x4 --micro 8
    """
    from go_gym.catalogue.problems import only_problem
    from go_gym.errors import GoGymError
    from go_gym.pipeline import CUTS, SCHEDULES, Blocks, best_of, compare

    numbers, schedules, cuts = micro or [8], schedule or list(SCHEDULES), cut or list(CUTS)
    with one_line_errors():
        for given, known, what in ((schedules, SCHEDULES, "schedule"), (cuts, CUTS, "cut")):
            for name in given:
                if name not in known:
                    raise GoGymError(f"{what} {name!r}: expected one of {', '.join(known)}")
        blocks = Blocks.of(only_problem(graph, cluster, "placement"))
        found = []
        with bar(len(numbers) * len(schedules) * len(cuts)) as progress:
            for each in compare(blocks, numbers, schedules, cuts):
                found.append(each)
                progress.update(progress.task_ids[0], advance=1, description=each.schedule)
        rows = [_row(each) for each in found if each.run is not None]
        headings = ["cut", "schedule", "micro-batches", "step ms", "bubble", "peak GB", "valid"]
        print_table(f"{graph} on {cluster}", headings, rows)
        for reason in dict.fromkeys(each.reason for each in found if each.reason):
            say(reason)
        best = best_of(found)
        if best is None or best.run is None or best.plan is None:
            raise GoGymError(f"{graph} on {cluster}: no plan is valid")
        stages = " | ".join(map(str, best.plan.cuts[1:-1]))
        say(
            f"Best: {best.cut} cuts, {best.schedule}, {best.micro} micro-batches; "
            f"{blocks.count} blocks cut before {stages or 'none'}"
        )
        if out is not None:
            from go_gym.cli.trace import write_pictures

            name = f"{blocks.problem.graph.name}-{blocks.problem.cluster.name}"
            stem = out / f"{name}-{best.cut}-{best.schedule}-{best.micro}"
            write_pictures(best.run.problem, best.run.decision, stem)


def _row(each) -> list[str]:
    result = each.run.result
    return [
        each.cut,
        each.schedule,
        str(each.micro),
        f"{result.step_time_ns / 1e6:,.1f}",
        f"{each.run.bubble:.1%}",
        f"{result.peak_memory.max() / 1e9:.2f}",
        "yes" if result.valid else "no",
    ]
