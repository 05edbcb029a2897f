"""How well simulated step times foretell measured ones."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """The correlation of two columns; NaN where one is constant."""
    return float(stats.pearsonr(x, y).statistic) if np.ptp(x) and np.ptp(y) else float("nan")


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """The correlation of their ranks; NaN where one is constant."""
    return pearson(stats.rankdata(x), stats.rankdata(y))


def median_error(simulated: np.ndarray, measured: np.ndarray) -> float:
    """The median of |simulated - measured| / measured."""
    return float(np.median(np.abs(simulated - measured) / measured))


def estimate(
    figure: Callable[[np.ndarray, np.ndarray], float], x: np.ndarray, y: np.ndarray, seed: int = 0
) -> Estimate:
    """``figure(x, y)`` with the percentile interval of resampled pairs (Efron 1979).

    Resamples of which the figure is NaN, of one pair again and again, do not count.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of the NaN
        found = stats.bootstrap(
            (x, y),
            figure,
            n_resamples=RESAMPLES,
            vectorized=False,
            paired=True,
            method="percentile",
            random_state=np.random.default_rng(seed),
        )
    low, high = np.nanpercentile(found.bootstrap_distribution, [2.5, 97.5])
    return Estimate(figure(x, y), float(low), float(high))
