"""The Numba engine equals the plain-Python specification, in every field."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.cluster import CONTENTION_MODELS
from go_gym.errors import DecisionError
from go_gym.simulator import Result, simulate_reference
from go_gym.simulator.simulate import _shares
from tests.strategies import clusters, decisions, graphs, problems


def assert_equal(found: Result, expected: Result) -> None:
    for field in fields(Result):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "trace" and a is not None and b is not None:
            for part in fields(b):
                np.testing.assert_array_equal(
                    getattr(a, part.name), getattr(b, part.name), err_msg=part.name
                )
        else:
            np.testing.assert_equal(a, b, err_msg=field.name)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_equals_reference(data):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    expected = simulate_reference(problem, decision, trace=True)
    assert_equal(go_gym.simulate(problem, decision, trace=True), expected)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.floats(0, 1.3))
def test_a_limit_stops_both_at_one_moment_and_only_what_takes_longer(data, share):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    step = simulate_reference(problem, decision).step_time_ns
    limit = int(share * step)
    found = go_gym.simulate(problem, decision, limit_ns=limit)
    assert_equal(found, simulate_reference(problem, decision, limit_ns=limit))
    assert found.over_limit == (step > limit)
    assert found.step_time_ns == (limit + 1 if found.over_limit else step)
    batch = go_gym.simulate_batch(problem, [decision] * 3, limit_ns=[limit, step, 0])
    assert batch.over_limit.tolist() == [step > limit, False, step > 0]
    assert_equal(batch[0], found)
    assert_equal(batch[1], go_gym.simulate(problem, decision))


def test_a_limit_that_is_no_number_of_ns_is_refused():
    problem = random_problem(np.random.default_rng(0), 5, 2, "none")
    decision = go_gym.Decision([0] * 5)
    with pytest.raises(DecisionError, match="limit_ns"):
        go_gym.simulate(problem, decision, limit_ns=1.5)
    with pytest.raises(DecisionError, match="one or 2"):
        go_gym.simulate_batch(problem, [decision] * 2, limit_ns=[1, 2, 3])


@pytest.mark.parametrize("contention", CONTENTION_MODELS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_equals_reference_on_wide_clusters(contention, data):
    cluster = data.draw(clusters(16, contention))
    problem = go_gym.Problem(data.draw(graphs(60)), cluster)
    batch = [data.draw(decisions(problem)) for _ in range(4)]
    for decision, found in zip(batch, go_gym.simulate_batch(problem, batch), strict=True):
        assert_equal(found, simulate_reference(problem, decision))


def random_problem(rng: np.random.Generator, n: int, devices: int, contention: str):
    back = np.minimum(rng.geometric(0.05, (n, 3)), np.arange(n)[:, None])
    uses = [
        (int(op - step), op) for op in range(1, n) for step in {int(s) for s in back[op] if s > 0}
    ]
    graph = go_gym.ComputationGraph.from_costs(
        rng.integers(0, 50, n), np.stack([np.arange(n), rng.integers(0, 60, n)], axis=1), uses
    )
    cluster = go_gym.Cluster.uniform(
        devices=devices, bandwidth=1e9, latency=2e-9, memory=n * 20, contention=contention
    )
    return go_gym.Problem(graph, cluster)


@pytest.mark.parametrize("contention", CONTENTION_MODELS)
@pytest.mark.parametrize("levels", [0, 4])
def test_equals_reference_on_larger_graphs(contention, levels):
    """Long queues: 500 graphs of 300 ops in all, each compared in every field."""
    rng = np.random.default_rng(levels + 10 * CONTENTION_MODELS.index(contention))
    for _ in range(60):
        problem = random_problem(rng, 300, int(rng.integers(2, 9)), contention)
        placement = rng.integers(0, problem.num_devices, problem.num_ops)
        priority = rng.integers(0, levels, problem.num_ops) if levels else None
        decision = go_gym.Decision(placement=placement, priority=priority)
        found = go_gym.simulate(problem, decision, trace=True)
        assert_equal(found, simulate_reference(problem, decision, trace=True))


def test_batch_equals_single_calls_in_order_for_any_number_of_threads():
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 200, 4, "duplex")
    batch = [go_gym.Decision(placement=rng.integers(0, 4, 200)) for _ in range(13)]
    single = [go_gym.simulate(problem, decision) for decision in batch]
    for threads in (1, 2, 5):
        results = go_gym.simulate_batch(problem, batch, threads=threads)
        assert len(results) == 13
        for found, expected in zip(results, single, strict=True):
            assert_equal(found, expected)
    assert len(go_gym.simulate_batch(problem, [])) == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_batch_names_the_first_of_several_faulty_decisions(threads):
    problem = random_problem(np.random.default_rng(5), 50, 3, "duplex")
    batch = [go_gym.Decision(placement=np.zeros(50, dtype=np.int64)) for _ in range(90)]
    for index in (88, 31, 30):
        batch[index] = go_gym.Decision(placement=np.full(50, 3))
    with pytest.raises(DecisionError, match="decision 30: "):
        go_gym.simulate_batch(problem, batch, threads=threads)


def test_batch_may_mix_fifo_and_priorities():
    rng = np.random.default_rng(4)
    problem = random_problem(rng, 100, 3, "egress")
    placement = rng.integers(0, 3, 100)
    batch = [
        go_gym.Decision(placement=placement),
        go_gym.Decision(placement=placement, priority=rng.integers(0, 5, 100)),
    ]
    for found, decision in zip(go_gym.simulate_batch(problem, batch), batch, strict=True):
        assert_equal(found, go_gym.simulate(problem, decision))


@pytest.mark.parametrize("contention", CONTENTION_MODELS)
def test_many_ops_and_transfers_at_the_same_moment(contention):
    """One op makes 300 tensors, whose consumers become ready at once, in any order of number."""
    rng = np.random.default_rng(6)
    made = 300
    consumer = 1 + rng.permutation(made)
    durations = np.concatenate([[7], rng.integers(0, 3, made), [5]])
    uses = [(i, consumer[i]) for i in range(made)] + [(made + i, made + 1) for i in range(made)]
    tensors = [(0, int(size)) for size in rng.integers(0, 40, made)]
    tensors += [(1 + i, 8) for i in range(made)]
    graph = go_gym.ComputationGraph.from_costs(durations, tensors, uses)
    cluster = go_gym.Cluster.uniform(3, bandwidth=1e9, latency=3e-9, contention=contention)
    problem = go_gym.Problem(graph, cluster)
    for devices in (1, 2, 3):
        decision = go_gym.Decision(rng.integers(0, devices, graph.num_ops))
        expected = simulate_reference(problem, decision, trace=True)
        assert_equal(go_gym.simulate(problem, decision, trace=True), expected)
        np.testing.assert_equal(
            go_gym.simulate_batch(problem, [decision] * 3)[2].step_time_ns, expected.step_time_ns
        )


def test_batch_takes_the_decisions_in_shares_that_cover_it_once():
    shares = list(_shares(1000, 100, 2))
    assert [i for share in shares for i in share] == list(range(1000))
    assert max(map(len, shares)) == 100 and len(shares[-1]) == 1, "short ones at the end"
    assert list(_shares(0, 5, 3)) == []
