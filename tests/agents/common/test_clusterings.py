"""Clusterings: partitions, nested where they are to be, joined along heavy tensors."""

from itertools import pairwise

import numpy as np
from go_agents.common.clusterings import Clustering, clusterings, ladder, stretches
from go_agents.common.units import decided_units, unit_graph
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from tests.strategies import problems


@settings(max_examples=60, deadline=None)
@given(problem=problems(), of_units=st.sampled_from([decided_units, unit_graph]))
def test_clusterings_are_partitions_and_the_ladder_is_nested(problem, of_units):
    units = of_units(problem)
    for clustering in clusterings(problem, units):
        assert sorted(clustering.order) == list(range(units.count))
        for cluster in range(clustering.count):
            members = clustering.members(cluster)
            assert len(members) and (clustering.of_unit[members] == cluster).all()
            assert (np.diff(members) > 0).all(), "in topological order"
    rungs = ladder(problem, units)
    assert rungs[-1].count == units.count
    for coarse, fine in pairwise(rungs):
        assert coarse.count < fine.count
        pairs = set(zip(fine.of_unit.tolist(), coarse.of_unit.tolist(), strict=True))
        assert len(pairs) == fine.count, "each fine cluster lies in one coarse cluster"


def test_the_ladder_joins_what_the_heaviest_tensors_connect():
    """Two cliques of eight, one thin tensor between them."""
    uses = [
        (i, j) for half in (0, 8) for i in range(half, half + 8) for j in range(i + 1, half + 8)
    ]
    sizes = [1000] * 16
    graph = go_gym.ComputationGraph.from_costs(
        [10] * 16, [*enumerate(sizes), (3, 1)], [*uses, (16, 12)]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9))
    coarsest = ladder(problem, decided_units(problem))[0].of_unit
    assert not set(coarsest[:8]) & set(coarsest[8:])


def test_units_agree_in_every_label():
    clustering = Clustering.of(np.array([0, 0, 1, 1]), np.array([5, 5, 5, -1]))
    assert clustering.of_unit.tolist() == [0, 0, 2, 1]
    assert clustering.count == 3


def test_stretches_share_the_work_equally():
    graph = go_gym.ComputationGraph.from_costs([10, 10, 20, 5, 5, 30], [], [])
    units = decided_units(go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9)))
    assert stretches(units, 4).tolist() == [0, 0, 1, 2, 2, 3]
