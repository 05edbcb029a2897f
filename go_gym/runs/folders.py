"""Folders of results: several made into one, and files that no row speaks of removed."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from go_gym.baselines.priorities import PRIORITIES
from go_gym.catalogue import datasets
from go_gym.cluster import load_cluster
from go_gym.cluster.toml import read_cluster, write_cluster
from go_gym.errors import GoGymError, LeaderboardError
from go_gym.files import make_folder
from go_gym.leaderboard.schema import RESULTS, Row, read_rows, write_rows
from go_gym.problem import Problem
from go_gym.runs.curves import curve_path

OWN = "own"
"""Priorities column of rows whose agent decided the priorities itself."""


def rows_in(folder: Path) -> list[Row]:
    """The rows of a folder, none if it holds no results yet."""
    path = folder / RESULTS
    return read_rows(path) if path.exists() else []


def keep_own(problem: Problem, folder: Path) -> None:
    """Write a graph and a cluster that do not come with go_gym beside the rows, for the verifier.

    Raises:
        LeaderboardError: if another of that name lies there.
    """
    graph, cluster = problem.graph, problem.cluster
    if not _comes_along(datasets.load, graph):
        path = folder / "graphs" / f"{graph.name}.npz"
        _keep(path, graph.content_hash, datasets.load_file, graph.save)
    if not _comes_along(load_cluster, cluster):
        path = folder / "clusters" / f"{cluster.name}.toml"
        _keep(path, cluster.content_hash, read_cluster, lambda path: write_cluster(cluster, path))


def _comes_along(load: Callable[[str], Any], thing: Any) -> bool:
    try:
        return bool(load(thing.name).content_hash == thing.content_hash)
    except GoGymError:
        return False


def _keep(
    path: Path, content: str, read: Callable[[Path], Any], write: Callable[[Path], None]
) -> None:
    if not path.exists():
        make_folder(path.parent)
        write(path)
    elif read(path).content_hash != content:
        raise LeaderboardError(f"{path}: another of this name is there; give another folder")


def put(rows: dict[tuple[str, ...], Row], row: Row) -> None:
    """Add a row to ``rows``, by key; the same job's rows that were made otherwise go.

    Otherwise: of another version of the agent, with another budget, graph, cluster or simulator,
    or with priorities by rule where the agent now decides them, or the other way round.
    """
    for rule in (*PRIORITIES, OWN):
        key = replace(row, priorities=rule).key
        if key in rows and _made(rows[key]) != _made(row):
            del rows[key]
    rows[row.key] = row


def _made(row: Row) -> tuple[object, ...]:
    hashes = (row.graph_hash, row.cluster_hash)
    own = row.priorities == OWN
    return (*hashes, row.agent_version, row.budget, row.simulator_version, own)


def merge(
    folder: Path, sources: Sequence[Path], wanted: Callable[[Row], bool] = lambda row: True
) -> None:
    """Take rows with their decisions, curves and own graphs from ``sources`` into ``folder``.

    Where several have the same row, the last of ``sources`` counts, and before what ``folder``
    held.

    Args:
        folder: gets them; may be new.
        sources: folders that ``go-gym run`` or ``go-gym reproduce`` wrote.
        wanted: says which rows are taken.

    Raises:
        LeaderboardError: naming a source without results, or a decision outside its folder.
    """
    rows = {row.key: row for row in rows_in(folder)}
    for source in sources:
        if not (source / RESULTS).exists():
            raise LeaderboardError(f"{source}: holds no {RESULTS}; expected a folder of results")
        for row in filter(wanted, read_rows(source / RESULTS)):
            if not (source / row.decision).resolve().is_relative_to(source.resolve()):
                raise LeaderboardError(f"{source / RESULTS}: {row.decision} leads out of {source}")
            put(rows, row)
            own = (source / f"graphs/{row.graph}.npz", source / f"clusters/{row.cluster}.toml")
            for path in (source / row.decision, _curve(source, row), *own):
                if path.exists():
                    target = folder / path.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
    if rows:
        write_rows(folder / RESULTS, rows.values())


def tidy(folder: Path) -> None:
    """Remove the decision and curve files of ``folder`` that no row speaks of."""
    rows = rows_in(folder)
    kept = {folder / row.decision for row in rows} | {_curve(folder, row) for row in rows}
    for kind in ("decisions", "curves"):
        for path in sorted((folder / kind).rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink()


def _curve(folder: Path, row: Row) -> Path:
    return curve_path(folder, row.task, row.graph, row.cluster, row.agent, row.seed)
