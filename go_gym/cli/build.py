"""go-gym build-datasets: the catalogue's graphs captured again."""

from pathlib import Path
from typing import Annotated

import typer

from go_gym.cli.shared import app, console, errors, one_line_errors


@app.command()
def build_datasets(
    name: Annotated[list[str] | None, typer.Argument(help="Which graphs; default all.")] = None,
    folder: Annotated[Path, typer.Option(help="The datasets folder.")] = Path("datasets"),
    check: Annotated[bool, typer.Option(help="Write nothing, compare with what is there.")] = False,
) -> None:
    """Capture the graphs of the catalogue from their models again, bit for bit (needs torch).

    Example: go-gym build-datasets rnnlm-2 --check
    """
    from go_gym.catalogue.build import build_datasets as build

    with one_line_errors():
        altered = build(name or None, folder, check, lambda graph: errors.print(graph))
    console.print(f"{len(altered)} {'differ' if check else 'altered'}: {', '.join(altered) or '-'}")
    if check and altered:
        raise typer.Exit(1)
