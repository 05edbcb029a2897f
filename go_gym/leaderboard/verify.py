"""Verification: every row simulated again from its decision, every figure compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from go_gym.baselines.priorities import FIFO, OWN
from go_gym.errors import GoGymError, LeaderboardError
from go_gym.graph import ComputationGraph
from go_gym.leaderboard import signature
from go_gym.leaderboard.checks import wrong_with_curve
from go_gym.leaderboard.claims import Claims
from go_gym.leaderboard.coverage import COVERAGE, missing, read_coverage
from go_gym.leaderboard.facts import Facts, facts, measures
from go_gym.leaderboard.provenance import PROVENANCE
from go_gym.leaderboard.repeats import repeated_seeds
from go_gym.leaderboard.schema import RESULTS, Row
from go_gym.leaderboard.signature import SIGNATURE, signed_by
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.tables import README, is_stale
from go_gym.problem import Problem
from go_gym.simulator import VERSION, simulate


class Kind(StrEnum):
    """What can be wrong with a leaderboard."""

    UNREADABLE = "unreadable results"
    UNKNOWN_PROBLEM = "unknown graph or cluster"
    HASH = "hash differs"
    PATH = "path leaves the folder"
    MISSING_DECISION = "decision missing, unreadable or not the row's"
    CURVE = "curve missing, unreadable or not the row's"
    FIGURE = "figure differs"
    RERUN = "another outcome when run again"
    VERSION = "other simulator version"
    PROVENANCE = "provenance missing"
    REPEATED_SEED = "several seeds of a stochastic agent are one"
    CLAIM = "agent contradicts the row"
    MISSING_ROW = "announced row missing"
    TABLE = "table does not follow from the rows"
    SIGNATURE = "signature is not of these rows or signers"
    NAME = "name looks like another"
    REPEATED = "row is there already"


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong, and where."""

    kind: Kind
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.message}"


