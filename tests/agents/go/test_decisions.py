"""From choices to decisions: neutral levels are the known rules, names of devices do not matter."""

import numpy as np
from go_agents.go.decisions import Decoder, canonical
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue.problems import make_problem
from go_gym.fusion.greedy import default_fusion
from go_gym.fusion.plan import take_order
from go_gym.partitions.units import chain_units
from go_gym.problem import check_decision
from tests.agents.go.test_network import layered
from tests.fusion.examples import aten_problems
from tests.strategies import problems

LEVELS = 8


@settings(max_examples=50, deadline=None)
@given(problem=problems())
def test_any_choices_are_a_whole_decision_that_keeps_colocation(problem):
    units = chain_units(problem)
    joint = make_problem(problem.graph, problem.cluster, "joint")
    random = np.random.default_rng(0)
    choices = {
        "placement": random.integers(0, problem.num_devices, units.count),
        "priority": random.integers(0, LEVELS, units.count),
        "fusion": random.integers(0, LEVELS, units.count),
    }
    decision = Decoder(joint, units, LEVELS).decision(choices)
    check_decision(joint, decision)
    placement = np.asarray(decision.placement)
    assert np.array_equal(placement, placement[problem.colocation_leader])


def test_middle_levels_are_the_known_rules():
    graph, cluster = layered().graph, layered().cluster
    joint = make_problem(graph, cluster, "joint")
    units = chain_units(joint)
    one = np.zeros(units.count, dtype=np.int64)
    middle = one + LEVELS // 2
    choices = {"placement": one, "priority": middle, "fusion": middle}
    decision = Decoder(joint, units, LEVELS).decision(choices)
    placement = np.zeros(graph.num_ops, dtype=np.int64)
    assert np.array_equal(decision.priority, critical_path(joint, placement))
    assert np.array_equal(decision.fusion, default_fusion(joint, placement))
    never = Decoder(joint, units, LEVELS).decision({**choices, "fusion": one})
    assert not np.asarray(never.fusion).any()


@settings(max_examples=50, deadline=None)
@given(problem=aten_problems(), data=st.data())
def test_levels_of_fusion_order_ops_against_the_default(problem, data):
    fusing = make_problem(problem.graph, problem.cluster, "fusion", np.zeros(problem.num_ops, int))
    units = chain_units(fusing, merge_chains=False)
    default = take_order(default_fusion(fusing, np.asarray(fusing.placement))).tolist()
    decoder = Decoder(fusing, units, LEVELS)
    middle = np.full(units.count, LEVELS // 2)
    assert take_order(np.asarray(decoder.decision({"fusion": middle}).fusion)).tolist() == default
    drawn = data.draw(
        st.lists(st.integers(0, LEVELS - 1), min_size=units.count, max_size=units.count)
    )
    choices = np.array(drawn, dtype=np.int64)
    level = choices[units.part_of]
    order = take_order(np.asarray(decoder.decision({"fusion": choices}).fusion)).tolist()
    own = [op for op in order if level[op] != LEVELS // 2]
    assert own == sorted(
        np.flatnonzero((level > 0) & (level != LEVELS // 2)), key=lambda op: -level[op]
    )
    assert [op for op in order if level[op] == LEVELS // 2] == [
        op for op in default if level[op] == LEVELS // 2
    ]
    signs = [int(np.sign(level[op] - LEVELS // 2)) for op in order]
    assert signs == sorted(signs, reverse=True)


def test_scheduled_placements_bring_critical_path_priorities():
    problem = layered()
    units = chain_units(problem)
    choices = {"placement": np.arange(units.count) % 3}
    plain = Decoder(problem, units, LEVELS).decision(choices)
    decision = Decoder(problem, units, LEVELS, scheduled=True).decision(choices)
    assert plain.priority is None
    assert np.array_equal(decision.priority, critical_path(problem, decision.placement))


def test_names_of_equal_devices_do_not_matter():
    free = go_gym.Cluster.uniform(3, 1e9, contention="none")  # ports break ties by number
    problem = go_gym.Problem(layered().graph, free)
    units = chain_units(problem, merge_chains=False)
    random = np.random.default_rng(0)
    placement = random.integers(0, 3, units.count)
    expected = canonical(problem, {"placement": placement})["placement"]
    for renamed in (np.array([1, 2, 0]), np.array([2, 1, 0])):
        again = canonical(problem, {"placement": renamed[placement]})["placement"]
        assert np.array_equal(again, expected)
    middle = [np.flatnonzero(expected == device).mean() for device in range(3)]
    assert middle == sorted(middle)
    steps = [
        go_gym.simulate(problem, Decoder(problem, units, 8).decision({"placement": rows}))
        for rows in (placement, expected)
    ]
    assert steps[0].step_time_ns == steps[1].step_time_ns


def test_unequal_devices_keep_their_names():
    graph = go_gym.ComputationGraph.from_costs([[1, 9], [1, 9]], [(0, 1)], [(0, 1)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    choices = {"placement": np.array([1, 0])}
    assert canonical(problem, choices) is choices
