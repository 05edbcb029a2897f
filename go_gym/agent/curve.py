"""How a search went on: best and mean step time over simulator calls."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from go_gym.agent.budget import Budget, Improvement, Window


@dataclass(frozen=True)
class Curve:
    """How one run went on: each improvement, and the mean in each stretch of the budget."""

    improvements: tuple[Improvement, ...] = ()
    windows: tuple[Window, ...] = ()

    @classmethod
    def of(cls, budget: Budget) -> "Curve":
        """The curve of the calls that a budget has counted."""
        return cls(tuple(budget.curve), tuple(budget.windows))

    def best_after(self, calls: int) -> int | None:
        """The best step time in ns after so many calls, None before a valid decision."""
        found = bisect_right(self.improvements, calls, key=lambda point: point.calls)
        return self.improvements[found - 1].step_time_ns if found else None

    def best_at(self, calls: np.ndarray) -> np.ndarray:
        """(k,) float64 ns: the best after each number of ``calls`` (k,), NaN before a valid one."""
        when = [point.calls for point in self.improvements]
        what = np.array([np.nan, *(float(point.step_time_ns) for point in self.improvements)])
        return what[np.searchsorted(when, calls, side="right")]

    def mean_at(self, calls: np.ndarray) -> np.ndarray:
        """(k,) float64 ns: the mean of the window that each of ``calls`` (k,) lies in; NaN after
        the last window, and everywhere if the run kept no means."""
        ends = [window.calls for window in self.windows]
        what = np.array([*(float(window.mean_step_time_ns) for window in self.windows), np.nan])
        return what[np.searchsorted(ends, calls, side="left")]

    def calls_until(self, step_time_ns: float) -> int | None:
        """The first number of calls with a best at or below ``step_time_ns``; None if never."""
        found = (point.calls for point in self.improvements if point.step_time_ns <= step_time_ns)
        return next(found, None)
