"""A board: rows, and the decisions and curves behind them, in a folder of five files.

``results.csv`` has a row a result; ``decisions.npz`` and ``curves.npz`` hold what the rows name by
its content hash, each once (see :mod:`go_gym.files.content`, which says why this container);
``coverage.toml`` says what must be there, and ``provenance.toml`` what rows were run with and on
which machines. A run's folder and a submission are the same, the first with
a ``journal`` while it is written, and with graphs and clusters of one's own beside.

>>> board = Board.read(Path("leaderboards"))                                    # doctest: +SKIP
>>> row = next(row for row in board.rows if row.agent == "heft")                # doctest: +SKIP
>>> board.problem(row), board.decision(row).placement, board.curve(row)         # doctest: +SKIP
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from go_gym.agent import WINDOWS, Curve
from go_gym.baselines.priorities import FIFO, OWN, PRIORITIES
from go_gym.catalogue.problems import make_problem
from go_gym.errors import LeaderboardError
from go_gym.files import ContentStore, sha256
from go_gym.files.archive import MAX_MEMBER_BYTES
from go_gym.leaderboard.entries import curve_entry, decision_entry, entry_curve, entry_decision
from go_gym.leaderboard.frame import frame
from go_gym.leaderboard.own import find_cluster, find_graph
from go_gym.leaderboard.provenance import Provenance, read_provenance, write_provenance
from go_gym.leaderboard.schema import RESULTS, Row, read_rows, rows_text, write_rows
from go_gym.problem import Decision, Problem

if TYPE_CHECKING:
    import pandas as pd

DECISIONS, CURVES = "decisions", "curves"


class Board:
    """The rows of a folder, each with its problem, its decision and its curve.

    What is put is kept at once, decisions and curves in the journal; rows when :meth:`save` is
    called, so that they never name what is not there; :meth:`compact` ends a piece of work.

    Attributes:
        folder: where it lies.
        decisions, curves: what the rows name.
        provenance: what rows were run with, by the keys in the rows.

    Raises:
        LeaderboardError, FileFormatError: for files that are not as ``go-gym run`` writes them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / RESULTS
        self._rows = {row.key: row for row in (read_rows(path) if path.exists() else ())}
        self.decisions = ContentStore(folder, DECISIONS)
        self.curves = ContentStore(folder, CURVES)
        self.provenance = read_provenance(folder)
        self._problems: dict[tuple[str, str, str], Problem] = {}
        self._took = False

    @classmethod
    def read(cls, folder: Path) -> "Board":
        """The board of a folder that must hold results; raises LeaderboardError without."""
        if not (folder / RESULTS).exists():
            raise LeaderboardError(f"{folder}: holds no {RESULTS}; expected a folder of results")
        return cls(folder)

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the file, then those put since."""
        return list(self._rows.values())

    @property
    def content_hash(self) -> str:
        """Hex SHA-256 of the rows as :meth:`save` writes them."""
        return sha256(rows_text(self._rows.values()).encode())

    def frame(self) -> "pd.DataFrame":
        """All rows as a table, see :func:`go_gym.leaderboard.frame.frame`."""
        return frame(self.rows)

    def row(self, key: tuple[str, ...]) -> Row | None:
        """The row of that key."""
        return self._rows.get(key)

    def problem(self, row: Row) -> Problem:
        """What the row decides about, from the names that it gives; hashes are not compared.

        Raises:
            GoGymError: if the graph or cluster is unknown or no problem of this task.
        """
        key = (row.task, row.graph, row.cluster)
        if key not in self._problems:
            graph, cluster = find_graph(self.folder, row.graph), find_cluster(self.folder, key[2])
            self._problems[key] = make_problem(graph, cluster, row.task)
        return self._problems[key]

    def decision(self, row: Row) -> Decision:
        """The row's decision, with the priorities that the row names; nothing else is read.

        Raises:
            FileFormatError: naming file and entry, if it is missing, malformed or altered.
            GoGymError: if it is no decision, not under such priorities, or not about a known
                problem.
        """
        problem = self.problem(row)
        entry = self.decisions.get(row.decision, problem.num_ops)
        return entry_decision(entry, problem, row.priorities)

    def curve(self, row: Row) -> Curve:
        """The row's curve, an empty one where it names none; raises as :meth:`decision`."""
        if not row.curve:
            return Curve()
        numbers = min(2 * max(row.budget_used, WINDOWS), MAX_MEMBER_BYTES // 8)
        return entry_curve(self.curves.get(row.curve, numbers))

    def default_placement(self, row: Row) -> np.ndarray | None:
        """(n,) int64: the placement of the framework's default that the row is measured against,
        None where a rule gives it; raises as :meth:`decision`."""
        if not row.default_decision:
            return None
        problem = self.problem(row)
        entry = self.decisions.get(row.default_decision, problem.num_ops)
        return np.asarray(entry_decision(entry, problem, FIFO).placement)

    def put_decision(self, problem: Problem, decision: Decision) -> str:
        """Keep a decision as an agent gave it; gives its hash."""
        return self.decisions.put(decision_entry(problem, decision))

    def put_curve(self, curve: Curve) -> str:
        """Keep a curve; gives its hash, an empty one for a curve without a valid decision."""
        return self.curves.put(curve_entry(curve)) if curve.improvements else ""

    def put_provenance(self, record: Provenance) -> str:
        """Keep what rows are run with; gives its key."""
        self.provenance[record.key] = record
        return record.key

    def put(self, row: Row) -> None:
        """Add a row; the same job's rows that were made otherwise go.

        Otherwise: of another version of the agent, with another budget, graph, cluster or
        simulator, or with priorities by rule where the agent now decides them, or the other way
        round.
        """
        for rule in (*PRIORITIES, OWN):
            key = replace(row, priorities=rule).key
            if key in self._rows and _made(self._rows[key]) != _made(row):
                del self._rows[key]
        self._rows[row.key] = row

    def replace(self, row: Row) -> None:
        """Add a row in place of the one with its key; the job's other rows stay."""
        self._rows[row.key] = row

    def take(self, source: "Board", row: Row) -> None:
        """Take what a row of another board names, checked; kept by the next :meth:`save`, before
        which the row is to be put."""
        for key in filter(None, (row.decision, row.default_decision)):
            self.decisions.take(source.decisions, key)
        if row.curve:
            self.curves.take(source.curves, row.curve)
        if row.provenance:
            record = source.provenance.get(row.provenance)
            if record is None:
                raise LeaderboardError(f"{source.folder}: holds no provenance {row.provenance!r}")
            self.put_provenance(record)
        self._took = True

    def save(self) -> None:
        """Write what was taken, then the rows: each whole or not at all."""
        if self._took:
            self.decisions.compact()
            self.curves.compact()
            self._took = False
        named = {row.provenance for row in self._rows.values()}
        records = [record for key, record in self.provenance.items() if key in named]
        write_provenance(self.folder, records)
        write_rows(self.folder / RESULTS, self._rows.values())

    def compact(self) -> None:
        """Make the journal one with the rest, and drop what no row names."""
        rows = self._rows.values()
        named = {row.decision for row in rows} | {row.default_decision for row in rows}
        self.decisions.compact(named)
        self.curves.compact({row.curve for row in rows})


def _made(row: Row) -> tuple[object, ...]:
    hashes = (row.graph_hash, row.cluster_hash)
    own = row.priorities == OWN
    return (*hashes, row.agent_version, row.budget, row.budget_seconds, row.simulator_version, own)
