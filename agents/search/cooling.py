"""Cooling: an annealing's rounds and temperatures, and which decisions it goes on from."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

QUANTILE = 0.2
"""Of the last rises in cost, that is called typical (our choice)."""
MEMORY = 200
"""Rises that it is taken over (our choice)."""


@dataclass(frozen=True)
class Cooling:
    """Rounds, each from coarse moves to fine ones, that cool down geometrically.

    All our choice, found on four of the paper's graphs. Temperatures are in units of the rise in
    cost that a worse move typically brings, so that they fit problems of any size.

    Attributes:
        first, later: temperature at the start of the first round and of the others.
        last: at the end of each.
        calls_per_unit: simulator calls of a round, for each unit; at least one round.
        rounds: at most so many.
    """

    first: float = 0.1
    later: float = 10.0
    last: float = 0.001
    calls_per_unit: int = 10
    rounds: int = 12

    def calls_of_a_round(self, units: int, calls: int) -> int:
        """Simulator calls of each round but the last, where ``calls`` are left for all."""
        return max(self.calls_per_unit * units, calls // self.rounds, 1)

    def temperature(self, number: int, progress: float) -> float:
        """In round ``number`` after the share ``progress`` of it."""
        start = self.later if number else self.first
        return start * (self.last / start) ** progress


def length(left: int, calls: int) -> int:
    """Calls of a round where ``left`` are left: ``calls``, or all if no other round follows."""
    return left if left < 2 * calls else calls


class Acceptance:
    """Metropolis's rule (Kirkpatrick, Gelatt and Vecchi 1983) in units of the typical rise.

    Attributes:
        rises: the last rises in cost, as shares of it, the oldest first.
    """

    def __init__(self, rises: Iterable[float] = ()) -> None:
        self.rises: deque[float] = deque(rises, MEMORY)
        self._ordered = sorted(self.rises)

    def note(self, rise: float) -> None:
        """Keep by what share a decision cost more than the one it was tried from."""
        if len(self.rises) == MEMORY:
            del self._ordered[bisect_left(self._ordered, self.rises[0])]
        self.rises.append(rise)
        insort(self._ordered, rise)

    @property
    def typical_rise(self) -> float:
        """QUANTILE of the last rises, as ``numpy.quantile`` gives it; 0 before the first.

        It is asked at every call, hence the sorted list.
        """
        if not self._ordered:
            return 0.0
        position = QUANTILE * (len(self._ordered) - 1)
        low = int(position)
        below, above = self._ordered[low], self._ordered[min(low + 1, len(self._ordered) - 1)]
        share = position - low
        if share >= 0.5:
            return above - (above - below) * (1 - share)
        return below + (above - below) * share

    def accepts(self, rise: float, temperature: float, random: np.random.Generator) -> bool:
        """Whether to go on from a decision that costs ``rise`` more, as a share of the cost.

        At a ``temperature`` of 0 only from one that costs no more.
        """
        if rise <= 0:
            return True
        scale = temperature * self.typical_rise
        return scale > 0 and random.random() < math.exp(-rise / scale)
