"""What several seeds on several graphs say: interquartile means and bootstrap intervals.

The unit is a ratio: an agent's step time over the reference's on the same graph. Seeds of a graph
are resampled within the graph (stratified), as Agarwal et al. (NeurIPS 2021) propose for few runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 2_000
"""Bootstrap resamples (our choice)."""
CONFIDENCE = 0.95
TRIMMED = 0.25
"""Share cut off at each end: what is left is interquartile."""

Ratios = Mapping[str, Sequence[float]]
"""The ratios of an agent's seeds on each graph."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends of its bootstrap interval; equal where nothing was random."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.estimate:.3f}"
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interquartile_mean(ratios: Ratios) -> Interval:
    """The mean of the middle half of all seeds' ratios on all graphs, with its interval."""
    return _interval([np.asarray(each) for each in ratios.values()], _middle)


def geometric_mean_ratio(over: Ratios, under: Ratios) -> Interval:
    """The geometric mean over graphs of one agent's mean log ratio over another's, resampled for
    both; below 1, the first is faster. Only graphs that both have count.

    Raises:
        ValueError: if they have no graph in common.
    """
    shared = [graph for graph in over if graph in under]
    if not shared:
        raise ValueError("no graph in common")
    logs = [np.log(np.asarray(each[graph])) for each in (over, under) for graph in shared]

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        means = np.stack([sample.mean(axis=axis) for sample in samples])
        half = len(shared)
        return np.exp((means[:half] - means[half:]).mean(axis=0))

    return _interval(logs, statistic)


def mean_log(ratios: Ratios) -> float:
    """The mean over graphs of the mean log ratio over seeds: what orders agents."""
    return float(np.mean([np.log(np.asarray(each)).mean() for each in ratios.values()]))


def first(agents: Mapping[str, Ratios]) -> tuple[str, ...]:
    """The agents that may be the fastest: the best mean, and all whose interval against it holds 1.

    One name alone means that it is first beyond the seeds' chance. Agents without every graph that
    the most complete one has are left out.
    """
    most = max((len(ratios) for ratios in agents.values()), default=0)
    whole = {name: ratios for name, ratios in agents.items() if len(ratios) == most}
    if not most:
        return ()

    best = min(whole, key=lambda name: mean_log(whole[name]))
    close = [
        name
        for name in whole
        if name != best and geometric_mean_ratio(whole[name], whole[best]).low <= 1
    ]
    return (best, *close)


def _middle(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(stats.trim_mean(np.concatenate(samples, axis=axis), TRIMMED, axis=axis))


def _interval(samples: Sequence[np.ndarray], statistic: Callable[..., np.ndarray]) -> Interval:
    """By resampling each of ``samples`` in itself; SciPy's bootstrap refuses samples of one."""
    rng = np.random.default_rng(0)
    drawn = [each[rng.integers(len(each), size=(RESAMPLES, len(each)))] for each in samples]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(statistic(*drawn), [tail, 1 - tail])
    return Interval(float(statistic(*samples)), float(low), float(high))
