"""Verification: every row simulated again from its decision file, every figure compared."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

import tomli_w

from go_gym.baselines.priorities import prioritised
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import Cluster, load_cluster
from go_gym.cluster.toml import read_cluster
from go_gym.errors import GoGymError, LeaderboardError
from go_gym.files import atomic_write, read_bytes, read_text, sha256
from go_gym.graph import ComputationGraph
from go_gym.leaderboard.facts import Facts, facts, measures
from go_gym.leaderboard.schema import RESULTS, Row, read_rows
from go_gym.leaderboard.tables import README, is_stale
from go_gym.problem import TASKS, Problem
from go_gym.problem.decision_file import MAX_BYTES, parse_decision
from go_gym.simulator import VERSION, simulate

COVERAGE = "coverage.toml"


class Kind(StrEnum):
    """What can be wrong with a leaderboard."""

    UNREADABLE = "unreadable results"
    UNKNOWN_PROBLEM = "unknown graph or cluster"
    HASH = "hash differs"
    PATH = "decision path leaves the folder"
    MISSING_DECISION = "decision file missing or unreadable"
    FIGURE = "figure differs"
    VERSION = "other simulator version"
    MISSING_ROW = "announced row missing"
    TABLE = "table does not follow from the rows"
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
    """What verification found."""

    rows: int
    issues: tuple[Issue, ...]

    @property
    def ok(self) -> bool:
        return not self.issues


def verify(
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
    announced_in: Path | None = None,
) -> Report:
    """Check a leaderboard folder.

    Looks at every row's graph, cluster, decision file, hashes and figures (simulated anew), at
    the announced coverage, and at the README's table. Wall seconds, command and budget used are
    the submitter's word.

    Args:
        folder: holds ``results.csv``, ``decisions/`` and, if announced, ``coverage.toml``; graphs
            and clusters of its own in ``graphs/NAME.npz`` and ``clusters/NAME.toml``.
        progress: called with rows done and rows in all.
        announced_in: the folder whose coverage the rows' agents must have; default ``folder``.
            That of another folder names no agents that must be there.
    """
    announced = folder if announced_in is None else announced_in
    try:
        rows = read_rows(folder / RESULTS)
        wanted = _coverage(announced)
    except GoGymError as error:
        return Report(0, (Issue(Kind.UNREADABLE, str(folder), str(error)),))
    checker = _Checker(folder)
    issues: list[Issue] = []
    for number, row in enumerate(rows):
        where = f"{folder / RESULTS}, line {number + 2} ({' '.join(row.key)})"
        issues += [Issue(kind, where, text) for kind, text in checker.problems_of(row)]
        progress(number + 1, len(rows))
    if announced_in is not None:
        wanted = {task: {**table, "agents": []} for task, table in wanted.items()}
    issues += _missing(rows, wanted, str(announced / COVERAGE))
    if is_stale(folder / README, rows):
        message = "write it with: go-gym leaderboard FOLDER --update"
        issues.append(Issue(Kind.TABLE, str(folder / README), message))
    return Report(len(rows), tuple(issues))


class _Checker:
    """Checks rows, keeping problems and their facts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: dict[tuple[str, str, str], Problem] = {}
        self.facts: dict[tuple[str, str, str, str], Facts] = {}

    def problems_of(self, row: Row) -> list[tuple[Kind, str]]:
        try:
            problem = self._problem(row)
        except GoGymError as error:
            return [(Kind.UNKNOWN_PROBLEM, str(error))]
        found: list[tuple[Kind, str]] = []
        for label, stated, true in (
            ("graph_hash", row.graph_hash, problem.graph.content_hash),
            ("cluster_hash", row.cluster_hash, problem.cluster.content_hash),
        ):
            if stated != true:
                found.append((Kind.HASH, f"{label} is {stated}, the file's is {true}"))
        if row.simulator_version != VERSION:
            found.append((Kind.VERSION, f"{row.simulator_version}, this one is {VERSION}"))
        path = self._inside(row.decision)
        if path is None:
            return [*found, (Kind.PATH, row.decision)]
        try:
            data = read_bytes(path, MAX_BYTES)
            decision, header = parse_decision(data, row.decision)
            result = simulate(problem, decision)
            expected = self._expected(row, problem, decision)
        except GoGymError as error:
            return [*found, (Kind.MISSING_DECISION, str(error))]
        if sha256(data) != row.decision_hash:
            found.append((Kind.HASH, f"decision_hash is {row.decision_hash}, {sha256(data)} found"))
        for label, true in (
            ("task", row.task),
            ("graph_hash", problem.graph.content_hash),
            ("cluster_hash", problem.cluster.content_hash),
        ):
            if header[label] != true:
                found.append((Kind.HASH, f"the decision file is for {label} {header[label]}"))
        if expected is not None:
            found.append((Kind.FIGURE, expected))
        for column, true in measures(result, self._facts(row, problem)).items():
            stated = getattr(row, column)
            if stated != true:
                found.append((Kind.FIGURE, f"{column} is {stated}, simulated again {true}"))
        if row.budget_used > row.budget:
            found.append((Kind.FIGURE, f"budget_used {row.budget_used} over budget {row.budget}"))
        return found

    def _expected(self, row: Row, problem: Problem, decision: Any) -> str | None:
        """What is wrong with the row's ``priorities``, None if nothing is."""
        if row.priorities == "own":
            return None if decision.priority is not None else "priorities are own, but none given"
        rule = prioritised(problem, decision, row.priorities).priority
        same = (rule is None) == (decision.priority is None) and (
            rule is None or (rule == decision.priority).all()
        )
        return None if same else f"the decision's priorities are not {row.priorities}"

    def _problem(self, row: Row) -> Problem:
        if row.backend != "simulator":
            raise LeaderboardError(f"backend {row.backend!r}: only simulator rows can be verified")
        key = (row.task, row.graph, row.cluster)
        if key not in self.problems:
            graph, cluster = self._graph(row.graph), self._cluster(row.cluster)
            self.problems[key] = make_problem(graph, cluster, row.task)
        return self.problems[key]

    def _graph(self, name: str) -> ComputationGraph:
        own = self._inside(f"graphs/{name}.npz")
        return ComputationGraph.load(own) if own and own.exists() else datasets.load(name)

    def _cluster(self, name: str) -> Cluster:
        own = self._inside(f"clusters/{name}.toml")
        if own and own.exists():
            return read_cluster(own)
        if name.endswith(".toml"):
            raise LeaderboardError(f"cluster {name!r} is a path, not a name")
        return load_cluster(name)

    def _facts(self, row: Row, problem: Problem) -> Facts:
        rule = "fifo" if row.priorities == "own" else row.priorities
        key = (row.task, row.graph, row.cluster, rule)
        if key not in self.facts:
            self.facts[key] = facts(problem, rule)
        return self.facts[key]

    def _inside(self, relative: str) -> Path | None:
        """The path in the folder, None if it is absolute or leads out of it, by links too."""
        if not relative or Path(relative).is_absolute() or "\\" in relative:
            return None
        path = (self.folder / relative).resolve()
        return path if path.is_relative_to(self.folder.resolve()) else None


