"""Graphs of the user's own, by name and family: folders that are registered."""

import os
from functools import cache
from pathlib import Path

from go_gym.errors import DatasetError
from go_gym.graph import ComputationGraph

VARIABLE = "GO_GYM_DATASETS"
"""The environment variable that holds the folders, as ``PATH`` holds them: worker processes,
however they are started, and the shell's commands know the same graphs."""
SUFFIX = ".npz"


def graphs_of_folder(folder: str | Path) -> list[ComputationGraph]:
    """The graphs of the files ``*.npz`` of a folder, in the order of the files' names.

    Raises:
        DatasetError: without a graph file, or for two graphs of one name.
        FileFormatError, GraphError: for a file that is none.
    """
    paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
    if not paths:
        raise DatasetError(f"{folder}: no graph file, *{SUFFIX}, in this folder")
    graphs = [ComputationGraph.load(path) for path in paths]
    first: dict[str, Path] = {}
    for graph, path in zip(graphs, paths, strict=True):
        if graph.name in first:
            raise DatasetError(
                f"{path}: its graph is named {graph.name!r}, as that of {first[graph.name].name} is"
            )
        first[graph.name] = path
    return graphs


def folders() -> list[Path]:
    """The registered folders."""
    return [Path(each) for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]


def add(folder: Path) -> None:
    """Put a folder into the environment variable, once."""
    if folder not in folders():
        os.environ[VARIABLE] = os.pathsep.join(map(str, [*folders(), folder]))


def remove(folder: Path) -> None:
    """Take a folder out of the environment variable again."""
    os.environ[VARIABLE] = os.pathsep.join(str(each) for each in folders() if each != folder)


def family_of(graph: ComputationGraph, folder: Path) -> str:
    """What the graph's metadata say, else the folder's name."""
    return str(graph.metadata.get("family") or folder.name)


def graphs() -> dict[str, tuple[str, ComputationGraph]]:
    """Family and graph of each name, in the order of the folders and of their files."""
    found: dict[str, tuple[str, ComputationGraph]] = {}
    for folder in folders():
        for graph in _read(folder):
            if graph.name in found:
                raise DatasetError(f"{folder}: a graph {graph.name!r} is registered already")
            found[graph.name] = family_of(graph, folder), graph
    return found


@cache
def _read(folder: Path) -> tuple[ComputationGraph, ...]:
    """Read once: a process sees a folder as it was when it first asked for a graph of it."""
    return tuple(graphs_of_folder(folder))
