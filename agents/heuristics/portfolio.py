"""What the classical heuristics place, all together: where a search may start."""

import numpy as np

from go_gym.baselines.metis import metis_placement
from go_gym.baselines.placements import contiguous_balanced, human_expert, single_device
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
    return list({placement.tobytes(): placement for placement in made}.values())
