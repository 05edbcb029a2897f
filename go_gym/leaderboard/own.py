"""Graphs and clusters that lie beside a folder's rows, as they do not come with go_gym."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from go_gym.catalogue import datasets
from go_gym.cluster import Cluster, load_cluster
from go_gym.cluster.toml import read_cluster, write_cluster
from go_gym.errors import GoGymError, LeaderboardError
from go_gym.files import make_folder
from go_gym.graph import ComputationGraph
from go_gym.problem import Problem


def own_files(graph: str, cluster: str) -> tuple[str, str]:
    """Where a graph and a cluster of one's own lie in a folder of results."""
    return f"graphs/{graph}.npz", f"clusters/{cluster}.toml"


def find_graph(folder: Path, name: str) -> ComputationGraph:
    """A folder's own graph of that name, else the catalogue's; raises GoGymError without."""
    path = inside(folder, own_files(name, "")[0])
    return ComputationGraph.load(path) if path and path.exists() else datasets.load(name)


def find_cluster(folder: Path, name: str) -> Cluster:
    """A folder's own cluster of that name, else the preset; raises GoGymError without."""
    path = inside(folder, own_files("", name)[1])
    if path and path.exists():
        return read_cluster(path)
    if name.endswith(".toml"):
        raise LeaderboardError(f"cluster {name!r} is a path, not a name")
    return load_cluster(name)


def keep_own(problem: Problem, folder: Path) -> None:
    """Write a graph and a cluster that do not come with go_gym beside the rows, for the verifier.

    Raises:
        LeaderboardError: if another of that name lies there.
    """
    graph, cluster = problem.graph, problem.cluster
    there = [folder / name for name in own_files(graph.name, cluster.name)]
    if not _comes_along(datasets.load, graph):
        _keep(there[0], graph.content_hash, datasets.load_file, graph.save)
    if not _comes_along(load_cluster, cluster):
        _keep(
            there[1], cluster.content_hash, read_cluster, lambda path: write_cluster(cluster, path)
        )


def inside(folder: Path, relative: str) -> Path | None:
    """The path in the folder, None if it is absolute or leads out of it, by links too."""
    if Path(relative).is_absolute() or "\\" in relative:
        return None
    path = (folder / relative).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


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
