"""Placements by rule: the lightest cut against all cuts."""

from itertools import combinations_with_replacement

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from go_gym.baselines.placements import _lightest_cut


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(1, 4))
def test_the_heaviest_stretch_is_the_lightest_of_all_cuts(load, parts):
    stage = _lightest_cut(np.array(load) / 3, parts)
    assert stage[0] == 0 and set(np.diff(stage)) <= {0, 1} and stage[-1] < parts
    heaviest = max(sum(np.array(load)[stage == part]) for part in range(parts))
    assert heaviest == min(
        max(sum(load[a:b]) for a, b in zip((0, *cuts), (*cuts, len(load)), strict=True))
        for cuts in combinations_with_replacement(range(len(load) + 1), parts - 1)
    )
