"""What the commands share: the app, the console, errors in one line, progress, tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
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

from go_gym.errors import GoGymError, is_interrupt

MAX_SEED = 2**63 - 1
MOST_COLUMNS = 10_000
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


def say(text: str) -> None:
    """A line on standard output, as it is."""
    console.print(escape(text), highlight=False, soft_wrap=True)


def confirm(text: str) -> None:
    """A line on standard output with a tick."""
    console.print(f"[green]✓[/green] {escape(text)}", highlight=False, soft_wrap=True)


def complain(text: str, mark: str = "go-gym:") -> None:
    """A line on standard error."""
    errors.print(f"[red]{mark}[/red] {escape(text)}", highlight=False, soft_wrap=True)


@contextmanager
def one_line_errors(stopped: str = "stopped") -> Iterator[None]:
    """Bad input ends in one line and exit code 2, Ctrl-C in ``stopped`` and exit code 130."""
    try:
        yield
    except GoGymError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        complain(stopped)
        raise typer.Exit(130) from None


GOES_ON = "stopped; finished rows are kept, the same command goes on"


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
    table = Table(title=escape(title) or None, title_justify="left", box=SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        narrow = heading.replace(" ", "\n")  # cells are never shortened
        table.add_column(narrow, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    needed = Console(width=MOST_COLUMNS).measure(table).maximum
    fits = console.is_terminal and needed <= console.width
    (console if fits else Console(width=max(needed, len(title), 80))).print(table)
