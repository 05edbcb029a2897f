"""What worse decisions usually cost: the unit of a search's heat, fit for problems of any size."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

QUANTILE = 0.2
"""Of the last rises in cost, that is called usual (our choice)."""
MEMORY = 200
"""Rises that it is taken over (our choice)."""


class Rises:
    """The last rises in cost, as shares of it, kept sorted: the usual one is asked at every call.

    Attributes:
        last: the oldest first.
    """

    def __init__(self, last: Iterable[float] = ()) -> None:
        self.last: deque[float] = deque(last, MEMORY)
        self._ordered = sorted(self.last)

    def note(self, rise: float) -> None:
        """Remember a rise, and forget the oldest beyond :data:`MEMORY` of them."""
        if len(self.last) == MEMORY:
            del self._ordered[bisect_left(self._ordered, self.last[0])]
        self.last.append(rise)
        insort(self._ordered, rise)

    @property
    def usual(self) -> float:
        """QUANTILE of them, as ``numpy.quantile`` gives it; 0 before the first."""
        if not self._ordered:
            return 0.0
        position = QUANTILE * (len(self._ordered) - 1)
        low = int(position)
        below, above = self._ordered[low], self._ordered[min(low + 1, len(self._ordered) - 1)]
        share = position - low
        if share >= 0.5:
            return above - (above - below) * (1 - share)
        return below + (above - below) * share
