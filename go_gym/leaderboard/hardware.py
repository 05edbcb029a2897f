"""The hardware track of a leaderboard: its decisions measured on the machine at hand.

``hardware.csv`` stands beside ``results.csv`` and has a row for each result whose cluster names
devices of a machine. A measured number cannot be replayed exactly, so it is verified by being
measured again: within ``TOLERANCE`` or three times the spread, on a machine of the same words.
``hardware.md`` is the table of its rows, written with them.
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from go_gym.agent import joined
from go_gym.cluster import load_cluster
from go_gym.errors import HardwareError, LeaderboardError
from go_gym.files import atomic_write, read_text
from go_gym.hardware import Measurement, Session, places
from go_gym.leaderboard.schema import RESULTS, Row
from go_gym.leaderboard.store import Board

MEASURED = "hardware.csv"
PAGE = "hardware.md"
TOLERANCE = 0.10
"""A second measurement may differ by this share (our choice)."""


# Wide: an attribute for each column of the file
@dataclass(frozen=True)
class MeasuredRow:
    """One measured result; ns unless named otherwise."""

    task: str
    graph: str
    cluster: str
    agent: str
    options: str
    priorities: str
    seed: int
    decision: str  # its content hash
    simulated_ns: int
    step_ns: int  # the median of the steps that count
    spread: float  # between the quartiles, as a share of the median
    steps: int
    taken: float  # the largest share of a counted step that other programs took
    noisy: bool
    load: float
    machine: str  # devices, system, driver and library versions

    @property
    def agent_name(self) -> str:
        """The agent's canonical name: its kind with the options."""
        return joined(self.agent, self.options)

    @property
    def key(self) -> tuple[str, ...]:
        """That of the result that was measured."""
        names = ("task", "graph", "cluster", "agent", "options", "priorities", "seed")
        return tuple(str(getattr(self, name)) for name in names)


COLUMNS = tuple(field.name for field in fields(MeasuredRow))


def measure_board(
    folder: Path,
    steps: int = 10,
    urgent: bool = False,
    progress: Callable[[Row], None] = lambda row: None,
) -> list[MeasuredRow]:
    """Measure the results of ``folder`` that have no measured row yet; each is kept at once.

    Raises:
        FileFormatError: if a decision is not the one that its row names.
        HardwareError: if a measurement fails.
    """
    path = folder / MEASURED
    rows = {row.key: row for row in read_measured(path)} if path.exists() else {}
    board = Board.read(folder)
    for result in _measurable(board):
        known = rows.get(result.key)
        if known is None or known.decision != result.decision:
            found = _measure(board, result, steps, urgent)
            rows[result.key] = _row(result, found)
            write_measured(path, rows.values())
        progress(result)
    atomic_write(folder / PAGE, page(rows.values()))
    return list(rows.values())


def verify_board(
    folder: Path,
    steps: int = 10,
    urgent: bool = False,
    progress: Callable[[Row], None] = lambda row: None,
) -> list[str]:
    """Measure every row again; what differs, a line each.

    Raises:
        HardwareError: if the machine is another than a row's, or a measurement fails.
    """
    board = Board.read(folder)
    results = {row.key: row for row in _measurable(board)}
    issues, rows = [], read_measured(folder / MEASURED)
    if (folder / PAGE).exists() and read_text(folder / PAGE) != page(rows):
        issues.append(f"{folder / PAGE}: does not follow from {MEASURED}: measure-board writes it")
    for row in rows:
        where = f"{row.agent_name} on {row.graph}, {row.cluster}"
        result = results.get(row.key)
        if result is None or result.decision != row.decision:
            issues.append(f"{where}: measured, but no result in {RESULTS} has this decision")
            continue
        found = _row(result, _measure(board, result, steps, urgent))
        if found.machine != row.machine:
            raise HardwareError(
                f"{where} was measured on: {row.machine}; this is: {found.machine}: a measurement "
                "is verified on a machine of the same description"
            )
        allowed = max(TOLERANCE, 3 * max(row.spread, found.spread))
        if abs(found.step_ns / row.step_ns - 1) > allowed:
            issues.append(
                f"{where}: {row.step_ns / 1e6:.3f} ms in {MEASURED}, measured again "
                f"{found.step_ns / 1e6:.3f} ms, more than {allowed:.0%} apart"
            )
        progress(result)
    return issues


