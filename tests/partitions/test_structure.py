"""Structure: partitions of units, nested where they are to be, joined along heavy tensors."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.partitions.coarsen import nested_hierarchy
from go_gym.partitions.structure import dense_hierarchy, structural_partitions
from go_gym.partitions.units import chain_units, smallest_units
from tests.agents.go.test_network import layered
from tests.strategies import problems


@settings(max_examples=60, deadline=None)
@given(problem=problems(), of_units=st.sampled_from([smallest_units, chain_units]))
def test_structural_partitions_are_partitions_and_nested_levels_are_nested(problem, of_units):
    units = of_units(problem)
    found = structural_partitions(problem, units)
    assert len({each.part_of.tobytes() for each in found}) == len(found)
    for partition in found:
        assert sorted(partition.order) == list(range(units.count))
        for part in range(partition.count):
            members = partition.members(part)
            assert len(members) and (partition.part_of[members] == part).all()
            assert (np.diff(members) > 0).all(), "in topological order"
    nested = nested_hierarchy(problem, units)
    assert nested[-1].count == units.count
    for coarse, fine in pairwise(nested):
        assert coarse.count < fine.count
        pairs = set(zip(fine.part_of.tolist(), coarse.part_of.tolist(), strict=True))
        assert len(pairs) == fine.count, "each fine part lies in one coarse part"


def test_nested_levels_join_what_the_heaviest_tensors_connect():
    """Two cliques of eight, one thin tensor between them."""
    uses = [
        (i, j) for half in (0, 8) for i in range(half, half + 8) for j in range(i + 1, half + 8)
    ]
    sizes = [1000] * 16
    graph = go_gym.ComputationGraph.from_costs(
        [10] * 16, [*enumerate(sizes), (3, 1)], [*uses, (16, 12)]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9))
    coarsest = nested_hierarchy(problem, smallest_units(problem))[0].part_of
    assert not set(coarsest[:8]) & set(coarsest[8:])


def test_dense_levels_go_from_coarse_to_single_units():
    problem = layered(300)
    units = chain_units(problem, merge_chains=False)
    hierarchy = dense_hierarchy(problem, units, (4, 16, 128))
    counts = [level.count for level in hierarchy]
    assert counts == sorted(counts) and counts[0] <= 4 and counts[-1] == units.count
    layer = np.arange(300) * 4 // 300
    assert any(
        len(set((level.part_of * 5 + layer).tolist())) == 4
        for level in hierarchy
        if level.count == 4
    )
    for level in hierarchy:
        assert sorted(set(level.part_of.tolist())) == list(range(level.count))
    for most in (40, counts[2]):
        assert [level.count for level in hierarchy.at_most(most)] == [
            n for n in counts if n <= most
        ]
    assert [level.count for level in hierarchy.at_most(1)] == counts[:1], "the coarsest at least"
