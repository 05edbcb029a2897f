"""Genomes and what they cost."""

import numpy as np
from go_agents.search.space import Space
from hypothesis import given, settings

import go_gym
from tests.strategies import problems


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_memory_raises_the_cost_of_what_does_not_fit(problem):
    space = Space(problem)
    genomes = [space.neutral(np.full(problem.num_ops, d)) for d in range(problem.num_devices)]
    batch = go_gym.simulate_batch(problem, space.decisions(genomes))
    costs = space.costs(batch)
    for result, cost in zip(batch, costs, strict=True):
        assert cost == space.cost(result)
        over = (result.peak_memory > problem.cluster.memory_bytes).any()
        assert (cost > max(result.step_time_ns, 1)) == over
