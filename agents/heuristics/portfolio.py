"""What the classical heuristics place, all together: where a search may start."""

from dataclasses import replace

import numpy as np

from go_gym.baselines.metis import metis_placement
from go_gym.baselines.placements import contiguous_balanced, human_expert, single_device
from go_gym.graph.columns import BY_POSITION
from go_gym.problem import Problem

from .baechi import m_etf_schedule, m_topo_placement
from .cpop import cpop_schedule
from .heft import contention_schedules


def heuristic_placements(problem: Problem) -> list[np.ndarray]:
    """(n,) placements of the classical heuristics, each different one once; no simulator call."""
    made = [
        single_device(problem),
        contiguous_balanced(problem),
        human_expert(problem),
        metis_placement(problem),
        m_topo_placement(problem),
        m_etf_schedule(problem).placement,
        cpop_schedule(problem).placement,
        *(plan.placement for plan in contention_schedules(problem)),
    ]
    return _different(made)


def placements_on_fewer(problem: Problem) -> list[np.ndarray]:
    """(n,) placements of :func:`contention_schedules` on half of the devices, a quarter and so on,
    of two at least; none where devices or links differ, so that halves do too.

    More equal devices can never be worse, but list schedulers use all that they are given.
    """
    cluster, d = problem.cluster, problem.num_devices
    apart = cluster.link_of[~np.eye(d, dtype=bool)]
    equal = len(problem.durations) == len(set(cluster.memory_bytes.tolist())) == 1
    by_position = any(kind.startswith(BY_POSITION) for kind in problem.graph.duration_kinds)
    if not equal or by_position or len(np.unique(apart)) != 1:
        return []
    made = []
    while (d := d // 2) >= 2:
        part = replace(cluster, devices=cluster.devices[:d], link_of=cluster.link_of[:d, :d])
        made += [plan.placement for plan in contention_schedules(Problem(problem.graph, part))]
    return _different(made)


def _different(made: list[np.ndarray]) -> list[np.ndarray]:
    """Each different one once, in their order."""
    return list({placement.tobytes(): placement for placement in made}.values())
