"""The jitted list schedulers against plain ones and against the simulator."""

import itertools

import numpy as np
import pytest
from go_agents.heuristics.baechi import earliest_schedule, m_etf_schedule, resident_bytes
from go_agents.heuristics.heft import heft_schedule
from go_agents.heuristics.listing import by_rank, mean_upward_ranks, schedule_in_order
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.cluster import CONTENTION_MODELS
from tests.agents.heuristics import plain

SEEDS = st.integers(0, 2**32 - 1)


def costly_problem(seed: int, contention: str = "none", tight: bool = False) -> go_gym.Problem:
    """Random, unequal devices; no op is free and no group is co-located.

    ``tight`` memory holds a share of all tensors and the largest: every op fits somewhere.
    """
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 16)), int(rng.integers(1, 4))
    uses = [(i, j) for j in range(n) for i in range(j) if rng.random() < 0.3]
    sizes = rng.integers(0, 20, n)
    graph = go_gym.ComputationGraph.from_costs(
        rng.integers(1, 20, (n, d)), list(enumerate(sizes.tolist())), uses
    )
    memory = int(sizes.sum()) // d + int(sizes.max()) + 1 if tight else 1000
    cluster = go_gym.Cluster.uniform(d, 1e9, 2e-9, memory=memory, contention=contention)
    return go_gym.Problem(graph, cluster)


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_heft_equals_the_plain_one(seed):
    problem = costly_problem(seed)
    plan = heft_schedule(problem)
    expected = plain.heft(problem, by_rank(mean_upward_ranks(problem)).tolist())
    found = list(zip(plan.placement, plan.start, plan.finish, strict=True))
    assert found == expected


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.booleans())
def test_m_etf_equals_the_plain_one(seed, tight):
    problem = costly_problem(seed, tight=tight)
    plan = m_etf_schedule(problem)
    found = list(zip(plan.placement, plan.start, plan.finish, strict=True))
    assert found == plain.m_sct(problem, resident_bytes(problem).tolist(), {})


@settings(max_examples=300, deadline=None)
@given(SEEDS, st.booleans(), st.data())
def test_devices_wait_for_favourites_as_in_the_plain_one(seed, tight, data):
    problem = costly_problem(seed, tight=tight)
    size = resident_bytes(problem).tolist()
    children = data.draw(st.permutations(range(problem.num_ops)))
    uses = set(
        zip(problem.graph.use_producer.tolist(), problem.graph.use_consumer.tolist(), strict=True)
    )
    favourite = {op: child for op, child in enumerate(children) if (op, child) in uses}
    columns = np.full((2, problem.num_ops), -1)
    for op, child in favourite.items():
        columns[0, op], columns[1, child] = child, op
    plan = earliest_schedule(problem, *columns)
    found = list(zip(plan.placement, plan.start, plan.finish, strict=True))
    assert found == plain.m_sct(problem, size, favourite)


@pytest.mark.parametrize("contention", CONTENTION_MODELS)
@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_plans_keep_precedence_and_devices(contention, seed):
    problem = costly_problem(seed, contention)
    order = by_rank(mean_upward_ranks(problem))
    plan = schedule_in_order(problem, order, contention=contention)
    inputs, takes, moves = plain.costs(problem)
    where, start, finish = plan.placement.tolist(), plan.start.tolist(), plan.finish.tolist()
    for op in range(problem.num_ops):
        assert finish[op] == start[op] + takes(op, where[op])
        for producer, tensor in inputs[op]:
            assert start[op] >= finish[producer] + moves(tensor, where[producer], where[op])
    for device in range(problem.num_devices):
        spans = sorted((start[op], finish[op]) for op in range(len(where)) if where[op] == device)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("contention", "expected"), [("none", 21), ("link", 26), ("egress", 26), ("duplex", 26)]
)
def test_two_transfers_from_one_device_wait_for_its_port(contention, expected):
    """Two tensors of 10 ns leave device 0 for device 1, where their users must run."""
    graph = go_gym.ComputationGraph.from_costs(
        [[5, 99], [5, 99], [99, 1], [99, 1]], [(0, 10), (1, 10)], [(0, 2), (1, 3)]
    )
    cluster = go_gym.Cluster.uniform(2, 1e9, contention=contention)
    problem = go_gym.Problem(graph, cluster)
    plan = schedule_in_order(problem, np.arange(4), contention=contention)
    assert plan.placement.tolist() == [0, 0, 1, 1]
    assert plan.makespan_ns == expected
    assert go_gym.simulate(problem, go_gym.Decision(plan.placement)).step_time_ns == expected
