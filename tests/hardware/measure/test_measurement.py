"""What a measurement says of its steps, against the standard library's statistics."""

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_gym.hardware import Measurement

STEPS = st.lists(st.integers(1, 10**12), min_size=2, max_size=30)


def measured(steps, taken=0.0):
    return Measurement(
        step_ns=tuple(steps),
        taken=(taken,) * len(steps),
        repeated=1,
        noisy=False,
        loss=None,
        load=0.5,
        machine={"cpu": "a cpu"},
    )


@given(STEPS)
def test_the_step_time_is_the_median_in_whole_ns(steps):
    assert abs(measured(steps).median_ns - statistics.median(steps)) < 1


@given(STEPS)
def test_the_spread_is_between_the_quartiles(steps):
    low, _, high = statistics.quantiles(steps, n=4, method="inclusive")
    expected = (high - low) / measured(steps).median_ns
    assert measured(steps).spread == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_it_survives_json():
    found = measured([3, 4], taken=0.01)
    assert Measurement.from_dict(json.loads(json.dumps(found.as_dict()))) == found
