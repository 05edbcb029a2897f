"""Strict orders: engine against specification, traces given back, orders that never proceed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.errors import DecisionError
from go_gym.problem.decision_file import dump_decision, parse_decision
from go_gym.simulator import DeltaSimulator, OrderStuck, simulate_reference
from tests.simulator.test_engine import assert_equal
from tests.strategies import decisions, problems

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def order_of(trace):
    """The rank of each op by its start."""
    return np.argsort(np.argsort(trace.op_start, kind="stable"))


def ordered(data, problem, decision):
    """A decision with an order: at random, or one that proceeds with some ops swapped."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    if data.draw(st.booleans()):
        order = rng.permutation(problem.num_ops)
    else:
        order = np.argsort(np.argsort(np.arange(problem.num_ops) + rng.integers(0, 3)))
        for _ in range(int(rng.integers(0, 3))):
            i, j = rng.integers(0, problem.num_ops, 2)
            order[[i, j]] = order[[j, i]]
    return go_gym.Decision(decision.placement, order=order)


@MANY
@given(st.data())
def test_the_engine_equals_the_specification(data):
    problem = data.draw(problems())
    mixed = [data.draw(decisions(problem)) for _ in range(3)]
    mixed[1:1] = [ordered(data, problem, decision) for decision in mixed[:2]]
    expected = [simulate_reference(problem, decision, trace=True) for decision in mixed]
    batch = go_gym.simulate_batch(problem, mixed)
    for decision, one, found in zip(mixed, expected, batch, strict=True):
        assert_equal(go_gym.simulate(problem, decision, trace=True), one)
        assert_equal(found, simulate_reference(problem, decision))
        limit = int(one.step_time_ns * 0.8)
        limited = go_gym.simulate(problem, decision, limit_ns=limit)
        assert_equal(limited, simulate_reference(problem, decision, limit_ns=limit))


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_engine_equals_the_specification_ten_thousand_times(data):
    problem = data.draw(problems(max_ops=20))
    decision = ordered(data, problem, data.draw(decisions(problem)))
    expected = simulate_reference(problem, decision, trace=True)
    assert_equal(go_gym.simulate(problem, decision, trace=True), expected)


@MANY
@given(st.data())
def test_each_of_the_named_ops_waits_for_the_next(data):
    problem = data.draw(problems())
    decision = ordered(data, problem, data.draw(decisions(problem)))
    violation = go_gym.simulate(problem, decision).violation
    if not isinstance(violation, OrderStuck):
        return
    graph, place, rank = problem.graph, np.asarray(decision.placement), np.asarray(decision.order)
    ops = violation.ops
    assert ops[0] == min(ops) and len(set(ops)) == len(ops)
    for op, other in zip(ops, (*ops[1:], ops[0]), strict=True):
        reads = other in graph.use_producer[graph.use_consumer == op]
        assert reads or (place[op] == place[other] and rank[other] < rank[op])


@MANY
@given(st.data())
def test_the_order_of_a_trace_given_back_reproduces_the_trace(data):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    before = simulate_reference(problem, decision, trace=True)
    again = go_gym.Decision(decision.placement, order=order_of(before.trace))
    assert_equal(go_gym.simulate(problem, again, trace=True), before)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_moves_under_an_order_are_simulated_exactly(data):
    problem = data.draw(problems())
    decision = ordered(data, problem, data.draw(decisions(problem)))
    delta = DeltaSimulator(problem, decision)
    assert_equal(delta.result, go_gym.simulate(problem, decision))
    found = delta.try_move([0], problem.num_devices - 1)
    moved = delta.adopt()
    np.testing.assert_array_equal(moved.order, decision.order)
    assert_equal(found, simulate_reference(problem, moved))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_kernels_keep_the_order_of_their_roots(data):
    given_ = data.draw(problems())
    problem = go_gym.Problem(given_.graph, given_.cluster, "joint")
    plain = data.draw(decisions(problem))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    levels = rng.integers(0, 3, problem.num_ops)
    fused = go_gym.Decision(plain.placement, plain.priority, levels)
    before = go_gym.simulate(problem, fused, trace=True)
    again = go_gym.Decision(plain.placement, fusion=levels, order=order_of(before.trace))
    assert_equal(go_gym.simulate(problem, again, trace=True), before)
    assert_equal(simulate_reference(problem, again, trace=True), before)


def two_chains():
    """Ops 0 → 1 and 2 → 3, to lie across two devices."""
    graph = go_gym.ComputationGraph.from_costs([1] * 4, [(0, 0), (2, 0)], [(0, 1), (1, 3)])
    return go_gym.Problem(
        graph,
        go_gym.Cluster.uniform(devices=2, bandwidth=1e9, latency=0, memory=9, contention="none"),
    )


def test_ops_that_wait_for_each_other_are_named():
    problem = two_chains()
    stuck = go_gym.Decision([0, 1, 1, 0], order=[3, 0, 1, 2])  # 3 before 0, and 1 before 2
    for result in (
        go_gym.simulate(problem, stuck),
        simulate_reference(problem, stuck),
        go_gym.simulate_batch(problem, [go_gym.Decision([0] * 4), stuck])[1],
    ):
        assert isinstance(result.violation, OrderStuck)
        assert result.violation.ops == (0, 3, 2, 1)
        assert "0 ('op0'), 3 ('op3'), 2 ('op2'), 1 ('op1')" in result.reason
    assert go_gym.simulate(problem, go_gym.Decision([0, 1, 1, 0], order=[0, 3, 1, 2])).valid


def test_a_long_cycle_is_named_in_short():
    n = 5000
    names = [f"a rather long name of an op, {op}" for op in range(n)]
    tensors, uses = [(op, 0) for op in range(n)], [(op, op + 1) for op in range(n - 1)]
    graph = go_gym.ComputationGraph.from_costs([1] * n, tensors, uses, names=names)
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9))
    result = go_gym.simulate(problem, go_gym.Decision([0] * n, order=[*range(1, n), 0]))
    assert len(result.violation.ops) == n
    assert len(result.reason) < 500 and "4992 more" in result.reason


def test_a_device_waits_for_its_next_op():
    problem = two_chains()
    waits = go_gym.Decision([0, 1, 1, 1], order=[0, 1, 2, 3])  # op 2 could start at once
    trace = go_gym.simulate(problem, waits, trace=True).trace
    assert trace.op_start.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("order", "named"),
    [([0, 1, 1, 2], "rank 1 is given to 2"), ([0, 1, 2, 4], r"order\[3\]: 4, expected 0 to 3")],
)
def test_what_is_no_permutation_is_refused(order, named):
    with pytest.raises(DecisionError, match=named):
        go_gym.Decision([0] * 4, order=order)


def test_an_order_beside_a_priority_is_refused():
    with pytest.raises(DecisionError, match="one of the two"):
        go_gym.Decision([0, 0], priority=[1, 2], order=[0, 1])


def test_a_file_keeps_the_order():
    problem = two_chains()
    decision = go_gym.Decision([0] * 4, order=[2, 3, 0, 1])
    found, _ = parse_decision(dump_decision(problem, decision), "it")
    assert found.order.tolist() == [2, 3, 0, 1]
