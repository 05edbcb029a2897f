"""Groups of ops: whole, bounded, and never across a co-location group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.catalogue import datasets
from go_gym.envs.nodes import Nodes
from go_gym.errors import GoGymError
from go_gym.partitions.coarsening import METHODS, bounded_groups
from go_gym.partitions.grouping import attached_groups, group_edges
from tests.strategies import problems


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=150, deadline=None)
@given(problem=problems(max_ops=40), limit=st.integers(1, 20))
def test_every_op_in_one_of_at_most_that_many_groups(method, problem, limit):
    groups = bounded_groups(problem, limit, method)
    assert groups.of_op.shape == (problem.num_ops,)
    assert set(groups.of_op.tolist()) == set(range(groups.count))
    assert groups.count <= limit
    assert np.array_equal(groups.of_op, groups.of_op[problem.colocation_leader])
    assert np.array_equal(groups.of_op, bounded_groups(problem, limit, method).of_op)


@settings(max_examples=100, deadline=None)
@given(problem=problems(max_ops=40))
def test_nothing_is_joined_without_need(problem):
    fine = attached_groups(problem)
    assert np.array_equal(bounded_groups(problem, fine.count).of_op, fine.of_op)


@pytest.mark.parametrize("name", ["rnnlm-2", "inception-b32", "transformer-xl-2", "gnmt-2"])
def test_real_graphs_fill_their_groups(name, capfd):
    """METIS cuts fewer bytes, and the human expert's placement can still be said."""
    problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster("p100x4"))
    cut = {}
    for method in METHODS:
        groups = bounded_groups(problem, 64, method)
        assert 52 <= groups.count <= 64
        cut[method] = int(group_edges(problem, groups)[2].sum())
    assert cut["metis"] < cut["chunks"]
    assert capfd.readouterr().out == "", "METIS complains on standard output"
    nodes, expert = Nodes.of(problem, 64), human_expert(problem)
    again = nodes.spread(nodes.gathered(expert))
    times = [go_gym.simulate(problem, go_gym.Decision(p)).step_time_ns for p in (expert, again)]
    assert times[1] <= 1.01 * times[0]


def test_chunks_are_stretches_of_a_chain():
    graph = go_gym.ComputationGraph.from_costs(
        [5] * 12, [(i, 1) for i in range(11)], [(i, i + 1) for i in range(11)]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    assert bounded_groups(problem, 3, "chunks").of_op.tolist() == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize(
    ("limit", "method"), [(0, "metis"), (True, "metis"), (2.5, "metis"), (4, "x")]
)
def test_bad_arguments(limit, method):
    graph = go_gym.ComputationGraph.from_costs([5], [], [])
    with pytest.raises(GoGymError, match="groups"):
        bounded_groups(go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9)), limit, method)