def _coverage(folder: Path) -> dict[str, dict[str, list[Any]]]:
    """What is announced for each task: placement's keys stand at the top, another task's in a table
    of its name."""
    path = folder / COVERAGE
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise LeaderboardError(f"{path}: not TOML: {error}") from None
    tasks = {task: table.pop(task) for task in TASKS if task in table}
    if table or not tasks:
        tasks = {TASKS[0]: table, **tasks}
    for task, wanted in tasks.items():
        for key in ("graphs", "clusters", "seeds", "priorities", "agents"):
            if not isinstance(wanted, dict) or not isinstance(wanted.get(key), list):
                raise LeaderboardError(f"{path}: {key} of {task}: expected a list")
    return tasks


def write_coverage(folder: Path, **announced: Any) -> None:
    """Announce what every agent of a folder must have run: graphs, clusters, seeds, priorities,
    and the agents that must be there; for another task than placement a dict of these under its
    name."""
    atomic_write(folder / COVERAGE, tomli_w.dumps(announced))


def _missing(
    rows: list[Row], announced: dict[str, dict[str, list[Any]]], where: str
) -> list[Issue]:
    issues = []
    for task, wanted in announced.items():
        mine = [row for row in rows if row.task == task]
        have = {(r.agent, r.graph, r.cluster, r.seed, r.priorities) for r in mine}
        own = {(r.agent, r.graph, r.cluster, r.seed) for r in mine if r.priorities == "own"}
        agents = sorted({*wanted["agents"], *(row.agent for row in mine)})
        keys = product(
            agents, wanted["graphs"], wanted["clusters"], wanted["seeds"], wanted["priorities"]
        )
        issues += [
            Issue(Kind.MISSING_ROW, where, " ".join(map(str, (task, *key))))
            for key in keys
            if key not in have and key[:4] not in own
        ]
    return issues
