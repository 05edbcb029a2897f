"""go-gym curves: how runs learned, as one picture."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, one_line_errors, say


@app.command()
def curves(
    folders: Annotated[list[Path], typer.Argument(help="Folders with results.csv.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG.")] = Path(
        "runs/curves.png"
    ),
    graph: Annotated[list[str] | None, typer.Option("--graph", "-g", help="Only these.")] = None,
    agent: Annotated[list[str] | None, typer.Option("--agent", "-a", help="Only these.")] = None,
    task: Annotated[str, typer.Option(help="placement, scheduling, fusion or joint.")] = (
        "placement"
    ),
) -> None:
    """Draw the learning curves of runs: best and mean step time over simulator calls.

    A panel a graph and cluster; lines are geometric means over seeds, bands their 95 % intervals
    (Student's t on logarithms, from two seeds on). Agents without a curve are levels.

    Example: go-gym curves runs/mine runs/others -o runs/curves.png
    """
    from go_gym.reproduce.learning import save_learning_curves

    with one_line_errors():
        seeds = save_learning_curves(output, folders, task, graph, agent)
    for name, count in seeds.items():
        say(f"{name}: {count} {'curve' if count == 1 else 'curves'}")
    say(str(output))
