"""Small sites for the tests: rows by hand, and what a page of them links to."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from go_gym.leaderboard.hardware import MeasuredRow
from go_gym.leaderboard.optima import Known
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
    """A board whose names would do harm as HTML, with an optimum and a measured step."""
    named = replace(ROW, agent=HOSTILE, graph=HOSTILE, cluster=HOSTILE, reason=HOSTILE)
    board = hand_made(folder, named, replace(named, agent="a", step_time_ns=400))
    known = Known(f"{HOSTILE}:x", ROW.graph_hash, ROW.cluster_hash, 50, 50, HOSTILE)
    texts = dict.fromkeys(("graph", "cluster", "agent", "options", "machine"), HOSTILE)
    measured = MeasuredRow(
        task=ROW.task,
        priorities="fifo",
        seed=0,
        decision="0",
        simulated_ns=100,
        step_ns=150,
        spread=0.1,
        steps=10,
        taken=0.0,
        noisy=False,
        load=0.0,
        **texts,
    )
    optima = {(known.graph_hash, known.cluster_hash): known}
    return replace(board, title=HOSTILE, known=optima, measured=[measured])


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
