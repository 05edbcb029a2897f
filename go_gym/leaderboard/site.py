"""The leaderboard as one static page, made from its rows alone."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from go_gym.files import atomic_write
from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.summary import SUMMARY_HEADINGS, standings
from go_gym.leaderboard.tables import HEADINGS, groups

PAGE = "index.html"
TEMPLATE = "site.html"


def page(rows: Sequence[Row]) -> str:
    """The HTML of ``rows``: standings, then a table a graph; whatever they hold is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = files("go_gym.leaderboard").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(template).render(
        count=f"{len(rows):,}",
        summary=standings(rows),
        summary_headings=SUMMARY_HEADINGS,
        groups=groups(rows),
        headings=HEADINGS,
    )


def write_site(rows: Sequence[Row], folder: Path) -> Path:
    """Write the page into ``folder``, whole or not at all; gives its path."""
    path = folder / PAGE
    atomic_write(path, page(rows))
    return path
