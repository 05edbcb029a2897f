"""Problems of every task, and the decision that each is measured against."""

from collections.abc import Sequence

import numpy as np

from go_gym.cluster.model import Cluster
from go_gym.fusion.greedy import default_fusion
from go_gym.graph.model import ComputationGraph
from go_gym.partition import metis_placement
from go_gym.placements import human_expert, single_device
from go_gym.priorities import priorities
from go_gym.problem import FUSING_TASKS, PLACED_TASKS, Decision, Problem
from go_gym.simulator import simulate


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

    Placement: the human expert's placement. Scheduling: first in, first out. Fusion and joint: the
    framework's default.
    """
    if problem.task == "placement":
        return Decision(human_expert(problem))
    return framework_default(problem)


def framework_default(problem: Problem, priorities_name: str = "fifo") -> Decision:
    """What a framework does if nobody decides: greedy fusion where the task decides fusion, on the
    given placement, else on a single device if the step fits there, else by METIS.

    Args:
        problem: any.
        priorities_name: rule of the priorities, see :func:`go_gym.priorities.priorities`.
    """
    if problem.placement is not None:
        return _default_on(problem, np.asarray(problem.placement), priorities_name)
    alone = _default_on(problem, single_device(problem), priorities_name)
    if simulate(problem, alone).valid:
        return alone
    return _default_on(problem, metis_placement(problem), priorities_name)


def _default_on(problem: Problem, placement: np.ndarray, priorities_name: str) -> Decision:
    return Decision(
        placement=placement,
        priority=priorities(priorities_name, problem, placement),
        fusion=default_fusion(problem, placement) if problem.task in FUSING_TASKS else None,
    )
