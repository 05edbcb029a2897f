"""How well simulated step times tell measured ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")


def ranks(x: np.ndarray) -> np.ndarray:
    """(n,) float64 ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse.reshape(-1)]


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """The correlation of the ranks."""
    return pearson(ranks(x), ranks(y))


def median_error(simulated: np.ndarray, measured: np.ndarray) -> float:
    """The median of |simulated - measured| / measured."""
    return float(np.median(np.abs(simulated - measured) / measured))


def bootstrap(
    figure: Callable[[np.ndarray, np.ndarray], float],
    x: np.ndarray,
    y: np.ndarray,
    seed: int = 0,
) -> Estimate:
    """``figure(x, y)`` with the percentile interval of resampled pairs (Efron 1979)."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(x), size=(RESAMPLES, len(x)))
    found = np.array([figure(x[rows], y[rows]) for rows in drawn])
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Estimate(figure(x, y), float(low), float(high))
