"""go-gym verify and leaderboard: results checked and ranked."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, complain, confirm, one_line_errors, print_table


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv and decisions/.")],
) -> None:
    """Simulate every row of a leaderboard again and report all that differs.

    Example: go-gym verify leaderboards
    """
    with one_line_errors():
        ok = verify_board(folder)
    if not ok:
        raise typer.Exit(1)


def verify_board(folder: Path) -> bool:
    from go_gym.leaderboard.verify import verify as verify_folder

    report = verify_folder(folder)
    for issue in report.issues:
        complain(str(issue), "✗")
    if report.ok:
        confirm(f"{folder}: {report.rows} rows verified")
    return report.ok


@app.command()
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
    update: Annotated[
        bool, typer.Option(help="Write the tables into the folder's README.")
    ] = False,
) -> None:
    """Print the ranked tables of a leaderboard.

    Example: go-gym leaderboard leaderboards --update
    """
    from go_gym.leaderboard import tables
    from go_gym.leaderboard.schema import RESULTS, read_rows

    with one_line_errors():
        rows = read_rows(folder / RESULTS)
        if update:
            tables.update(folder / tables.README, rows)
        if markdown:
            typer.echo(tables.markdown(rows))
        elif not update:
            for (task, graph, cluster, rule), table in tables.groups(rows).items():
                title = f"{graph} on {cluster} ({task}, {rule} priorities)"
                print_table(title, tables.HEADINGS, table)
