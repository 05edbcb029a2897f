"""The best heuristic is the best of all of them, by the simulator."""

import numpy as np
from go_agents.heuristics.best import BestHeuristic
from go_agents.heuristics.portfolio import heuristic_placements

from go_gym import Cluster, Decision, Problem, simulate
from go_gym.agent import solve
from go_gym.baselines.placements import human_expert
from go_gym.catalogue.synthetic import generate

PROBLEM = Problem(generate("branching", 600, 1), Cluster.uniform(3, 1e10))


def test_it_is_the_best_of_all():
    times = [
        simulate(PROBLEM, Decision(each)).step_time_ns for each in heuristic_placements(PROBLEM)
    ]
    found = solve(BestHeuristic(), PROBLEM, seed=0, simulations=100)
    assert simulate(PROBLEM, found.decision).step_time_ns == min(times)
    assert found.calls == len(times)


def test_few_calls_try_a_few_and_none_asks_the_expert():
    few = solve(BestHeuristic(), PROBLEM, seed=0, simulations=2)
    assert few.calls == 2
    none = solve(BestHeuristic(), PROBLEM, seed=0, simulations=0)
    assert none.calls == 0
    np.testing.assert_array_equal(none.decision.placement, human_expert(PROBLEM))
