"""The schedule uses a budget up, from coarse to fine and from high temperatures to low ones."""

import itertools
from dataclasses import replace

import pytest
from go_agents.go.config import SearchConfig
from go_agents.go.schedule import stage
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=100, deadline=None)
@given(
    calls=st.integers(1, 3000),
    units=st.integers(1, 5000),
    starts=st.integers(0, 4),
    samples=st.integers(1, 200),
)
def test_rounds_use_the_budget_up_one_stretch_after_another(calls, units, starts, samples):
    search = replace(SearchConfig(), starts=starts, samples=samples)
    used, stages = 0, []
    while used < calls:
        stages.append(stage(used, calls, units, search))
        used += stages[-1].calls
    assert used == calls
    numbers = [each.number for each in stages]
    assert numbers == sorted(numbers) and set(numbers) == set(range(numbers[-1] + 1))
    assert stages[0].anew and not stages[0].refines
    for before, after in itertools.pairwise(stages):
        assert 0 <= after.progress <= 1
        if before.number == after.number:
            assert before.progress <= after.progress and before.temperature >= after.temperature
            assert before.anew == after.anew and before.refines <= after.refines
    for each in stages:
        assert each.refines or each.anew


def test_large_graphs_get_one_cooling_round_after_the_starts():
    search = SearchConfig()
    numbers = {stage(used, 4000, 10_000, search).number for used in range(4000)}
    assert numbers == set(range(search.starts + 1))
    last = stage(3999, 4000, 10_000, search)
    assert last.progress == pytest.approx(1, abs=0.01) and not last.anew
    assert len({stage(used, 4000, 10, search).number for used in range(4000)}) > 10
