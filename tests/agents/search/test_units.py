"""Units, clusterings, critical ops."""

import numpy as np
from go_agents.search.critical import critical_ops
from go_agents.search.space import Space
from go_agents.search.units import Clustering, Units
from hypothesis import given, settings

import go_gym
from tests.strategies import decisions, problems


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_clusterings_are_partitions_and_the_ladder_is_nested(problem):
    units = Units(problem)
    for clustering in units.clusterings:
        assert sorted(clustering.order) == list(range(units.count))
        for cluster in range(clustering.count):
            members = clustering.members(cluster)
            assert len(members) and (clustering.of_unit[members] == cluster).all()
            assert (np.diff(members) > 0).all(), "in topological order"
    assert units.ladder[-1].count == units.count
    for coarse, fine in zip(units.ladder, units.ladder[1:], strict=False):
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
    units = Units(go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9)))
    coarsest = units.ladder[0].of_unit
    assert not set(coarsest[:8]) & set(coarsest[8:])


def test_units_agree_in_every_label():
    clustering = Clustering.of(np.array([0, 0, 1, 1]), np.array([5, 5, 5, -1]))
    assert clustering.of_unit.tolist() == [0, 0, 2, 1]
    assert clustering.count == 3


def test_critical_ops_of_a_small_case():
    """op0 (5) → tensor of 10 → op2 (4) on device 1, kept waiting by op1 (3), which is done."""
    graph = go_gym.ComputationGraph.from_costs([5, 3, 4], [(0, 10)], [(0, 2)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    decision = go_gym.Decision([0, 1, 1])
    trace = go_gym.simulate(problem, decision, trace=True).trace
    ops, share = critical_ops(problem, decision.placement, trace)
    assert ops.tolist() == [2, 0]
    assert share.tolist() == [4 + 10, 5]


@settings(max_examples=150, deadline=None)
@given(problem=problems().flatmap(lambda p: decisions(p).map(lambda d: (p, d))))
def test_critical_ops_answer_for_the_whole_step(problem):
    problem, decision = problem
    result = go_gym.simulate(problem, decision, trace=True)
    ops, share = critical_ops(problem, decision.placement, result.trace)
    assert share.sum() == result.step_time_ns
    assert (share >= 0).all()
    assert len(set(ops.tolist())) == len(ops)


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
