"""Problems of every task, and the decision that each is measured against."""

from collections.abc import Sequence

import numpy as np

from go_gym.cluster.model import Cluster
from go_gym.graph.model import ComputationGraph
from go_gym.placements import human_expert
from go_gym.problem import PLACED_TASKS, Decision, Problem


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


def baseline(problem: Problem) -> Decision:
    """What rewards compare with.

    Placement: the human expert's. Scheduling: first in, first out on the given placement.
    """
    if problem.placement is not None:
        return Decision(problem.placement)
    return Decision(human_expert(problem))
