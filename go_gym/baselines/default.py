"""The decision that each task is measured against, and what a framework does by default."""

import numpy as np

from go_gym.baselines.metis import metis_placement
from go_gym.baselines.placements import human_expert, single_device
from go_gym.baselines.priorities import priorities
from go_gym.fusion.greedy import default_fusion
from go_gym.problem import FUSING_TASKS, Decision, Problem
from go_gym.simulator import simulate


def baseline(problem: Problem) -> Decision:
    """What rewards compare with.

    Placement: the human expert's placement. Scheduling: first in, first out. Fusion and joint: the
    framework's default.
    """
    if problem.task == "placement":
        return Decision(human_expert(problem))
    return framework_default(problem)


def framework_default(
    problem: Problem, priorities_name: str = "fifo", partition: np.ndarray | None = None
) -> Decision:
    """What a framework does if nobody decides: greedy fusion where the task decides fusion, on the
    given placement, else on a single device if the step fits there, else by METIS.

    Args:
        problem: any.
        priorities_name: rule of the priorities, see :func:`go_gym.baselines.priorities.priorities`.
        partition: (n,) devices, where one is too small; default those of METIS as it is
            installed, of which other versions may give others.
    """
    by_rule = default_by_rule(problem, priorities_name)
    if by_rule is not None:
        return by_rule
    placement = metis_placement(problem) if partition is None else partition
    return _default_on(problem, placement, priorities_name)


def default_by_rule(problem: Problem, priorities_name: str = "fifo") -> Decision | None:
    """The framework's default where it takes no partitioner: on the given placement, or on a
    single device; None where the step does not fit there."""
    if problem.placement is not None:
        return _default_on(problem, np.asarray(problem.placement), priorities_name)
    alone = _default_on(problem, single_device(problem), priorities_name)
    return alone if simulate(problem, alone).valid else None


def _default_on(problem: Problem, placement: np.ndarray, priorities_name: str) -> Decision:
    return Decision(
        placement=placement,
        priority=priorities(priorities_name, problem, placement),
        fusion=default_fusion(problem, placement) if problem.task in FUSING_TASKS else None,
    )
