"""go-gym verify and leaderboard: results checked and ranked."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, bar, complain, confirm, one_line_errors, print_table, say


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Also run a sample of the jobs again and compare.")
    ] = False,
    sample: Annotated[int, typer.Option(min=1, help="How many jobs --rerun runs.")] = 20,
    draw: Annotated[
        str, typer.Option(help="A text of your own, so that nobody can foresee the sample.")
    ] = "",
    signers: Annotated[
        Path | None,
        typer.Option(help="ssh-keygen's ALLOWED SIGNERS, one of whom must have signed the rows."),
    ] = None,
) -> None:
    """Simulate every row of a leaderboard again and report all that differs.

    Example: go-gym verify leaderboards
    """
    with one_line_errors():
        ok = verify_board(folder, signers)
        again = rerun_board(folder, sample, draw) if rerun else True
    if not (ok and again):
        raise typer.Exit(1)


def verify_board(folder: Path, signers: Path | None = None) -> bool:
    """Verify a board and print what is wrong with it; whether nothing is."""
    from go_gym.leaderboard.verify import verify as verify_folder

    report = verify_folder(folder, signers=signers)
    for issue in report.issues:
        complain(str(issue), "✗")
    for note in report.notes:
        say(f"note: {note}")
    if report.ok:
        confirm(f"{folder}: {report.rows} rows verified")
    return report.ok


def rerun_board(folder: Path, count: int, draw: str = "") -> bool:
    """Run a sample of a board's jobs again and print where a row comes out otherwise; whether none
    does."""
    from go_gym.leaderboard.rerun import rerun_some
    from go_gym.leaderboard.store import Board

    with bar(count) as progress:

        def advance(done: int, of: int) -> None:
            progress.update(progress.task_ids[0], completed=done, total=of, description="run again")

        issues = list(rerun_some(Board.read(folder), count, draw, advance))
    for issue in issues:
        complain(str(issue), "✗")
    if not issues:
        confirm(f"{folder}: what was run again came out the same")
    return not issues


@app.command()
def sign(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    key: Annotated[Path, typer.Option(help="An SSH key; a public one if an agent holds it.")],
) -> None:
    """Sign the rows of a leaderboard, so that verify says whose they are.

    Example: go-gym sign runs/mine --key ~/.ssh/id_ed25519
    """
    from go_gym.leaderboard.signature import sign as sign_rows

    with one_line_errors():
        say(str(sign_rows(folder, key)))


@app.command()
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with results.csv.")],
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
    update: Annotated[
        bool,
        typer.Option(help="Write the tables into the folder's README, and into hardware.md."),
    ] = False,
) -> None:
    """Print the ranked tables of a leaderboard.

    On standard error: cells whose best known is beaten on fewer of the same devices.

    Example: go-gym leaderboard leaderboards --update
    """
    from go_gym.files import atomic_write
    from go_gym.leaderboard import hardware, tables
    from go_gym.leaderboard.optima import SUMMARY_HEADINGS, distances, impossible, read_known
    from go_gym.leaderboard.own import find_cluster
    from go_gym.leaderboard.schema import RESULTS, read_rows
    from go_gym.leaderboard.smaller import beaten

    with one_line_errors():
        rows, known = read_rows(folder / RESULTS), read_known(folder)
        measured = folder / hardware.MEASURED
        if update and measured.exists():
            atomic_write(folder / hardware.PAGE, hardware.page(hardware.read_measured(measured)))
        if update and ((folder / tables.README).exists() or not measured.exists()):
            tables.update(folder / tables.README, rows)
        if markdown:
            typer.echo(tables.markdown(rows, known))
        elif not update:
            for (task, graph, cluster, rule), table in tables.groups(rows, known).items():
                title = f"{graph} on {cluster} ({task}, {rule} priorities)"
                print_table(title, tables.headings(known), table)
        for name in sorted({entry.set_name for entry in known.values()}):
            mine = [d.cells for d in distances(rows, known) if d.set_name == name]
            print_table(f"distance from the optima of {name}", SUMMARY_HEADINGS, mine)
        for each in impossible(rows, known):
            complain(each, mark="impossible:")
        for cell in beaten(rows, lambda name: find_cluster(folder, name)):
            complain(str(cell), mark="beaten:")
