"""What genomes cost."""

import numpy as np
from go_agents.search.costs import cost, costs
from go_agents.search.encoding import Encoding
from hypothesis import given, settings

import go_gym
from go_gym.partitions.units import smallest_units
from tests.strategies import problems


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_memory_raises_the_cost_of_what_does_not_fit(problem):
    encoding = Encoding(problem, smallest_units(problem))
    genomes = [encoding.neutral(np.full(problem.num_ops, d)) for d in range(problem.num_devices)]
    batch = go_gym.simulate_batch(problem, encoding.decisions(genomes))
    for result, found in zip(batch, costs(problem, batch), strict=True):
        assert found == cost(problem, result)
        over = (result.peak_memory > problem.cluster.memory_bytes).any()
        assert (found > max(result.step_time_ns, 1)) == over
