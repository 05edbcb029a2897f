"""Small sites for the tests: rows by hand, and what a page of them links to."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from go_gym.leaderboard.store import Board
from go_gym.site.boards import SiteBoard
from tests.leaderboard.test_summary import ROW

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028'\"&{{7*7}}"


def hand_made(folder: Path, *rows) -> SiteBoard:
    """A board of rows that no file would be read with."""
    board = Board(folder)
    for row in rows:
        board.put(row)
    return SiteBoard("main", "by hand", board)


def hostile(folder: Path) -> SiteBoard:
    """A board whose names would do harm as HTML."""
    named = replace(ROW, agent=HOSTILE, graph=HOSTILE, cluster=HOSTILE, reason=HOSTILE)
    return hand_made(folder, named, replace(named, agent="a", step_time_ns=400))


class Page(HTMLParser):
    """The elements of a page: that they are closed, what they link to, their handlers."""

    VOID = ("meta", "link", "input", "br", "img", "hr")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.tags: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value)
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
