"""Placeto's groups, sets and features against walks in plain Python."""

import numpy as np
import pytest
from go_agents.placeto.features import features, group_graph, group_starts, reachable
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.catalogue import datasets
from tests.strategies import problems


def walk(adjacent: np.ndarray, start: int) -> set[int]:
    """Everything that a path of one or more edges leads to."""
    found, queue = set(), [start]
    while queue:
        for other in np.flatnonzero(adjacent[queue.pop()]).tolist():
            if other not in found:
                found.add(other)
                queue.append(other)
    return found


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_reachability_equals_a_walk_rings_included(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    adjacent = rng.random((count, count)) < 0.2
    found = reachable(adjacent)
    for group in range(count):
        assert set(np.flatnonzero(found[group]).tolist()) == walk(adjacent, group)


@settings(max_examples=60, deadline=None)
@given(problem=problems(), limit=st.integers(1, 6))
def test_sets_of_groups(problem, limit):
    graph = group_graph(problem, limit)
    of_op, count = graph.groups.part_of, graph.groups.count
    assert count <= limit
    ends = zip(problem.graph.use_producer, problem.graph.use_consumer, strict=True)
    made = {(int(of_op[b]), int(of_op[a])) for a, b in ends if of_op[a] < of_op[b]}
    assert {tuple(pair) for pair in np.argwhere(graph.parents).tolist()} == made
    for v in range(count):
        above = walk(graph.parents > 0, v)
        below = walk(graph.parents.T > 0, v)
        assert set(np.flatnonzero(graph.ancestors[v]).tolist()) == above
        assert set(np.flatnonzero(graph.descendants[v]).tolist()) == below
        others = set(range(count)) - {v} - above - below
        assert set(np.flatnonzero(graph.parallel[v]).tolist()) == others


def test_features_of_a_chain():
    """Three ops of 10, 40 and 20 ns, the last on the other device behind a transfer of 5 ns."""
    graph = go_gym.ComputationGraph.from_costs([10, 40, 20], [(0, 8), (1, 5)], [(0, 1), (1, 2)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    groups = group_graph(problem, 3)
    result = go_gym.simulate(problem, go_gym.Decision([0, 0, 1]), trace=True)
    starts = group_starts(groups, result.trace)
    assert starts.tolist() == [0, 10, 55]
    table = features(groups, np.array([0, 0, 1]), starts, 1, np.array([True, False, False]), 2)
    expected = [
        [0.25, 1.0, 1.0, 0.0, -10 / 45, 1.0, 0.0],
        [1.0, 5 / 8, 0.0, 1.0, 0.0, 1.0, 0.0],
        [0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0],
    ]
    assert np.allclose(table, expected)


@pytest.mark.parametrize("name", ["rnnlm-2", "inception-b32", "transformer-xl-2"])
def test_the_three_sets_tell_groups_of_real_graphs_apart(name):
    problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster("p100x2"))
    graph = group_graph(problem, 32)
    pairs = graph.groups.count * (graph.groups.count - 1)
    for members in (graph.ancestors, graph.descendants, graph.parallel):
        assert 0.1 < members.sum() / pairs < 0.8
