"""Annealing under limits: what it stops early changes no decision."""

import math

import numpy as np
import pytest
from go_agents.search.cooling import MEMORY, QUANTILE, Acceptance
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym.agent import Budget, load_agent
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import load_cluster


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(1e-9, 10), st.floats(0, 1)), max_size=450))
def test_rises_that_are_known_as_least_values_give_the_same_typical_one(noted):
    """Each is found out once at most, and the typical rise is that of the exact ones."""
    acceptance, asked = Acceptance(), []

    def exact(number, rise):
        asked.append(number)
        return rise

    for number, (rise, share) in enumerate(noted):
        least = rise * share
        if share < 0.5:
            acceptance.note(rise)
        else:
            acceptance.note(least, lambda number=number, rise=rise: exact(number, rise))
        if number % 7 == 0:
            last = [rise for rise, _ in noted[max(0, number + 1 - MEMORY) : number + 1]]
            assert acceptance.typical_rise == np.quantile(last, QUANTILE)
    assert len(set(asked)) == len(asked)


@settings(deadline=None)
@given(
    st.lists(st.floats(1e-9, 10), max_size=250),
    st.floats(1e-3, 10),
    st.integers(0, 2**32 - 1),
    st.floats(1, 3),
)
def test_what_is_above_the_limit_is_not_accepted(rises, temperature, seed, times):
    drawn = np.random.default_rng(seed).random()
    acceptance = Acceptance(rises)
    limit = acceptance.limit(temperature, drawn)
    assert limit > 0
    if math.isfinite(limit):
        above = np.nextafter(limit, math.inf) * times
        acceptance.note(above)
        assert not acceptance.accepts(above, temperature, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("task", "graph", "cluster"),
    [("placement", "inception-b32", "p100x4"), ("joint", "rnnlm-2", "p100x2")],
)
def test_decisions_calls_and_curve_are_those_without_a_limit(task, graph, cluster, monkeypatch):
    problem = make_problem(datasets.load(graph), load_cluster(cluster), task)
    found = []
    for limited in (True, False):
        if not limited:
            monkeypatch.setattr(Budget, "allowed", lambda *_: None)
        budget = Budget(problem, 300)
        decision = load_agent("sa").solve(problem, budget, 3)
        columns = (decision.placement, decision.priority, decision.fusion)
        found.append(
            (
                [None if column is None else np.asarray(column).tolist() for column in columns],
                budget.used,
                budget.curve,
            )
        )
    assert found[0] == found[1]


def test_some_simulations_are_broken_off(monkeypatch):
    problem = make_problem(datasets.load("inception-b32"), load_cluster("p100x4"), "placement")
    over = []
    note = Budget._note

    def noted(self, decision, result, calls):
        over.append(result.over_limit)
        note(self, decision, result, calls)

    monkeypatch.setattr(Budget, "_note", noted)
    load_agent("sa").solve(problem, Budget(problem, 400), 0)
    assert 0.2 < np.mean(over) < 0.9
