"""The level of the next moves: from coarse to fine, and where moves lately gained."""

import numpy as np
import pytest
from go_agents.search.levels import LevelChooser


def shares(chooser: LevelChooser, progress: float) -> np.ndarray:
    """How likely each level is."""
    weights = chooser.cumulative(progress)
    return np.diff(weights, prepend=0.0) / weights[-1]


def test_levels_go_from_coarse_to_fine():
    chooser = LevelChooser(6)
    assert [shares(chooser, p).argmax() for p in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)] == list(range(6))
    assert (shares(chooser, 0.5) > 0).all()


def test_levels_that_gain_come_more_often_and_no_level_is_forgotten():
    chooser = LevelChooser(6)
    before = shares(chooser, 0.1)
    for _ in range(1000):
        for level in range(6):
            chooser.note(level, gained=level == 1)
    after = shares(chooser, 0.1)
    assert after[1] > 1.5 * before[1]
    ratio = (after[0] / after[1]) / (before[0] / before[1])
    assert ratio == pytest.approx(0.1 / 1.1, rel=0.01)