def page(rows: Iterable[MeasuredRow]) -> str:
    """The rows in Markdown: by task, graph and cluster, the fastest first."""
    ordered = sorted(rows, key=lambda row: (row.task, row.graph, row.cluster, row.step_ns))
    lines = [
        "# Hardware track",
        "",
        "Steps measured on real devices beside the simulated ones (with the cluster's own figures, "
        "not calibrated ones). A row is verified by being measured again on a machine of the same "
        f"description: within {TOLERANCE:.0%}, or three times the spread. Noisy: other programs "
        "took more than 2 % of some steps that count.",
    ]
    group: tuple[str, ...] = ()
    for row in ordered:
        if (row.task, row.graph, row.cluster, row.machine) != group:
            group = row.task, row.graph, row.cluster, row.machine
            lines += [
                "",
                f"## {row.task}: {row.graph} on {row.cluster}",
                "",
                f"Machine: {row.machine}.",
                "",
                "| agent | priorities | measured ms | simulated ms | spread | taken | load "
                "| noisy |",
                "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
            ]
        lines.append(
            f"| {row.agent_name} | {row.priorities} | {row.step_ns / 1e6:,.1f} | "
            f"{row.simulated_ns / 1e6:,.1f} | {row.spread:.1%} | {row.taken:.1%} | "
            f"{row.load:.1f} | {'yes' if row.noisy else 'no'} |"
        )
    return "\n".join(lines) + "\n"


def _measurable(board: Board) -> list[Row]:
    """The valid results on clusters that name devices of a machine."""
    found = []
    for row in board.rows:
        try:
            places(load_cluster(row.cluster))
        except HardwareError:
            continue
        if row.valid:
            found.append(row)
    return found


def _measure(board: Board, result: Row, steps: int, urgent: bool) -> Measurement:
    problem, decision = board.problem(result), board.decision(result)
    with Session(problem.graph, urgent=urgent) as session:
        return session.measure(problem, decision, steps)


def _row(result: Row, found: Measurement) -> MeasuredRow:
    return MeasuredRow(
        task=result.task,
        graph=result.graph,
        cluster=result.cluster,
        agent=result.agent,
        options=result.options,
        priorities=result.priorities,
        seed=result.seed,
        decision=result.decision,
        simulated_ns=result.step_time_ns,
        step_ns=found.median_ns,
        spread=round(found.spread, 4),
        steps=len(found.step_ns),
        taken=max(found.taken),
        noisy=found.noisy,
        load=round(found.load, 2),
        machine="; ".join(f"{key} {value}" for key, value in found.machine.items()),
    )


def read_measured(path: Path) -> list[MeasuredRow]:
    """The rows of a ``hardware.csv``; raises LeaderboardError for any other file."""
    table = list(csv.reader(io.StringIO(read_text(path), newline="")))
    if not table or tuple(table[0]) != COLUMNS:
        raise LeaderboardError(f"{path}, line 1: expected the columns {', '.join(COLUMNS)}")
    rows = []
    for number, cells in enumerate(table[1:], start=2):
        try:
            values: list[Any] = [
                cell == "True" if field.type is bool else field.type(cell)  # type: ignore[operator]
                for field, cell in zip(fields(MeasuredRow), cells, strict=True)
            ]
        except ValueError as error:
            raise LeaderboardError(f"{path}, line {number}: {error}") from None
        rows.append(MeasuredRow(*values))
    return rows


def write_measured(path: Path, rows: Iterable[MeasuredRow]) -> None:
    """Write a ``hardware.csv``, whole or not at all, in order of their keys."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.key))
    atomic_write(path, buffer.getvalue())
