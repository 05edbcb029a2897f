"""Whether a training learns: said of several seeds, none of them chosen.

What one seed reaches is chaos: another order of roundings, or another version of a generator,
takes it to another local optimum. That curves fall, and where the median of them ends, is not.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import mannwhitneyu

CHANCE = 0.02
"""Of a curve that has no trend to pass for one that has (our choice); twelve points can tell."""


def falls(curve: Sequence[float]) -> bool:
    """Whether its last third lies below its first, by the ranks of Mann and Whitney (1947)."""
    third = len(curve) // 3
    return bool(mannwhitneyu(curve[:third], curve[-third:], alternative="greater").pvalue < CHANCE)


def assert_most_fall(curves: Sequence[Sequence[float]]) -> None:
    """More than half of the curves do, one of each seed."""
    fallen = [falls(curve) for curve in curves]
    assert 2 * sum(fallen) > len(fallen), fallen


def median_of_ends(curves: Sequence[Sequence[float]], points: int) -> float:
    """The median over seeds of the mean of a curve's last ``points``."""
    return float(np.median([np.mean(curve[-points:]) for curve in curves]))
