"""Decision units: whole groups, merged chains, no more than asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.partitions.coarsen import heavy_edges
from go_gym.partitions.units import chain_units, smallest_units
from tests.strategies import problems


def chain(length: int, name: str = "chain") -> go_gym.Problem:
    """Ops in a row, 10 ns and 100 bytes each."""
    graph = go_gym.ComputationGraph.from_costs(
        [10] * length,
        [(i, 100) for i in range(length)],
        [(i, i + 1) for i in range(length - 1)],
        name=name,
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))


@settings(max_examples=100, deadline=None)
@given(problem=problems(), most=st.integers(1, 6))
def test_units_are_a_partition_that_keeps_groups_and_work(problem, most):
    whole = chain_units(problem)
    units = chain_units(problem, most=most)
    assert units.count <= min(most, whole.count)
    of_op = units.part_of
    assert set(of_op.tolist()) == set(range(units.count))
    assert np.array_equal(of_op, of_op[problem.colocation_leader])
    assert units.work.sum() == pytest.approx(whole.work.sum())
    assert (units.source != units.target).all()
    graph = problem.graph
    crossing = of_op[graph.use_producer] != of_op[graph.use_consumer]
    pairs = set(zip(units.source.tolist(), units.target.tolist(), strict=True))
    producers, consumers = graph.use_producer[crossing], graph.use_consumer[crossing]
    assert pairs == set(zip(of_op[producers].tolist(), of_op[consumers].tolist(), strict=True))


def test_a_chain_is_one_unit_and_a_fork_is_not():
    assert chain_units(chain(9)).count == 1
    assert chain_units(chain(9), merge_chains=False).count == 9
    fork = go_gym.ComputationGraph.from_costs(
        [10] * 4, [(0, 1), (1, 1), (2, 1)], [(0, 1), (0, 2), (1, 3), (2, 3)]
    )
    problem = go_gym.Problem(fork, go_gym.Cluster.uniform(2, 1e9))
    assert chain_units(problem).count == 4


def test_coarsening_keeps_layers_apart_while_it_can():
    """Ops of two layers in turns, without a tensor: parts of the next ones, layer by layer."""
    graph = go_gym.ComputationGraph.from_costs([10] * 64, [], [])
    units = chain_units(go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9)))
    layer = np.arange(64) % 2
    for most in (32, 16, 2):
        label = heavy_edges(units, most, layer).part_of
        assert len(np.unique(label)) == most
        assert len(np.unique(np.stack([label, layer]), axis=1).T) == most
    assert heavy_edges(units, 1, layer).count == 1


def test_coarsening_joins_what_exchanges_most():
    """Two cliques with one thin edge between them end as two parts."""
    uses, tensors = [], []
    for half in (0, 6):
        for i in range(half, half + 6):
            tensors.append((i, 1000))
            uses += [(i, j) for j in range(i + 1, half + 6)]
    tensors.append((0, 1))
    uses.append((12, 11))
    graph = go_gym.ComputationGraph.from_costs([10] * 12, tensors, uses)
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    units = chain_units(problem, merge_chains=False)
    label = heavy_edges(units, 2, units.layers(problem)).part_of[units.part_of]
    assert len(set(label[:6])) == len(set(label[6:])) == 1
    assert label[0] != label[6]


def test_coarsening_prefers_the_same_layer_to_heavier_edges():
    graph = go_gym.ComputationGraph.from_costs(
        [10] * 4,
        [(0, 5), (0, 500), (1, 1), (2, 5)],
        [(0, 1), (1, 2), (2, 3), (3, 3)],
        layers=["a", "a", "b", "b"],
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    units = chain_units(problem, merge_chains=False)
    assert heavy_edges(units, 2, units.layers(problem)).part_of.tolist() == [0, 0, 1, 1]
    assert heavy_edges(units, 2, np.zeros(4, dtype=np.int64)).part_of.tolist() != [0, 0, 1, 1]


def test_the_longest_op_speaks_for_its_unit():
    graph = go_gym.ComputationGraph.from_costs(
        [1, 9, 9, 2],
        [(0, 1), (1, 1), (2, 1)],
        [(0, 1), (1, 2), (2, 3)],
        layers=["a", "b", "c", "d"],
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    units = chain_units(problem)
    assert units.partition.longest(problem.mean_durations).tolist() == [1]
    assert [graph.layers[i] for i in units.layers(problem)] == ["b"]


def test_neighbours_are_those_that_share_a_tensor():
    graph = go_gym.ComputationGraph.from_costs(
        [1, 1, 1, 1], [(0, 1), (1, 1)], [(0, 1), (0, 3), (1, 3)]
    )
    pointers, others = smallest_units(
        go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    ).neighbours
    found = [set(others[pointers[i] : pointers[i + 1]].tolist()) for i in range(4)]
    assert found == [{1, 3}, {0, 3}, set(), {0, 1}]
    assert len(others) == 6
