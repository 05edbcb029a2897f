"""A leaderboard's row, and how rows are read and written."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from go_gym.agent import REPRODUCIBLE, TRACKS, joined
from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text
from go_gym.files.content import HASH

RESULTS = "results.csv"
MAX_ROWS = 1_000_000
MAX_TEXT = 2048
HASHES = ("graph_hash", "cluster_hash", "decision", "curve", "default_decision")
MAYBE_EMPTY = ("curve", "default_decision")


# Wide: an attribute for each column of the file
@dataclass(frozen=True)
class Row:
    """One result. Times in ns unless named otherwise, memory in bytes."""

    task: str
    graph: str
    graph_hash: str
    cluster: str
    cluster_hash: str
    backend: str
    agent: str  # its kind
    agent_version: str
    options: str  # of the agent in canonical form, empty for none
    reproducible: str  # exact on every machine, or on the same machine
    device: str  # what the agent's network ran on, empty without one
    track: str  # tuned on this graph, or generalising: never saw it or its family
    priorities: str  # fifo, critical-path, or own (the agent decided them)
    seed: int
    budget: int  # simulator calls allowed
    budget_used: int
    wall_seconds: float
    step_time_ns: int
    expert_ns: int  # the human expert's step time under the same priorities
    default_ns: int  # the framework default's, likewise
    speedup_over_expert: float
    speedup_over_default: float
    lower_bound_ns: int
    gap: float  # step time / lower bound - 1
    peak_memory_bytes: int  # of the fullest device
    valid: bool
    reason: str
    decision: str  # content hash of the decision
    curve: str  # that of the curve; empty where no evaluated decision was valid
    default_decision: str  # that of the default's placement; empty where a rule gives it
    simulator_version: int
    command: str

    @property
    def agent_name(self) -> str:
        """The agent's canonical name: its kind with the options."""
        return joined(self.agent, self.options)

    @property
    def key(self) -> tuple[str, ...]:
        """What a leaderboard holds once."""
        names = ("task", "graph", "cluster", "agent", "options", "priorities", "seed")
        return tuple(str(getattr(self, name)) for name in names)


COLUMNS = tuple(field.name for field in fields(Row))
_KINDS = {field.name: field.type for field in fields(Row)}


def read_rows(path: Path) -> list[Row]:
    """The rows of a results file; raises LeaderboardError naming file, line and column."""
    text = read_text(path)
    if "\0" in text:
        raise LeaderboardError(f"{path}: holds a NUL byte")
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise LeaderboardError(f"{path}: not CSV: {error}") from None
    if not table or tuple(table[0]) != COLUMNS:
        raise LeaderboardError(f"{path}, line 1: expected the columns {', '.join(COLUMNS)}")
    if not text.endswith("\n"):
        raise LeaderboardError(f"{path}: the last line is cut off")
    if len(table) > MAX_ROWS:
        raise LeaderboardError(f"{path}: more than {MAX_ROWS:,} rows")
    rows: list[Row] = []
    seen: set[tuple[str, ...]] = set()
    for number, cells in enumerate(table[1:], start=2):
        row = _row(cells, f"{path}, line {number}")
        if row.key in seen:
            raise LeaderboardError(f"{path}, line {number}: a second row of {row.key}")
        seen.add(row.key)
        rows.append(row)
    return rows


def _row(cells: Sequence[str], where: str) -> Row:
    if len(cells) != len(COLUMNS):
        raise LeaderboardError(f"{where}: {len(cells)} cells, expected {len(COLUMNS)}")
    values = {}
    for column, cell in zip(COLUMNS, cells, strict=True):
        values[column] = _value(cell, _KINDS[column], f"{where}, column {column}")
    row = Row(**values)  # type: ignore[arg-type]
    for column, allowed in (("track", TRACKS), ("reproducible", REPRODUCIBLE)):
        value = getattr(row, column)
        if value not in allowed:
            raise LeaderboardError(f"{where}, column {column}: {value!r}, expected {allowed}")
    for column in HASHES:
        value = getattr(row, column)
        if not HASH.fullmatch(value) and (value or column not in MAYBE_EMPTY):
            raise LeaderboardError(
                f"{where}, column {column}: {value!r}, expected 64 hexadecimal digits"
            )
    return row


def _value(cell: str, kind: object, where: str) -> object:
    if len(cell) > MAX_TEXT:
        raise LeaderboardError(f"{where}: longer than {MAX_TEXT} letters")
    if kind is bool:
        if cell not in ("True", "False"):
            raise LeaderboardError(f"{where}: {cell!r}, expected True or False")
        return cell == "True"
    if kind is int:
        if not (cell.isascii() and cell.isdigit() and len(cell) < 20):
            raise LeaderboardError(f"{where}: {cell!r}, expected a whole number from 0")
        return int(cell)
    if kind is float:
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise LeaderboardError(f"{where}: {cell!r}, expected a finite number")
        return number
    if any(ord(letter) < 32 for letter in cell):
        raise LeaderboardError(f"{where}: holds a control character")
    return cell


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a results file, whole or not at all, rows in order of graph, cluster and agent.

    Raises LeaderboardError, naming row and column, for what :func:`read_rows` would refuse.
    """
    ordered = sorted(rows, key=lambda row: (*row.key[:-1], row.seed))
    for row in ordered:
        _row([str(value) for value in asdict(row).values()], f"{path}, row of {' '.join(row.key)}")
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in ordered)
    atomic_write(path, buffer.getvalue())
