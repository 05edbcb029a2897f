"""Correlations and intervals against pandas, known values and theory."""

import numpy as np
import pandas as pd
import pytest

from go_gym.hardware.calibration.statistics import estimate, median_error, pearson, spearman


def test_correlations_equal_those_of_pandas():
    random = np.random.default_rng(0)
    x = random.integers(5, size=40).astype(float)  # with ties
    y = x**3 + random.normal(0, 20, 40)
    frame = pd.DataFrame({"x": x, "y": y})
    for found, method in ((pearson(x, y), "pearson"), (spearman(x, y), "spearman")):
        assert found == pytest.approx(frame.corr(method).loc["x", "y"], abs=1e-12)
    assert pearson(x, y) < 0.99 < 1 == spearman(x, np.exp(x))


def test_what_is_constant_has_no_correlation():
    assert np.isnan(pearson(np.ones(5), np.arange(5.0)))
    assert np.isnan(spearman(np.arange(5.0), np.ones(5)))


def test_median_error():
    measured = np.array([100.0, 200.0, 400.0])
    assert median_error(np.array([110.0, 200.0, 300.0]), measured) == pytest.approx(0.1)


def test_an_exact_figure_has_no_interval():
    measured = np.array([100.0, 200.0, 400.0])
    exact = estimate(median_error, measured, measured)
    assert (exact.value, exact.low, exact.high) == (0, 0, 0)


def test_the_interval_is_as_wide_as_theory_says():
    """Of a correlation r of n pairs the standard error is about (1 - r²) / √n (Fisher 1915)."""
    random = np.random.default_rng(0)
    truth = random.uniform(1, 2, 200)
    found = estimate(pearson, truth, truth + random.normal(0, 0.3, 200))
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(4 * (1 - found.value**2) / 200**0.5, rel=0.4)


def test_resamples_without_a_figure_do_not_count():
    """Of three pairs a tenth of the resamples is one pair, which has no correlation."""
    x = np.array([1.0, 2.0, 4.0])
    found = estimate(pearson, x, np.array([1.0, 2.5, 3.0]))
    assert -1 <= found.low <= found.value <= found.high <= 1
