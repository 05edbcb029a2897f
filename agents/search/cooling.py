"""Cooling: an annealing's rounds and temperatures, and which decisions it goes on from."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

QUANTILE = 0.2
"""Of the last rises in cost, that is called typical (our choice)."""
MEMORY = 200
"""Rises that it is taken over (our choice)."""
MANY = 20
"""Before there are so many rises, no limit is given (our choice)."""
ABOVE = 1 + 1e-9
"""A limit is above what rounding could make of it."""


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


@dataclass(eq=False, slots=True)
class Rise:
    """By what share a decision cost more, at least; ``exact`` finds out how much it really was."""

    least: float
    exact: Callable[[], float] | None = None


def _least(rise: Rise) -> float:
    return rise.least


class Acceptance:
    """Metropolis's rule (Kirkpatrick, Gelatt and Vecchi 1983) in units of the typical rise."""

    def __init__(self, rises: Iterable[float] = ()) -> None:
        self._rises: deque[Rise] = deque(maxlen=MEMORY)  # the oldest first
        self._ordered: list[Rise] = []
        self._open: list[Rise] = []  # those that are not exact, likewise in order
        for rise in rises:
            self.note(rise)

    @property
    def rises(self) -> list[float]:
        """The last rises in cost, as shares of it, the oldest first."""
        return [rise.least for rise in self._rises]

    def note(self, rise: float, exact: Callable[[], float] | None = None) -> None:
        """Keep by what share a decision cost more than the one it was tried from.

        With ``exact`` that is known as a least value alone; it is called if the typical rise turns
        out to hang on it.
        """
        if len(self._rises) == MEMORY:
            oldest = self._rises[0]
            _remove(self._ordered, oldest)
            if oldest.exact is not None:
                _remove(self._open, oldest)
        noted = Rise(rise, exact)
        self._rises.append(noted)
        insort(self._ordered, noted, key=_least)
        if exact is not None:
            insort(self._open, noted, key=_least)

    def limit(self, temperature: float, drawn: float) -> float:
        """A rise above which :meth:`accepts` says no if it draws ``drawn``, and above which the
        typical rise does not, for now, hang on how large it is."""
        count = len(self._ordered) - (len(self._rises) == MEMORY)
        if count < MANY or drawn <= 0:
            return math.inf
        # with any rise more, the typical one is at most that above its present place
        place = int(QUANTILE * count) + 2
        self._find_out(place)
        above = self._ordered[place].least
        return max(-math.log(drawn) * temperature * above, self._ordered[count // 2].least) * ABOVE

    @property
    def typical_rise(self) -> float:
        """QUANTILE of the last rises, as ``numpy.quantile`` gives it; 0 before the first.

        It is asked at every call, hence the sorted list.
        """
        if not self._ordered:
            return 0.0
        position = QUANTILE * (len(self._ordered) - 1)
        self._find_out(min(int(position) + 1, len(self._ordered) - 1))
        low = int(position)
        above = self._ordered[min(low + 1, len(self._ordered) - 1)].least
        below = self._ordered[low].least
        share = position - low
        if share >= 0.5:
            return above - (above - below) * (1 - share)
        return below + (above - below) * share

    def _find_out(self, last: int) -> None:
        """Make the lowest rises exact, up to that of number ``last``."""
        while self._open and self._open[0].least <= self._ordered[last].least:
            rise = self._open.pop(0)
            _remove(self._ordered, rise)
            assert rise.exact is not None
            rise.least, rise.exact = rise.exact(), None
            insort(self._ordered, rise, key=_least)

    def accepts(self, rise: float, temperature: float, random: np.random.Generator) -> bool:
        """Whether to go on from a decision that costs ``rise`` more, as a share of the cost.

        At a ``temperature`` of 0 only from one that costs no more.
        """
        if rise <= 0:
            return True
        scale = temperature * self.typical_rise
        return scale > 0 and random.random() < math.exp(-rise / scale)


def _remove(rises: list[Rise], rise: Rise) -> None:
    """Remove that very one from a list in order."""
    place = bisect_left(rises, rise.least, key=_least)
    while rises[place] is not rise:
        place += 1
    del rises[place]
