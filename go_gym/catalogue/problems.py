"""Problems from names and paths: what ``graph=`` and ``cluster=`` stand for everywhere."""

from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path

import numpy as np

from go_gym.baselines.placements import human_expert
from go_gym.catalogue import datasets, instances
from go_gym.catalogue.registered import SUFFIX, graphs_of_folder
from go_gym.cluster import Cluster, load_cluster
from go_gym.errors import DatasetError, GoGymError
from go_gym.graph import ComputationGraph
from go_gym.problem import PLACED_TASKS, Problem

PlacementLike = np.ndarray | Sequence[int] | Callable[[Problem], np.ndarray] | None
OWN_CLUSTER = "own"
"""The name of the cluster that an instance brings along."""
GraphLike = str | Path | ComputationGraph | Sequence["str | Path | ComputationGraph"]


def make_problem(
    graph: ComputationGraph,
    cluster: Cluster,
    task: str = "placement",
    placement: np.ndarray | Sequence[int] | None = None,
) -> Problem:
    """A problem of ``task``; scheduling and fusion get the human expert's placement by default.

    Args:
        graph, cluster: what runs, and on what.
        task: one of ``go_gym.problem.TASKS``.
        placement: (n,) devices instead of the expert's; only for scheduling and fusion.

    Raises:
        ProblemError: see :class:`Problem`.
    """
    if placement is None and task in PLACED_TASKS:
        placement = human_expert(Problem(graph, cluster))
    return Problem(graph, cluster, task, placement)


def resolve_graphs(graph: GraphLike) -> list[ComputationGraph]:
    """The graphs that ``graph`` names: one, or those of a split, family, folder, glob or list.

    A text is a graph's name, else a split's or family's (:func:`go_gym.catalogue.datasets.split`),
    else a file ending in ``.npz``, else a folder of these, else a pattern with ``*``, ``?`` or
    ``[``; files come in the order of their names.

    Raises:
        DatasetError: if nothing is found, or it is none of these.
    """
    if isinstance(graph, ComputationGraph):
        return [graph]
    if isinstance(graph, Path):
        return _files(str(graph))
    if isinstance(graph, str):
        if datasets.exists(graph):
            return [datasets.load(graph)]
        if _is_path(graph):
            return _files(graph)
        try:
            return [datasets.load(name) for name in datasets.split(graph)]
        except DatasetError:
            if Path(graph).is_dir():
                return _files(graph)
            raise DatasetError(
                f"no graph {graph!r}: expected a path ending in .npz, a folder or pattern of "
                f"these, one of {', '.join(datasets.names())}, or a split: "
                f"{', '.join([*datasets.SPLITS, *datasets.families()])}"
            ) from None
    if isinstance(graph, Sequence) and len(graph) > 0:
        return [found for one in graph for found in resolve_graphs(one)]
    raise DatasetError(f"graph: {graph!r} is no name, path, ComputationGraph or list of these")


def _is_path(text: str) -> bool:
    """Is it a text that no name of a split or family is?"""
    return text.endswith(SUFFIX) or bool(set(text) & set("*?[/\\"))


def _files(text: str) -> list[ComputationGraph]:
    """The graphs of a file, a folder or a pattern."""
    if Path(text).is_dir():
        return graphs_of_folder(text)
    if Path(text).exists() or not set(text) & set("*?["):
        return [ComputationGraph.load(text)]
    paths = sorted(glob(text, recursive=True))
    if not paths:
        raise DatasetError(f"graph: no file matches {text!r}")
    return [ComputationGraph.load(path) for path in paths]


def resolve_problems(
    graph: GraphLike,
    cluster: str | Path | Cluster,
    task: str = "placement",
    placement: PlacementLike = None,
) -> list[Problem]:
    """A problem of ``task`` for each graph, on one cluster.

    ``placement``, for the tasks that are given one: devices (one graph), or a rule that gives
    them for a problem; None for the human expert's, and an instance's own where it has one.

    With the cluster ``"own"`` each graph is an instance (``SET:NAME``), on the cluster that it
    brings along.
    """
    if cluster == OWN_CLUSTER:
        return [_own_problem(name, task, placement) for name in _names(graph)]
    loaded = load_cluster(cluster)
    problems = []
    for found in resolve_graphs(graph):
        given = placement(Problem(found, loaded)) if callable(placement) else placement
        problems.append(make_problem(found, loaded, task, given))
    return problems


def _names(graph: GraphLike) -> list[str]:
    """Names of instances; raises DatasetError for anything else."""
    names = [graph] if isinstance(graph, str) else graph
    if isinstance(names, list | tuple) and all(isinstance(n, str) for n in names):
        return [str(name) for name in names]
    raise DatasetError(f"graph: {graph!r}: cluster {OWN_CLUSTER!r} is for instances, SET:NAME")


def _own_problem(name: str, task: str, placement: PlacementLike) -> Problem:
    problem = instances.load(name).problem
    if problem.placement is not None:
        if task not in PLACED_TASKS:
            raise DatasetError(f"instance {name!r} gives the placement: its task is {problem.task}")
        placement = problem.placement if placement is None else placement
    given = placement(problem) if callable(placement) else placement
    return make_problem(problem.graph, problem.cluster, task, given)


def only_problem(
    graph: GraphLike,
    cluster: str | Path | Cluster,
    task: str = "placement",
    placement: PlacementLike = None,
) -> Problem:
    """As :func:`resolve_problems`; raises GoGymError for several graphs, as of a split."""
    problems = resolve_problems(graph, cluster, task, placement)
    if len(problems) != 1:
        raise GoGymError(f"{graph!r} is {len(problems)} graphs: expected one")
    return problems[0]
