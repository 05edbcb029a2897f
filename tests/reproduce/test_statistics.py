"""Interquartile means and intervals against what is known of them."""

import numpy as np
import pytest
from scipy import stats

from go_gym.reproduce.statistics import first, geometric_mean_ratio, interquartile_mean, mean_log


def drawn(mean: float, spread: float, graphs: int = 6, seeds: int = 8, seed: int = 0):
    rng = np.random.default_rng(seed)
    return {f"g{i}": mean * np.exp(spread * rng.normal(size=seeds)) for i in range(graphs)}


def test_the_interquartile_mean_is_that_of_the_middle_half():
    found = interquartile_mean({"a": [1.0, 100.0], "b": [2.0, 4.0]})
    assert found.estimate == 3.0
    assert found.low <= 3.0 <= found.high


def test_what_is_no_chance_has_no_interval():
    found = interquartile_mean({"a": [0.5, 0.5, 0.5], "b": [0.75]})
    assert (found.low, found.estimate, found.high) == (0.5, 0.5, 0.5)
    assert str(found) == "0.500"


def test_intervals_are_about_those_of_the_normal_distribution():
    """The mean of 48 log ratios of deviation s: ± 1.96 s / √48, as the seeds are independent."""
    ratios, fixed = drawn(0.8, 0.1), {f"g{i}": [1.0] for i in range(6)}
    found = geometric_mean_ratio(ratios, fixed)
    logs = np.concatenate([np.log(each) for each in ratios.values()])
    half = stats.norm.ppf(0.975) * 0.1 / np.sqrt(48)
    assert np.log(found.estimate) == pytest.approx(logs.mean())
    assert np.log(found.high / found.low) == pytest.approx(2 * half, rel=0.3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    fixed = {f"g{i}": [1.0] for i in range(6)}
    found = [geometric_mean_ratio(drawn(0.8, 0.1, seed=seed), fixed) for seed in range(100)]
    held = sum(each.low <= 0.8 <= each.high for each in found)
    assert 80 <= held <= 99


def test_seeds_are_resampled_within_their_graph():
    """Graphs far apart make no interval wider: only seeds are chance."""
    far = {"a": [0.1, 0.1], "b": [10.0, 10.0]}
    found = geometric_mean_ratio(far, {"a": [1.0], "b": [1.0]})
    assert found.low == found.high == pytest.approx(1.0)


def test_first_is_who_stands_apart():
    near, far = drawn(0.7, 0.05), drawn(0.9, 0.05, seed=1)
    assert first({"far": far, "near": near}) == ("near",)
    assert set(first({"one": near, "other": drawn(0.701, 0.05, seed=2)})) == {"one", "other"}
    gaps = {"g0": [0.1]}  # the fastest, but on one graph alone
    assert first({"near": near, "gaps": gaps}) == ("near",)
    assert first({}) == ()
    assert mean_log(near) < mean_log(far)


def test_agents_without_a_common_graph_are_not_compared():
    with pytest.raises(ValueError, match="no graph in common"):
        geometric_mean_ratio({"a": [1.0]}, {"b": [1.0]})
