"""What is known of the optima of a board's problems, and how far its agents are from them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.stats import t

from go_gym.catalogue.instances import Instance
from go_gym.errors import LeaderboardError
from go_gym.files import atomic_write, read_text
from go_gym.files.content import HASH
from go_gym.leaderboard.schema import Row

KNOWN = "optima.csv"
SUMMARY_HEADINGS = (
    "agent",
    "instances",
    "calls",
    "optimal",
    "mean gap",
    "95 % interval",
    "seconds",
)
COLUMN_HEADINGS = ("optimum (ms)", "gap to optimum")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Known:
    """The interval that holds the optimum of one problem.

    Attributes:
        instance: its name, ``SET:NAME``.
        graph_hash, cluster_hash: of the problem.
        lower_ns, upper_ns: see :class:`go_gym.catalogue.instances.Instance`; equal where the
            optimum is known, ``upper_ns`` 0 where nobody says.
        source: who says so.
    """

    instance: str
    graph_hash: str
    cluster_hash: str
    lower_ns: int
    upper_ns: int
    source: str

    @property
    def optimum_ns(self) -> int | None:
        """The optimum, None where only an interval is known."""
        return self.lower_ns if self.lower_ns == self.upper_ns else None

    @property
    def set_name(self) -> str:
        """The set that the instance is of."""
        return self.instance.partition(":")[0]


Key = tuple[str, str]
"""Hashes of a graph and a cluster."""


def keep_known(instances: Iterable[Instance], folder: Path) -> None:
    """Write what is known of ``instances`` beside a folder's rows, with what is there already."""
    known = read_known(folder)
    for instance in instances:
        key = instance.problem.graph.content_hash, instance.problem.cluster.content_hash
        ends = instance.lower_ns, instance.upper_ns or 0
        source = " ".join(instance.source.split())
        known[key] = Known(instance.name, *key, *ends, source)
    if known:
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([field.name for field in fields(Known)])
        lines.writerows(astuple(known[key]) for key in sorted(known))
        atomic_write(folder / KNOWN, text.getvalue())


def read_known(folder: Path) -> dict[Key, Known]:
    """What a folder has of optima, nothing without a file; raises LeaderboardError, naming the
    line, for one that is malformed."""
    path = folder / KNOWN
    if not path.exists():
        return {}
    rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
    names = [field.name for field in fields(Known)]
    if not rows or rows[0] != names:
        raise LeaderboardError(f"{path}, line 1: expected the columns {', '.join(names)}")
    known: dict[Key, Known] = {}
    for number, cells in enumerate(rows[1:], start=2):
        numbers = cells[3:5]
        whole = all(cell.isascii() and cell.isdigit() and len(cell) < 20 for cell in numbers)
        hashes = len(cells) == len(names) and all(HASH.fullmatch(cell) for cell in cells[1:3])
        if not (hashes and whole):
            raise LeaderboardError(f"{path}, line {number}: expected hashes and whole numbers")
        lower, upper = map(int, numbers)
        if upper and upper < lower:
            raise LeaderboardError(f"{path}, line {number}: no optimum from {lower} to {upper} ns")
        entry = Known(cells[0], cells[1], cells[2], lower, upper, cells[5])
        if known.setdefault((entry.graph_hash, entry.cluster_hash), entry) is not entry:
            raise LeaderboardError(f"{path}, line {number}: a second line of {cells[0]}")
    return known


def impossible(rows: Iterable[Row], known: Mapping[Key, Known]) -> list[str]:
    """Valid rows that are faster than what is known to be possible, in words; none should be."""
    found = []
    for row in rows:
        entry = known.get((row.graph_hash, row.cluster_hash))
        if entry is not None and row.valid and row.step_time_ns < entry.lower_ns:
            found.append(
                f"{row.agent_name} on {entry.instance}: {row.step_time_ns} ns, but no step takes "
                f"less than {entry.lower_ns} ns ({entry.source})"
            )
    return found


def columns(row_key: Key, step_time_ns: float, known: Mapping[Key, Known]) -> tuple[str, str]:
    """The cells under ``COLUMN_HEADINGS``: empty where nothing is known, an interval's ends where
    only that is."""
    entry = known.get(row_key)
    if entry is None:
        return "", ""
    if entry.optimum_ns is None:
        upper = f"{entry.upper_ns / 1e6:.6g}" if entry.upper_ns else "?"
        return f"{entry.lower_ns / 1e6:.6g} to {upper}", ""
    return f"{entry.optimum_ns / 1e6:.6g}", f"{step_time_ns / max(entry.optimum_ns, 1) - 1:.2%}"


@dataclass(frozen=True)
class Distance:
    """How far an agent is from the optima of a set, over instances whose optimum is known.

    Attributes:
        set_name, agent, calls: which set, which agent, at which budget.
        instances: how many.
        optimal: on how many of them some seed reaches the optimum.
        mean_gap: mean over the instances of an instance's mean over valid seeds; nan without one.
        half_width: of the 95 % interval of that mean over instances (Student's t); nan below two.
        seconds: mean wall time of a run.
    """

    set_name: str
    agent: str
    calls: int
    instances: int
    optimal: int
    mean_gap: float
    half_width: float
    seconds: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells under ``SUMMARY_HEADINGS``."""
        low, high = self.mean_gap - self.half_width, self.mean_gap + self.half_width
        interval = "" if np.isnan(self.half_width) else f"{max(low, 0):.2%} to {high:.2%}"
        return (
            self.agent,
            str(self.instances),
            f"{self.calls:,}",
            f"{self.optimal / self.instances:.1%}",
            "" if np.isnan(self.mean_gap) else f"{self.mean_gap:.2%}",
            interval,
            f"{self.seconds:.2f}",
        )


def distances(rows: Sequence[Row], known: Mapping[Key, Known]) -> list[Distance]:
    """By set, then by falling share solved; an instance counts once, whatever its seeds."""
    runs: dict[tuple[str, str, int], dict[Key, list[Row]]] = {}
    for row in rows:
        key = row.graph_hash, row.cluster_hash
        if key in known and known[key].optimum_ns is not None:
            group = known[key].set_name, row.agent_name, row.budget
            runs.setdefault(group, {}).setdefault(key, []).append(row)
    found = []
    for (set_name, agent, calls), cells in runs.items():
        gaps, optimal = [], 0
        for key, mine in cells.items():
            best = max(known[key].optimum_ns or 0, 1)
            valid = [row.step_time_ns / best - 1 for row in mine if row.valid]
            gaps += [float(np.mean(valid))] if valid else []
            optimal += any(gap <= 0 for gap in valid)
        seconds = [row.wall_seconds for mine in cells.values() for row in mine]
        found.append(
            Distance(
                set_name,
                agent,
                calls,
                len(cells),
                optimal,
                float(np.mean(gaps)) if gaps else float("nan"),
                _half_width(gaps),
                float(np.mean(seconds)),
            )
        )
    return sorted(found, key=lambda d: (d.set_name, -d.optimal / d.instances, d.mean_gap, d.agent))


def _half_width(values: Sequence[float]) -> float:
    if len(values) < 2:
        return float("nan")
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
