"""The text of a board's page: its experiment's report, or its standings, optima and measured steps.

Reports are written as Markdown elsewhere; here they become HTML, in which names stay text.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from go_gym.leaderboard import hardware
from go_gym.leaderboard.optima import SUMMARY_HEADINGS as OPTIMA_HEADINGS
from go_gym.leaderboard.optima import distances
from go_gym.leaderboard.summary import SUMMARY_HEADINGS, standings
from go_gym.leaderboard.tables import markdown_table
from go_gym.site.boards import SiteBoard


def report_html(board: SiteBoard) -> Markup:
    """All tables of a board, with what must be known to read them; without a title."""
    if board.report is not None:
        title, _, text = board.report.text().partition("\n")
        return as_html(text if title.startswith("# ") else f"{title}\n{text}")
    lines = _optima(board) if board.known else []
    for (task, cluster, priorities), ranked in standings(board.rows).items():
        lines += [f"## {task} on {cluster}, {priorities} priorities", ""]
        lines += [*markdown_table(SUMMARY_HEADINGS, [each.cells for each in ranked]), ""]
    if board.measured:
        measured = hardware.page(board.measured).splitlines()
        lines += [f"#{line}" if line.startswith("#") else line for line in measured]
    return as_html("\n".join(lines))


def _optima(board: SiteBoard) -> list[str]:
    found = distances(board.rows, board.known)
    lines = []
    for name, mine in groupby(found, key=lambda each: each.set_name):
        lines += [f"## {name}", "", *markdown_table(OPTIMA_HEADINGS, [d.cells for d in mine]), ""]
    return lines


def as_html(text: str) -> Markup:
    """Markdown without HTML of its own as HTML; what is wide scrolls sideways by itself."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("table_open", _opened)
    reader.add_render_rule("table_close", _closed)
    reader.add_render_rule("fence", _fence)
    return Markup(reader.render(text))


def _opened(_self: Any, _tokens: Sequence[Any], _at: int, _options: Any, _env: Mapping) -> str:
    return '<div class="scroll" tabindex="0"><table>\n'


def _closed(_self: Any, _tokens: Sequence[Any], _at: int, _options: Any, _env: Mapping) -> str:
    return "</table></div>\n"


def _fence(_self: Any, tokens: Sequence[Any], at: int, _options: Any, _env: Mapping) -> str:
    return f'<pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>\n'
