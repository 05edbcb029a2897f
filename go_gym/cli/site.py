"""go-gym site: a leaderboard as a static page."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, one_line_errors, say


@app.command()
def site(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("runs/site"),
) -> None:
    """Write a leaderboard as one static page, for any web server.

    Example: go-gym site leaderboards --out runs/site
    """
    from go_gym.leaderboard.schema import RESULTS, read_rows
    from go_gym.leaderboard.site import write_site

    with one_line_errors():
        path = write_site(read_rows(folder / RESULTS), out)
    say(str(path))
