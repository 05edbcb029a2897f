"""What the commands share: the app, the console, errors in one line, progress, tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from go_gym.errors import GoGymError

console = Console()
errors = Console(stderr=True)
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Place, schedule and fuse computational graphs; compare agents; verify what they claim.",
)

Graphs = Annotated[
    list[str] | None, typer.Option("--graph", "-g", help="Name, .npz path, split or family.")
]
Clusters = Annotated[
    list[str] | None, typer.Option("--cluster", "-c", help="Preset or .toml path.")
]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Bad input ends in one line and exit code 2, Ctrl-C in exit code 130."""
    try:
        yield
    except GoGymError as error:
        errors.print(f"[red]go-gym:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        errors.print("go-gym: stopped; finished rows are kept, the same command goes on")
        raise typer.Exit(130) from None


@contextmanager
def bar(total: int) -> Iterator[Progress]:
    """A progress bar with count, time passed and time left."""
    columns = (
        TextColumn("{task.description:<42}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        progress.add_task("", total=total)
        yield progress


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, numbers to the right; plain lines where that is no terminal."""
    table = Table(title=title or None, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table)
