"""go-gym instances: problems whose optimum, or an interval that holds it, is known."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, confirm, one_line_errors, print_table, say


@app.command()
def instances(
    name: Annotated[
        str | None, typer.Argument(help="Show a set's instances, or one as SET:NAME.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the graph, the cluster and the plan of one."),
    ] = None,
) -> None:
    """List the sets of instances with known optima, the instances of one, or show one.

    An instance brings its cluster along: run agents on it with --graph SET:NAME --cluster own.

    Example: go-gym instances planted:1000-4-0-share50
    """
    from go_gym.catalogue.instances import SETS
    from go_gym.errors import DatasetError

    with one_line_errors():
        if name is not None and ":" in name:
            _show(name, out)
        elif out is not None:
            raise DatasetError(f"--out: {name!r} is no instance; expected SET:NAME")
        elif name is None:
            rows = [(each, SETS[each].what) for each in SETS]
            print_table("", ("set", "what it is"), rows)
            say("Instances of one: go-gym instances SET")
        elif name not in SETS:
            raise DatasetError(f"no set {name!r}: expected one of {', '.join(SETS)}")
        else:
            for each in SETS[name].names():
                say(f"{name}:{each}")
            say(f"by name: {SETS[name].grammar}")


def _show(name: str, out: Path | None) -> None:
    from go_gym.baselines.bounds import tight_lower_bound_ns
    from go_gym.catalogue.instances import load
    from go_gym.cluster.toml import write_cluster
    from go_gym.problem.decision_file import save_decision

    instance = load(name)
    problem = instance.problem
    print_table(
        "",
        ("instance", "task", "ops", "uses", "devices", "optimum (ns)", "our bound (ns)"),
        [
            (
                instance.name,
                problem.task,
                f"{problem.num_ops:,}",
                f"{problem.graph.num_uses:,}",
                str(problem.num_devices),
                _known(instance.lower_ns, instance.upper_ns),
                f"{tight_lower_bound_ns(problem):,}",
            )
        ],
    )
    say(f"Source: {instance.source}")
    if out is not None:
        problem.graph.save(out / "graph.npz")
        write_cluster(problem.cluster, out / "cluster.toml")
        if instance.decision is not None:
            save_decision(out / "decision.npz", problem, instance.decision)
        confirm(f"written to {out}")


def _known(lower: int, upper: int | None) -> str:
    if lower == upper:
        return f"{lower:,}"
    return f"{lower:,} to {'?' if upper is None else f'{upper:,}'}"
