"""Genomes and decisions: neutral ones are the known rules, values order ops against them."""

import numpy as np
import pytest
from go_agents.search.encoding import Encoding, Ranks
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import load_cluster
from go_gym.fusion.greedy import default_fusion
from go_gym.fusion.plan import take_order
from go_gym.partitions.units import chain_units, smallest_units
from go_gym.problem import check_decision
from tests.agents.go.test_network import layered
from tests.fusion.examples import aten_problems
from tests.strategies import problems

AROUND = Ranks(8, 0.5, 8, around_default=True)
MIDDLE = 4


@settings(max_examples=50, deadline=None)
@given(problem=problems(), ranks=st.sampled_from([Ranks(), AROUND]))
def test_any_genome_is_a_whole_decision_that_keeps_colocation(problem, ranks):
    joint = make_problem(problem.graph, problem.cluster, "joint")
    encoding = Encoding(joint, chain_units(joint), ranks)
    random = np.random.default_rng(0)
    genome = np.stack([random.integers(0, v, encoding.units.count) for v in encoding.values])
    decision = encoding.decision(genome)
    check_decision(joint, decision)
    placement = np.asarray(decision.placement)
    assert np.array_equal(placement, placement[problem.colocation_leader])
    assert np.array_equal(placement, genome[0][encoding.units.part_of])
    assert encoding.placement_of_units(genome) is not None


@pytest.mark.parametrize("ranks", [Ranks(), AROUND], ids=["ranks", "around the default"])
def test_the_neutral_genome_is_the_known_rules(ranks):
    joint = make_problem(layered().graph, layered().cluster, "joint")
    encoding = Encoding(joint, chain_units(joint), ranks)
    placement = np.zeros(joint.num_ops, dtype=np.int64)
    decision = encoding.decision(encoding.neutral())
    assert np.array_equal(decision.placement, placement)
    assert np.array_equal(decision.priority, critical_path(joint, placement))
    default = default_fusion(joint, placement)
    if ranks.around_default:
        assert np.array_equal(decision.fusion, default)
        genome = encoding.neutral()
        genome[2] = 0
        decision = encoding.decision(genome)
    assert not np.asarray(decision.fusion).any()


@pytest.mark.parametrize(("values", "boost"), [(17, 0.25), (8, 0.5)])
def test_priorities_are_raised_and_lowered_against_the_critical_path(values, boost):
    problem = make_problem(layered().graph, layered().cluster, "scheduling")
    encoding = Encoding(problem, smallest_units(problem), Ranks(priority=values, boost=boost))
    rank = critical_path(problem, problem.placement)
    for value in range(values):
        genome = np.full((1, encoding.units.count), value)
        step = (value - values // 2) / (values // 2) * boost * rank.max()
        assert np.abs(np.asarray(encoding.decision(genome).priority) - rank - step).max() <= 0.5


def test_neutral_fusion_keeps_the_order_of_what_is_given():
    """Any whole numbers become as many ranks as there are, the largest of a unit counts."""
    problem = make_problem(layered().graph, layered().cluster, "fusion")
    encoding = Encoding(problem, smallest_units(problem))
    given_ranks = np.random.default_rng(0).integers(0, 5000, problem.num_ops)
    given_ranks[:7] = 0
    row = encoding.neutral(fusion=given_ranks)[0]
    largest = np.zeros(encoding.units.count, dtype=np.int64)
    np.maximum.at(largest, encoding.units.part_of, given_ranks)
    order = np.argsort(largest, kind="stable")
    assert (np.diff(row[order]) >= 0).all()
    assert ((row == 0) == (largest == 0)).all() and row.max() == Ranks().fusion - 1


@settings(max_examples=50, deadline=None)
@given(problem=aten_problems(), data=st.data())
def test_fusion_around_the_default_orders_ops_against_it(problem, data):
    fusing = make_problem(problem.graph, problem.cluster, "fusion", np.zeros(problem.num_ops, int))
    units = chain_units(fusing, merge_chains=False)
    encoding = Encoding(fusing, units, AROUND)
    default = take_order(default_fusion(fusing, np.asarray(fusing.placement))).tolist()
    neutral = encoding.decision(encoding.neutral()).fusion
    assert take_order(np.asarray(neutral)).tolist() == default
    drawn = data.draw(st.lists(st.integers(0, 7), min_size=units.count, max_size=units.count))
    genome = np.array([drawn], dtype=np.int64)
    value = genome[0][units.part_of]
    order = take_order(np.asarray(encoding.decision(genome).fusion)).tolist()
    own = [op for op in order if value[op] != MIDDLE]
    assert own == sorted(np.flatnonzero((value > 0) & (value != MIDDLE)), key=lambda op: -value[op])
    assert [op for op in order if value[op] == MIDDLE] == [
        op for op in default if value[op] == MIDDLE
    ]
    signs = [int(np.sign(value[op] - MIDDLE)) for op in order]
    assert signs == sorted(signs, reverse=True)


def test_any_value_above_the_middle_comes_before_all_that_the_default_takes():
    """A chain of which the default takes more ops than there are values, so that their ranks go
    far beyond these: the op raised by one is taken first, whatever its place in the chain."""
    length = 40
    graph = go_gym.ComputationGraph.from_arrays(
        "chain",
        num_ops=length,
        tensors=[(op, 8) for op in range(length)],
        uses=[(op - 1, op) for op in range(1, length)],
        op_types=["aten.tanh"] * length,
        shapes=[(2,)] * length,
        flops=[1] * length,
        bytes_read=[8] * length,
        bytes_written=[8] * length,
    )
    fusing = make_problem(graph, load_cluster("p100x2"), "fusion", np.zeros(length, dtype=int))
    encoding = Encoding(fusing, chain_units(fusing, merge_chains=False), AROUND)
    default = take_order(default_fusion(fusing, np.asarray(fusing.placement))).tolist()
    assert len(default) > 3 * AROUND.fusion
    for op in default[:: len(default) // 7]:
        genome = encoding.neutral()
        genome[0, encoding.units.part_of[op]] = MIDDLE + 1
        order = take_order(np.asarray(encoding.decision(genome).fusion)).tolist()
        assert order == [op, *(other for other in default if other != op)]


def test_scheduled_placements_bring_critical_path_priorities():
    problem = layered()
    units = chain_units(problem)
    genome = np.arange(units.count)[None] % 3
    assert Encoding(problem, units).decision(genome).priority is None
    decision = Encoding(problem, units, scheduled=True).decision(genome)
    assert np.array_equal(decision.priority, critical_path(problem, decision.placement))
