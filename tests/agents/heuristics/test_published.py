"""HEFT and CPOP against the example that their paper works out."""

import numpy as np
import pytest
from go_agents.heuristics.cpop import cpop_schedule
from go_agents.heuristics.heft import heft_schedule
from go_agents.heuristics.listing import mean_upward_ranks

import go_gym
from tests.agents.heuristics.examples import topcuoglu


def test_upward_ranks_are_those_of_the_papers_table():
    ranks = mean_upward_ranks(topcuoglu())
    published = [108.000, 77.000, 80.000, 80.000, 69.000, 63.333, 42.667, 35.667, 44.333, 14.667]
    assert ranks == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize(("schedule", "makespan"), [(heft_schedule, 80), (cpop_schedule, 86)])
def test_makespan_is_the_published_one(schedule, makespan):
    problem = topcuoglu()
    plan = schedule(problem)
    assert plan.makespan_ns == makespan
    # the simulator, told to keep the plan's order, has no reason to be slower here
    order = np.argsort(np.argsort(-plan.start, kind="stable"))
    result = go_gym.simulate(problem, go_gym.Decision(plan.placement, priority=order))
    assert result.step_time_ns == makespan


def test_heft_places_as_published():
    """The Gantt chart of the paper: tasks 1, 3, 5, 7 on P3, 2 and 8 on P1, the rest on P2."""
    assert heft_schedule(topcuoglu()).placement.tolist() == [2, 0, 2, 1, 2, 1, 2, 0, 1, 1]
