"""Cooling: the typical rise, which decisions are accepted, and rounds that use a budget up."""

import numpy as np
import pytest
from go_agents.search.cooling import MEMORY, QUANTILE, Acceptance, Cooling, length
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(1e-9, 10), max_size=450))
def test_the_typical_rise_is_a_quantile_of_the_last(noted):
    acceptance = Acceptance()
    assert acceptance.typical_rise == 0
    for number, rise in enumerate(noted, start=1):
        acceptance.note(rise)
        if number % 25 == 0 or number < 8:
            last = noted[max(0, number - MEMORY) : number]
            assert acceptance.typical_rise == np.quantile(last, QUANTILE)
            assert list(acceptance.rises) == last
            assert Acceptance(last).typical_rise == acceptance.typical_rise


@pytest.mark.parametrize(("rise", "temperature"), [(0.02, 1.0), (0.02, 0.5), (0.01, 3.0)])
def test_worse_decisions_are_accepted_as_often_as_metropolis_says(rise, temperature):
    acceptance, random = Acceptance([0.02] * 50), np.random.default_rng(0)
    accepted = [acceptance.accepts(rise, temperature, random) for _ in range(4000)]
    assert np.mean(accepted) == pytest.approx(np.exp(-rise / (0.02 * temperature)), abs=0.03)


def test_no_worse_is_always_accepted_and_worse_never_without_temperature():
    acceptance, random = Acceptance([0.02] * 50), np.random.default_rng(0)
    state = random.bit_generator.state
    assert acceptance.accepts(0.0, 0.0, random) and acceptance.accepts(-0.5, 1.0, random)
    assert not acceptance.accepts(1e-9, 0.0, random)
    assert random.bit_generator.state == state, "only a worse decision takes chance"


@given(calls=st.integers(0, 5000), units=st.integers(1, 400))
def test_rounds_use_all_calls_and_the_last_is_the_longest(calls, units):
    cooling, lengths, left = Cooling(), [], calls
    each = cooling.calls_of_a_round(units, calls)
    while left:
        lengths.append(length(left, each))
        left -= lengths[-1]
    assert sum(lengths) == calls
    assert len(lengths) <= cooling.rounds
    assert all(one == each for one in lengths[:-1])
    if len(lengths) > 1:
        assert each >= cooling.calls_per_unit * units and each <= lengths[-1] < 2 * each


def test_a_round_cools_from_its_first_temperature_to_the_last():
    cooling = Cooling()
    for number, first in ((0, cooling.first), (1, cooling.later), (5, cooling.later)):
        assert cooling.temperature(number, 0.0) == first
        assert cooling.temperature(number, 1.0) == pytest.approx(cooling.last)
        middle = cooling.temperature(number, 0.5)
        assert middle == pytest.approx(np.sqrt(first * cooling.last)), "geometrically"
