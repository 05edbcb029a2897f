"""What the documentation's pages take from the code when they are built."""

import click
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from go_gym.cli import app

COMMAND = "reference/command.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of the command ``go-gym``, made from its help texts."""
    files.append(File.generated(config, COMMAND, content=command_page()))
    return files


def command_page() -> str:
    """Markdown: every command of ``go-gym`` with its arguments and options."""
    command = typer.main.get_command(app)
    context = click.Context(command, info_name="go-gym")
    return get_docs_for_click(obj=command, ctx=context, name="go-gym", title="The command go-gym")
