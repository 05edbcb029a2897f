"""A leaderboard's row, and how rows are read and written."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from go_gym.agent import REPRODUCIBLE, TRACKS, joined
from go_gym.baselines.priorities import OWN, PRIORITIES
from go_gym.errors import LeaderboardError, is_visible
from go_gym.files import atomic_write, confusable, is_name, read_text
from go_gym.files.content import HASH
from go_gym.problem import TASKS

RESULTS = "results.csv"
MAX_ROWS = 1_000_000
MAX_TEXT = 2048
MAX_SECONDS = 366 * 86_400
"""Longest work that a row may claim."""
MAX_NUMBER = 2**63 - 1


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
    budget_seconds: float = field(default=0.0, kw_only=True)  # of CPU time allowed, 0 for any
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
    provenance: str  # key of what ran it, and on which machine; empty where that was not kept
    started: str  # when, UTC, as 2026-01-31T23:59:59Z; empty where that was not kept
    command: str

    @property
    def agent_name(self) -> str:
        """The agent's canonical name: its kind with the options."""
        return joined(self.agent, self.options)

    @property
    def key(self) -> tuple[str, ...]:
        """What a leaderboard holds once."""
        names = ("task", "graph", "cluster", "agent", "options", "priorities", "seed")
        *job, seed = (str(getattr(self, name)) for name in names)
        return (*job, *clock_key(self.budget_seconds), seed)


def clock_key(seconds: float) -> tuple[str, ...]:
    """What a key has before the seed for a budget of so many seconds of CPU time; nothing for 0, so
    that a job with a clock stands beside the one without."""
    return (f"{seconds} s",) if seconds else ()


COLUMNS = tuple(each.name for each in fields(Row))
KINDS = {each.name: each.type for each in fields(Row)}
WITHOUT_CLOCK = tuple(name for name in COLUMNS if name != "budget_seconds")
"""The columns of files of before budgets had a clock: their rows have none."""
BACKENDS = ("simulator",)
RULES = (*PRIORITIES, OWN)


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


def _one_of(words: Sequence[str]) -> tuple[Callable[[str], bool], str]:
    return lambda text: text in words, f"one of {', '.join(words)}"


STARTED = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_VISIBLE = (is_visible, "one line of visible letters")
_NAME = (is_name, "a name of letters, digits and '.-_:=,'")
_HASH = (_matches(HASH.pattern), "64 hexadecimal digits")
_MAYBE_HASH = (_matches(rf"({HASH.pattern})?"), "64 hexadecimal digits or nothing")
TEXTS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "task": _one_of(TASKS),
    "graph": _NAME,
    "graph_hash": _HASH,
    "cluster": _NAME,
    "cluster_hash": _HASH,
    "backend": _one_of(BACKENDS),
    "agent": _NAME,
    "agent_version": _NAME,
    "options": (lambda text: not text or is_name(text), "options as an agent's name has them"),
    "reproducible": _one_of(REPRODUCIBLE),
    "device": _VISIBLE,
    "track": _one_of(TRACKS),
    "priorities": _one_of(RULES),
    "reason": _VISIBLE,
    "decision": _HASH,
    "curve": _MAYBE_HASH,
    "default_decision": _MAYBE_HASH,
    "provenance": (_matches(r"([0-9a-f]{16})?"), "16 hexadecimal digits or nothing"),
    "started": (_matches(rf"({STARTED})?"), "a time as 2026-01-31T23:59:59Z, or nothing"),
    "command": (
        lambda text: is_visible(text) and not text.startswith(("=", "+", "-", "@")),
        "one line of visible letters that no spreadsheet takes for a formula",
    ),
}
"""What each column of text may hold: the check, and what it is called in errors."""


def read_rows(path: Path) -> list[Row]:
    """The rows of a results file; raises LeaderboardError naming file, line and column."""
    text = read_text(path)
    if "\0" in text:
        raise LeaderboardError(f"{path}: holds a NUL byte")
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise LeaderboardError(f"{path}: not CSV: {error}") from None
    columns = tuple(table[0]) if table else ()
    if columns not in (COLUMNS, WITHOUT_CLOCK):
        raise LeaderboardError(f"{path}, line 1: expected the columns {', '.join(COLUMNS)}")
    if not text.endswith("\n"):
        raise LeaderboardError(f"{path}: the last line is cut off")
    if len(table) > MAX_ROWS:
        raise LeaderboardError(f"{path}: more than {MAX_ROWS:,} rows")
    rows: list[Row] = []
    seen: set[tuple[str, ...]] = set()
    for number, cells in enumerate(table[1:], start=2):
        row = _row(cells, f"{path}, line {number}", columns)
        if row.key in seen:
            raise LeaderboardError(f"{path}, line {number}: a second row of {row.key}")
        seen.add(row.key)
        rows.append(row)
    check_names(rows, str(path))
    return rows


def check_names(rows: Iterable[Row], where: str, known: Iterable[str] = ()) -> None:
    """Raise LeaderboardError if an agent, graph or cluster has a name that looks like another's.

    Args:
        rows: of one board.
        where: names the board in the error.
        known: names of agents beside those of the rows.
    """
    rows = list(rows)
    agents = dict.fromkeys(row.agent_name for row in rows)
    for column, names, taken in (
        ("agent", agents, known),
        ("graph", dict.fromkeys(row.graph for row in rows), ()),
        ("cluster", dict.fromkeys(row.cluster for row in rows), ()),
    ):
        for name, other in confusable(names, taken):
            raise LeaderboardError(f"{where}: {column} {name!r} looks like {other!r}")


def _row(cells: Sequence[str], where: str, columns: Sequence[str] = COLUMNS) -> Row:
    if len(cells) != len(columns):
        raise LeaderboardError(f"{where}: {len(cells)} cells, expected {len(columns)}")
    values = {}
    for column, cell in zip(columns, cells, strict=True):
        at = f"{where}, column {column}"
        values[column] = value = _value(cell, KINDS[column], at)
        fits, expected = TEXTS.get(column, (None, ""))
        if fits is not None and not fits(cell):
            raise LeaderboardError(f"{at}: {value!r}, expected {expected}")
    row = Row(**values)  # type: ignore[arg-type]
    if row.budget_used > row.budget:
        raise LeaderboardError(
            f"{where}, column budget_used: {row.budget_used}, the budget is {row.budget}"
        )
    for column in ("wall_seconds", "budget_seconds"):
        if not 0 <= getattr(row, column) <= MAX_SECONDS:
            raise LeaderboardError(
                f"{where}, column {column}: {getattr(row, column)}, expected 0 to {MAX_SECONDS:,}"
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
        if not (cell.isascii() and cell.isdigit() and len(cell) < 20 and int(cell) <= MAX_NUMBER):
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
    return cell


def check_row(row: Row, where: str) -> None:
    """Raise LeaderboardError, naming ``where`` and the column, for a row that is not read back."""
    _row([str(value) for value in asdict(row).values()], where)


def rows_text(rows: Iterable[Row]) -> str:
    """A results file's text, rows in order of graph, cluster and agent."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: (row.key[:-1], row.seed)))
    return buffer.getvalue()


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a results file, whole or not at all, rows in order of graph, cluster and agent.

    Raises LeaderboardError, naming row and column, for what :func:`read_rows` would refuse.
    """
    rows = list(rows)
    for row in rows:
        check_row(row, f"{path}, row of {' '.join(row.key)}")
    atomic_write(path, rows_text(rows))
