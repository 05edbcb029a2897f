"""go-gym export: a result's decision as a file."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, one_line_errors, say
from go_gym.errors import LeaderboardError

Given = Annotated[str | None, typer.Option(help="Of the row; not needed where all have the same.")]


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    agent: Annotated[str | None, typer.Option("--agent", "-a", help="Of the row.")] = None,
    graph: Annotated[str | None, typer.Option("--graph", "-g", help="Of the row.")] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", "-c", help="Of the row.")] = None,
    task: Given = None,
    priorities: Given = None,
    seed: Annotated[int | None, typer.Option(help="Of the row.")] = None,
    out: Annotated[Path, typer.Option(help="The decision file.")] = Path("runs/decision.npz"),
) -> None:
    """Write a row's decision as a file, for go-gym trace and go-gym measure.

    Of the row as much must be said as tells it from the others.

    Example: go-gym export runs/mine -a heft -g rnnlm-2 -c p100x2 --out runs/heft.npz
    """
    from go_gym.agent import joined, kind_and_options
    from go_gym.leaderboard.store import Board
    from go_gym.problem.decision_file import save_decision

    given = {
        "agent": None if agent is None else joined(*kind_and_options(agent)),
        "graph": graph,
        "cluster": cluster,
        "task": task,
        "priorities": priorities,
        "seed": seed,
    }
    with one_line_errors():
        board = Board.read(folder)
        asked = {name: value for name, value in given.items() if value is not None}
        columns = {name: "agent_name" if name == "agent" else name for name in asked}
        rows = [
            row
            for row in board.rows
            if all(getattr(row, columns[name]) == value for name, value in asked.items())
        ]
        if len(rows) != 1:
            said = ", ".join(f"{name} {value}" for name, value in asked.items()) or "all kinds"
            raise LeaderboardError(
                f"{folder}: {len(rows)} rows of {said}, expected one: say {', '.join(given)} of it"
            )
        save_decision(out, board.problem(rows[0]), board.decision(rows[0]))
    say(str(out))
