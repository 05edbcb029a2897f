"""The boards that a folder holds: itself, and each folder in it with results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from go_gym.catalogue import datasets
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.hardware import MEASURED, MeasuredRow, read_measured
from go_gym.leaderboard.optima import Key, Known, read_known
from go_gym.leaderboard.schema import RESULTS, Row
from go_gym.leaderboard.store import Board
from go_gym.reproduce.catalogue import experiment_of, experiments
from go_gym.reproduce.report import Report
from go_gym.reproduce.reproduce import EQUAL_TIME, report_of

MAIN = "main"
TITLES = {
    MAIN: "Who decides best, whatever it takes",
    "hardware": "Simulated gains on real devices",
    "optima": "How far from known optima",
}
"""Of boards that are no experiment; others are titled by their name."""


@dataclass(frozen=True)
class SiteBoard:
    """One board of the site.

    Attributes:
        name: of its folder, ``main`` for the outermost.
        title: what it asks.
        board: rows, decisions and curves.
        timed: those at equal wall time, where there are some.
        report: what its experiment's templates see; None for a board that is no experiment.
        known: what is known of optima.
        measured: steps on real devices.
    """

    name: str
    title: str
    board: Board
    timed: Board | None = None
    report: Report | None = None
    known: Mapping[Key, Known] = field(default_factory=dict)
    measured: Sequence[MeasuredRow] = ()

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that it shows: of an experiment those that its report is about."""
        return self.board.rows if self.report is None else self.report.rows

    @cached_property
    def families(self) -> Mapping[str, str]:
        """By graph: a catalogue graph's family, an instance's set, ``own`` for what comes along."""
        found = {}
        for row in (*self.board.rows, *(self.timed.rows if self.timed else ())):
            if row.graph not in found:
                known = self.known.get((row.graph_hash, row.cluster_hash))
                own = "own" if known is None else known.set_name
                there = datasets.exists(row.graph)
                found[row.graph] = datasets.info(row.graph).family if there else own
        return found

    @property
    def simulators(self) -> list[int]:
        """The versions of the simulator that made the rows."""
        return sorted({row.simulator_version for row in self.rows})


def find_boards(folder: Path) -> list[SiteBoard]:
    """The boards of ``folder``, itself first, then by name.

    Raises:
        LeaderboardError: without any, or for one that cannot be read.
    """
    places = {MAIN: folder} if (folder / RESULTS).exists() else {}
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    places |= {each.name: each for each in inside if (each / RESULTS).exists()}
    if not places:
        raise LeaderboardError(f"{folder}: holds no {RESULTS}; expected a folder of results")
    return [read_board(name, place) for name, place in places.items()]


def read_board(name: str, folder: Path) -> SiteBoard:
    """One board by its folder; an experiment's by its name, if it has rows of it."""
    board = Board.read(folder)
    if name in experiments():
        report = report_of(experiment_of(name).changed(), folder)
        if report.rows:
            timed = Board(folder / EQUAL_TIME) if report.timed else None
            return SiteBoard(name, report.experiment.what.title, board, timed, report)
    path = folder / MEASURED
    measured = read_measured(path) if path.exists() else ()
    return SiteBoard(
        name, TITLES.get(name, name), board, known=read_known(folder), measured=measured
    )
