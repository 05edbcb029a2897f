"""go-gym measure and calibrate: decisions on real devices."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from go_gym.cli.shared import app, bar, complain, console, one_line_errors, print_table, say

Maker = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="path.py:function that the graph was captured from; not needed "
        "for graphs of the catalogue.",
    ),
]
Urgent = Annotated[
    bool, typer.Option(help="Run the workers before all other programs (needs the right to).")
]


@app.command()
def measure(
    decision: Annotated[Path, typer.Argument(help="Decision file.")],
    graph: Annotated[str, typer.Option("--graph", "-g", help="Name or .npz path.")],
    cluster: Annotated[
        str, typer.Option("--cluster", "-c", help="Preset or .toml path: devices of this machine.")
    ] = "cpu2",
    model: Maker = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that count.")] = 10,
    warmups: Annotated[int, typer.Option(min=0, help="Steps that come first.")] = 3,
    patience: Annotated[float, typer.Option(help="Seconds that one step may take.")] = 60.0,
    order: Annotated[
        Literal["ready", "simulated"],
        typer.Option(help="What goes next: by a queue at run time, or as in the simulated step."),
    ] = "ready",
    urgent: Urgent = False,
) -> None:
    """Run a decision on this machine's devices and time its steps, beside what is simulated.

    Example: go-gym measure runs/plan/decision.npz -g rnnlm-2
    """
    from go_gym.catalogue.problems import only_problem
    from go_gym.errors import DecisionError
    from go_gym.hardware import measure_decision
    from go_gym.problem import Problem
    from go_gym.problem.decision_file import load_decision
    from go_gym.simulator import simulate

    with one_line_errors():
        problem = only_problem(graph, cluster)
        chosen, _ = load_decision(decision)
        if chosen.fusion is not None:
            problem = Problem(problem.graph, problem.cluster, "joint")
        if len(chosen.placement) != problem.num_ops:
            raise DecisionError(
                f"{decision}: decides about {len(chosen.placement):,} ops, graph "
                f"{problem.graph.name!r} has {problem.num_ops:,}"
            )
        simulated = simulate(problem, chosen)
        found = measure_decision(
            problem,
            chosen,
            steps=steps,
            warmups=warmups,
            patience=patience,
            maker=model,
            urgent=urgent,
            order=order,
        )
    rows = [
        ("measured step (median)", f"{found.median_ns / 1e6:,.3f} ms"),
        ("spread (quartiles)", f"{found.spread:.1%}"),
        ("simulated step", f"{simulated.step_time_ns / 1e6:,.3f} ms"),
        ("steps counted, repeated", f"{len(found.step_ns)}, {found.repeated}"),
        ("taken by other programs", f"{max(found.taken):.1%} at most"),
        ("load average", f"{found.load:.2f}"),
        *((key, value) for key, value in found.machine.items()),
    ]
    print_table("", (problem.graph.name, f"on {problem.cluster.name}"), rows)
    if found.noisy:
        console.print("Noisy: other programs took more than 2 % of some steps; measure again.")


@app.command()
def calibrate(
    graph: Annotated[str, typer.Argument(help="Name or .npz path.")],
    cluster: Annotated[
        str, typer.Option("--cluster", "-c", help="Preset or .toml path: devices of this machine.")
    ] = "cpu2",
    model: Maker = None,
    steps: Annotated[int, typer.Option(min=3, help="Steps profiled on each device.")] = 10,
    urgent: Urgent = False,
    out: Annotated[Path, typer.Option(help="Folder of the two files.")] = Path("runs/calibrated"),
) -> None:
    """Profile a graph's ops and the transfers between this machine's devices.

    Writes a copy of the graph with measured durations, and the cluster with measured rates and
    links; the simulator uses both.

    Example: go-gym calibrate rnnlm-2 --out runs/calibrated
    """
    from go_gym.catalogue.problems import only_problem
    from go_gym.cluster.toml import write_cluster
    from go_gym.hardware import Session
    from go_gym.hardware.calibration.calibrate import calibrate as profile

    with one_line_errors():
        problem = only_problem(graph, cluster)
        with Session(problem.graph, model, urgent=urgent) as session:
            found = profile(session, problem.cluster, steps)
        graph_path = out / f"{problem.graph.name}.npz"
        cluster_path = out / f"{problem.cluster.name}.toml"
        found.graph.save(graph_path)
        write_cluster(found.cluster, cluster_path)
    rows = [
        (kind, f"{int(found.graph.durations[:, number].sum()) / 1e6:,.3f} ms")
        for number, kind in enumerate(found.graph.duration_kinds)
    ]
    print_table("", ("device kind", "all ops, one after another"), rows)
    for path in (graph_path, cluster_path):
        say(f"Written: {path}")


report = typer.Typer(no_args_is_help=True, help="Reports that are measured on this machine.")
app.add_typer(report, name="report")


@report.command("sim-vs-real")
def sim_vs_real(
    cluster: Annotated[
        str, typer.Option("--cluster", "-c", help="Preset or .toml path: devices of this machine.")
    ] = "cpu2",
    model: Annotated[
        list[str] | None, typer.Option(help="Which models; repeat for several; default all.")
    ] = None,
    placement: Annotated[
        list[str] | None, typer.Option(help="Agents or layers:SEED; repeat; default ten.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that count, of each.")] = 10,
    urgent: Urgent = False,
    work: Annotated[
        Path, typer.Option(help="Folder of calibrations and rows; a stopped run goes on there.")
    ] = Path("runs/sim-vs-real"),
    out: Annotated[
        Path | None, typer.Option(help="Path without ending; default docs/reports/DATE-CLUSTER.")
    ] = None,
) -> None:
    """Compare simulated with measured step times over many placements of real models.

    Writes a page (Markdown), a scatter plot (PNG) and the table (CSV).

    Example: go-gym report sim-vs-real --model rnnlm --work runs/rnnlm
    """
    from datetime import date

    from go_gym.cluster import load_cluster
    from go_gym.errors import HardwareError
    from go_gym.hardware import places
    from go_gym.hardware.calibration.comparison import MODELS, PLACEMENTS, check_placement, compare
    from go_gym.hardware.calibration.report import write_report
    from go_gym.hardware.process.machine import describe

    with one_line_errors():
        loaded = load_cluster(cluster)
        names, chosen = model or list(MODELS), placement or list(PLACEMENTS)
        unknown = [name for name in names if name not in MODELS]
        if unknown:
            raise HardwareError(f"no model {unknown[0]!r}: expected one of {', '.join(MODELS)}")
        for name in chosen:
            check_placement(name)
        found = {name: MODELS[name] for name in names}
        with bar(len(found) * len(chosen)) as progress:
            rows = compare(
                found,
                chosen,
                loaded,
                work,
                steps,
                urgent,
                lambda what, done: progress.update(
                    progress.task_ids[0], completed=done, description=what[:42]
                ),
            )
        stem = out or Path("docs/reports") / f"{date.today().isoformat()}-{loaded.name}"
        machine = describe(places(loaded))
        if urgent:
            machine["workers"] = "ran before all other programs (real-time scheduling)"
        write_report(rows, machine, stem)
    say(f"Written: {stem}.md, .png and .csv")


@app.command("measure-board")
def measure_board(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    verify: Annotated[
        bool, typer.Option(help="Measure the rows of hardware.csv again and report what differs.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Steps that count, of each.")] = 10,
    urgent: Urgent = False,
) -> None:
    """Measure a leaderboard's decisions on this machine: the hardware track, hardware.csv.

    Only rows on clusters whose devices are a machine's (cpu2) can be measured.

    Example: go-gym measure-board runs/mine
    """
    from go_gym.leaderboard import hardware as track

    with one_line_errors():
        if verify:
            issues = track.verify_board(folder, steps, urgent)
            for issue in issues:
                complain(str(issue), "✗")
            if issues:
                raise typer.Exit(1)
            say(f"{folder}: every measured row was measured again")
            return
        rows = track.measure_board(folder, steps, urgent)
        table = [
            (
                row.agent_name,
                row.graph,
                f"{row.step_ns / 1e6:,.3f}",
                f"{row.simulated_ns / 1e6:,.3f}",
                f"{row.spread:.1%}",
                "yes" if row.noisy else "no",
            )
            for row in sorted(rows, key=lambda row: (row.graph, row.step_ns))
        ]
    headings = ("agent", "graph", "measured (ms)", "simulated (ms)", "spread", "noisy")
    print_table("", headings, table)
