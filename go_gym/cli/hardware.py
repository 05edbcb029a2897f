"""go-gym measure and calibrate: decisions on real devices."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, console, one_line_errors, print_table

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
    urgent: Urgent = False,
) -> None:
    """Run a decision on this machine's devices and time its steps, beside what is simulated.

    Example: go-gym measure runs/mine/decisions/placement/rnnlm-2/cpu2/heft-fifo-0.npz -g rnnlm-2
    """
    from go_gym.decisions import load_decision
    from go_gym.envs.problems import resolve_problems
    from go_gym.errors import DecisionError
    from go_gym.hardware.session import measure as run
    from go_gym.simulator import simulate

    with one_line_errors():
        problem = resolve_problems(graph, cluster)[0]
        chosen, _ = load_decision(decision)
        if len(chosen.placement) != problem.num_ops:
            raise DecisionError(
                f"{decision}: decides about {len(chosen.placement):,} ops, graph "
                f"{problem.graph.name!r} has {problem.num_ops:,}"
            )
        simulated = simulate(problem, chosen)
        found = run(
            problem,
            chosen,
            steps=steps,
            warmups=warmups,
            patience=patience,
            maker=model,
            urgent=urgent,
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
    from go_gym.cluster.toml import write_cluster
    from go_gym.envs.problems import resolve_problems
    from go_gym.hardware.calibrate import calibrate as profile
    from go_gym.hardware.session import Session

    with one_line_errors():
        problem = resolve_problems(graph, cluster)[0]
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
        console.print(f"Written: {path}", highlight=False, soft_wrap=True)
