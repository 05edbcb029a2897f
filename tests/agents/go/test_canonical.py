"""Names of equal devices do not matter, those of unequal ones do."""

import numpy as np
from go_agents.go.canonical import canonical
from go_agents.search.encoding import Encoding

import go_gym
from go_gym.catalogue.problems import make_problem
from go_gym.partitions.units import smallest_units
from tests.agents.go.test_network import layered


def test_names_of_equal_devices_do_not_matter():
    free = go_gym.Cluster.uniform(3, 1e9, contention="none")  # ports break ties by number
    problem = make_problem(layered().graph, free, "joint")
    encoding = Encoding(problem, smallest_units(problem))
    random = np.random.default_rng(0)
    genome = np.stack([random.integers(0, v, encoding.units.count) for v in encoding.values])
    expected = canonical(encoding, genome)
    for renamed in (np.array([1, 2, 0]), np.array([2, 1, 0])):
        other = genome.copy()
        other[0] = renamed[genome[0]]
        assert np.array_equal(canonical(encoding, other), expected)
    assert np.array_equal(expected[1:], genome[1:])
    middle = [np.flatnonzero(expected[0] == device).mean() for device in range(3)]
    assert middle == sorted(middle)
    steps = [go_gym.simulate(problem, encoding.decision(g)) for g in (genome, expected)]
    assert steps[0].step_time_ns == steps[1].step_time_ns


def test_unequal_devices_keep_their_names():
    graph = go_gym.ComputationGraph.from_costs([[1, 9], [1, 9]], [(0, 1)], [(0, 1)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    genome = np.array([[1, 0]])
    assert canonical(Encoding(problem, smallest_units(problem)), genome) is genome
