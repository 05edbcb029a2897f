"""The usual rise is NumPy's quantile of the last rises."""

import numpy as np
from go_agents.common.rises import MEMORY, QUANTILE, Rises
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(1e-9, 10), max_size=450))
def test_the_usual_rise_is_a_quantile_of_the_last(noted):
    rises = Rises()
    assert rises.usual == 0
    for number, rise in enumerate(noted, start=1):
        rises.note(rise)
        if number % 25 == 0 or number < 8:
            last = noted[max(0, number - MEMORY) : number]
            assert rises.usual == np.quantile(last, QUANTILE)
            assert list(rises.last) == last
            assert Rises(last).usual == rises.usual
