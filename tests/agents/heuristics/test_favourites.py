"""Favourite children and m-SCT: against all assignments, and an example that m-ETF gets wrong."""

from itertools import product

import numpy as np
import pytest
from go_agents.heuristics import favourites
from go_agents.heuristics.baechi import m_etf_schedule, m_sct_schedule
from go_agents.heuristics.favourites import favourite_children, transfers_paid
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from tests.strategies import problems


def makespan(work, source, target, paid) -> float:
    """The longest path, edges in topological order of their sources."""
    start = np.zeros(len(work))
    for a, b, transfer in zip(source, target, paid, strict=True):
        start[b] = max(start[b], start[a] + work[a] + transfer)
    return float((start + work).max())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_assignment_of_favourites_is_better(seed):
    """Nor is any mix of two: the programme's feasible points are no corners alone."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(2, 6))
    pairs = [(a, b) for a in range(m) for b in range(a + 1, m) if rng.random() < 0.6]
    source, target = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    work, delay = rng.uniform(1, 10, m), rng.uniform(0, 10, len(pairs))
    paid = transfers_paid(work, source, target, delay)
    least = makespan(work, source, target, delay * paid)
    assigned = [
        np.array(choice)
        for choice in product([0.0, 1.0], repeat=len(pairs))
        if all(
            (np.array(choice)[end == task] == 0).sum() <= 1
            for end in (source, target)
            for task in range(m)
        )
    ]
    for end in (source, target):
        free = np.bincount(end, 1 - paid, minlength=m)
        assert (free <= 1 + 1e-6).all()
    for first in assigned:
        mixed = rng.random() * (assigned[rng.integers(len(assigned))] - first) + first
        for other in (first, mixed):
            assert least <= makespan(work, source, target, delay * other) * (1 + 1e-3)


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_a_favourite_is_nobody_elses_and_comes_later(problem):
    favourite = favourite_children(problem)
    have = np.flatnonzero(favourite >= 0)
    assert len(set(favourite[have].tolist())) == len(have)
    assert (favourite[have] > have).all()


def test_a_chain_of_favourites_passes_over_views_and_leaves_parameters_out():
    graph = go_gym.ComputationGraph.from_costs(
        [0, 5, 0, 5, 5],
        [(0, 8), (1, 8), (2, 8), (3, 8)],
        [(0, 1), (1, 2), (2, 3), (3, 4)],
        aliases=[-2, -1, 1, -1],
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    assert favourite_children(problem).tolist() == [-1, 3, -1, 4, -1]


def test_large_graphs_are_cut_into_stretches(monkeypatch):
    graph = go_gym.ComputationGraph.from_costs(
        [10] * 8, [(i, 10) for i in range(8)], [(i, i + 1) for i in range(7)]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    assert favourite_children(problem).tolist() == [1, 2, 3, 4, 5, 6, 7, -1]
    monkeypatch.setattr(favourites, "MOST_TASKS", 3)
    assert favourite_children(problem).tolist() == [1, 2, -1, 4, 5, -1, 7, -1]


def test_the_long_branch_stays_where_its_input_is():
    """After 0 a branch of 6 and one of 10: m-ETF takes the first at once and sends the second."""
    graph = go_gym.ComputationGraph.from_costs([4, 6, 10], [(0, 4)], [(0, 1), (0, 2)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    best = min(
        go_gym.simulate(problem, go_gym.Decision(placement)).step_time_ns
        for placement in product(range(2), repeat=3)
    )
    etf, sct = m_etf_schedule(problem), m_sct_schedule(problem)
    assert etf.makespan_ns == 18
    assert sct.makespan_ns == best == 14
    assert go_gym.simulate(problem, go_gym.Decision(sct.placement)).step_time_ns == 14


@pytest.mark.parametrize("memory, expected", [(60, [0, 1, 0]), (20, [0, 0, 1])])
def test_a_favourite_that_does_not_fit_is_not_waited_for(memory, expected):
    """The example again: with 20 bytes the long branch's 16 lie beside no other op's."""
    graph = go_gym.ComputationGraph.from_costs(
        [4, 6, 10], [(0, 4)], [(0, 1), (0, 2)], parameter_bytes=[2, 6, 16]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, memory=memory))
    assert m_sct_schedule(problem).placement.tolist() == expected
