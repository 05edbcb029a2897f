"""Problems of every task, with the placement that scheduling and fusion start from."""

import numpy as np

from go_gym.cluster.model import Cluster
from go_gym.graph.model import ComputationGraph
from go_gym.placements import human_expert
from go_gym.problem import PLACED_TASKS, Problem


def make_problem(
    graph: ComputationGraph,
    cluster: Cluster,
    task: str = "placement",
    placement: np.ndarray | None = None,
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
