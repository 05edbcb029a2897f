"""go-gym site: boards as static pages."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, bar, one_line_errors, say


@app.command()
def site(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv, or of such folders.")],
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("runs/site"),
    plans: Annotated[
        int | None,
        typer.Option(min=0, help="Plans a cell, of its fastest agents; default every agent's."),
    ] = None,
) -> None:
    """Write a folder's boards as static pages, for any web server or none.

    Example: go-gym site leaderboards --out runs/site
    """
    from go_gym.site import write_site

    with one_line_errors(), bar(1) as shown:
        task = shown.task_ids[0]
        page = write_site(
            folder, out, plans, lambda done, of: shown.update(task, completed=done, total=of)
        )
    say(str(page))
