"""At most so many parts: whole, bounded, and never across a co-location group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.catalogue import datasets
from go_gym.envs.units import Units
from go_gym.errors import GoGymError
from go_gym.partitions import attached_partition
from go_gym.partitions.bounded import METHODS, bounded_partition
from go_gym.partitions.quotient import undirected_edges
from tests.strategies import problems


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=150, deadline=None)
@given(problem=problems(max_ops=40), limit=st.integers(1, 20))
def test_every_op_in_one_of_at_most_that_many_groups(method, problem, limit):
    parts = bounded_partition(problem, limit, method)
    assert parts.part_of.shape == (problem.num_ops,)
    assert set(parts.part_of.tolist()) == set(range(parts.count))
    assert parts.count <= limit
    assert np.array_equal(parts.part_of, parts.part_of[problem.colocation_leader])
    assert np.array_equal(parts.part_of, bounded_partition(problem, limit, method).part_of)


@settings(max_examples=100, deadline=None)
@given(problem=problems(max_ops=40))
def test_nothing_is_joined_without_need(problem):
    fine = attached_partition(problem)
    assert np.array_equal(bounded_partition(problem, fine.count).part_of, fine.part_of)


@pytest.mark.parametrize("name", ["rnnlm-2", "inception-b32", "transformer-xl-2", "gnmt-2"])
def test_real_graphs_fill_their_parts(name, capfd):
    """METIS cuts fewer bytes, and the human expert's placement can still be said."""
    problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster("p100x4"))
    cut = {}
    for method in METHODS:
        parts = bounded_partition(problem, 64, method)
        assert 52 <= parts.count <= 64
        cut[method] = int(undirected_edges(problem, parts)[2].sum())
    assert cut["metis"] < cut["chunks"]
    assert capfd.readouterr().out == "", "METIS complains on standard output"
    units, expert = Units.of(problem, 64), human_expert(problem)
    again = units.spread(units.gathered(expert))
    times = [go_gym.simulate(problem, go_gym.Decision(p)).step_time_ns for p in (expert, again)]
    assert times[1] <= 1.01 * times[0]


def test_chunks_are_stretches_of_a_chain():
    graph = go_gym.ComputationGraph.from_costs(
        [5] * 12, [(i, 1) for i in range(11)], [(i, i + 1) for i in range(11)]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    assert bounded_partition(problem, 3, "chunks").part_of.tolist() == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize(
    ("limit", "method"), [(0, "metis"), (True, "metis"), (2.5, "metis"), (4, "x")]
)
def test_bad_arguments(limit, method):
    graph = go_gym.ComputationGraph.from_costs([5], [], [])
    with pytest.raises(GoGymError, match="groups"):
        bounded_partition(go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9)), limit, method)
