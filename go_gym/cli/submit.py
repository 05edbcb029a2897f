"""go-gym submit: results taken into a leaderboard."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, bar, complain, confirm, one_line_errors


@app.command()
def submit(
    submission: Annotated[Path, typer.Argument(help="Folder that go-gym run wrote.")],
    into: Annotated[Path, typer.Option(help="The leaderboard's folder.")] = Path("leaderboards"),
    replace: Annotated[bool, typer.Option(help="Rows may replace those that are there.")] = False,
) -> None:
    """Verify a submission and take it into a leaderboard, whole or not at all.

    Example: go-gym submit runs/mine --into leaderboards
    """
    from go_gym.leaderboard.submissions import submit as take

    with one_line_errors(), bar(1) as progress:

        def advance(done: int, of: int) -> None:
            task = progress.task_ids[0]
            progress.update(task, completed=done, total=of, description="rows simulated again")

        rows, issues = take(submission, into, replace, advance)
    for issue in issues:
        complain(str(issue), "✗")
    if issues:
        raise typer.Exit(1)
    confirm(f"{len(rows)} rows taken into {into}")