@dataclass(frozen=True)
class Report:
    """What verification found: how many rows, what is wrong, and what is only worth a look."""

    rows: int
    issues: tuple[Issue, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Is nothing wrong?"""
        return not self.issues


def verify(
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
    announced_in: Path | None = None,
    signers: Path | None = None,
) -> Report:
    """Check a leaderboard folder.

    Looks at every row's graph, cluster, decision, hashes and figures (simulated anew), at what its
    curve says of them, at the announced coverage, and at the README's table. The default that a
    partitioner placed is taken as it is kept, the same for all rows of a problem. Wall seconds,
    device, command and version of the agent are the submitter's word; options, calls used and the
    inside of a curve are checked by running again, see :func:`go_gym.leaderboard.rerun.rerun`.

    Rows of an earlier version of the simulator, whose figures this one cannot give, are checked for
    what does not hang on that: their problem, decision and curve are there and are the row's. A
    note tells how many they are. In a submission they are refused.

    Args:
        folder: see :mod:`go_gym.leaderboard.store`.
        progress: called with rows done and rows in all.
        announced_in: the folder whose coverage the rows' agents must have; default ``folder``.
            That of another folder names no agents that must be there.
        signers: see :func:`go_gym.leaderboard.signature.signed_by`.
    """
    announced = folder if announced_in is None else announced_in
    try:
        board = Board.read(folder)
        wanted = read_coverage(announced)
    except GoGymError as error:
        return Report(0, (Issue(Kind.UNREADABLE, str(folder), str(error)),))
    checker = _Checker(board, earlier_too=announced_in is None)
    issues: list[Issue] = []
    for number, row in enumerate(board.rows):
        where = f"{folder / RESULTS}, line {number + 2} ({' '.join(row.key)})"
        issues += [Issue(kind, where, text) for kind, text in checker.wrong_with(row)]
        progress(number + 1, len(board.rows))
    if announced_in is not None:
        wanted = {task: {**table, "agents": []} for task, table in wanted.items()}
    absent = missing(board.rows, wanted)
    issues += [Issue(Kind.MISSING_ROW, str(announced / COVERAGE), key) for key in absent]
    if is_stale(folder / README, board.rows):
        message = "write it with: go-gym leaderboard FOLDER --update"
        issues.append(Issue(Kind.TABLE, str(folder / README), message))
    forged, notes = signature_of(folder, signers)
    issues += forged
    earlier = sum(row.simulator_version < VERSION for row in board.rows)
    if earlier:
        notes.append(
            f"{earlier} of {len(board.rows)} rows are of an earlier version of the simulator: "
            "their decisions and curves were read, their figures not simulated again"
        )
    for wrong, text in repeated_seeds(board):
        if wrong:
            issues.append(Issue(Kind.REPEATED_SEED, str(folder / RESULTS), text))
        else:
            notes.append(text)
    return Report(len(board.rows), tuple(issues), tuple(notes))


def signature_of(folder: Path, signers: Path | None = None) -> tuple[list[Issue], list[str]]:
    """What is wrong with a board's signature, and what is worth saying of it; nothing without
    one. Where ``signers`` are asked for, one that cannot be checked is wrong."""
    path = folder / SIGNATURE
    if path.exists() and signers is None and not signature.can_check():
        return [], [f"{path} was not checked: there is no ssh-keygen on this machine"]
    try:
        who = signed_by(folder, signers)
    except GoGymError as error:
        return [Issue(Kind.SIGNATURE, str(path), str(error).removeprefix(f"{path}: "))], []
    if who is None and signers is not None:
        return [Issue(Kind.SIGNATURE, str(path), "there is none")], []
    return [], [] if who is None else [f"signed by {who}"]


class _Checker:
    """Checks rows, keeping their problems' facts."""

    def __init__(self, board: Board, earlier_too: bool) -> None:
        self.board, self.earlier_too = board, earlier_too
        self.claims = Claims()
        self.facts: dict[tuple[str, str, str, str], tuple[str, Facts]] = {}

    def wrong_with(self, row: Row) -> Iterator[tuple[Kind, str]]:
        try:
            if row.backend != "simulator":
                raise LeaderboardError(f"backend {row.backend!r}: only simulated rows are verified")
            problem = self.board.problem(row)
        except GoGymError as error:
            yield Kind.UNKNOWN_PROBLEM, str(error)
            return
        earlier = self.earlier_too and 1 <= row.simulator_version < VERSION
        graph = problem.graph if row.simulator_version > 1 else _without_results(problem.graph)
        for label, stated, true in (
            ("graph_hash", row.graph_hash, graph.content_hash),
            ("cluster_hash", row.cluster_hash, problem.cluster.content_hash),
        ):
            if stated != true:
                yield Kind.HASH, f"{label} is {stated}, the file's is {true}"
        if row.provenance and row.provenance not in self.board.provenance:
            yield Kind.PROVENANCE, f"{row.provenance} is not in {PROVENANCE}"
        for text in self.claims.wrong_with(row, problem):
            yield Kind.CLAIM, text
        if earlier:
            yield from self._wrong_with_contents(row)
            return
        if row.simulator_version != VERSION:
            yield Kind.VERSION, f"{row.simulator_version}, this one is {VERSION}"
        try:
            decision = self.board.decision(row)
            result = simulate(problem, decision)
            known = self._facts(row, problem)
        except GoGymError as error:
            yield Kind.MISSING_DECISION, str(error)
            return
        for column, true in measures(result, known).items():
            if getattr(row, column) != true:
                yield Kind.FIGURE, f"{column} is {getattr(row, column)}, simulated again {true}"
        if row.priorities not in (OWN, FIFO):
            result = simulate(problem, replace(decision, priority=None))
        try:
            curve = self.board.curve(row)
        except GoGymError as error:
            yield Kind.CURVE, str(error)
            return
        for text in wrong_with_curve(row, curve, result):
            yield Kind.CURVE, text

    def _wrong_with_contents(self, row: Row) -> Iterator[tuple[Kind, str]]:
        """What is wrong with a row as far as no simulation tells."""
        try:
            self.board.decision(row)
            self.board.default_placement(row)
        except GoGymError as error:
            yield Kind.MISSING_DECISION, str(error)
        try:
            self.board.curve(row)
        except GoGymError as error:
            yield Kind.CURVE, str(error)

    def _facts(self, row: Row, problem: Problem) -> Facts:
        """The problem's facts, against the default that the first of its rows names."""
        rule = FIFO if row.priorities == OWN else row.priorities
        key = (row.task, row.graph, row.cluster, rule)
        if key not in self.facts:
            partition = self.board.default_placement(row)
            found = facts(problem, rule, partition)
            if (partition is None) != (found.partition is None):
                what = "a rule gives" if found.partition is None else "no rule gives"
                raise LeaderboardError(
                    f"default_decision is {row.default_decision!r}, where {what} the default"
                )
            self.facts[key] = row.default_decision, found
        default, found = self.facts[key]
        if row.default_decision != default:
            raise LeaderboardError(
                f"default_decision is {row.default_decision!r}, another row's of this problem "
                f"{default!r}"
            )
        return found


def _without_results(graph: ComputationGraph) -> ComputationGraph:
    """The graph as version 1 of the simulator knew it, which was not told what outlives a step."""
    return replace(graph, tensor_outlives=np.zeros_like(graph.tensor_outlives))
