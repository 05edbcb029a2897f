"""The neighbourhood of a decision: the moves that a search may make, drawn at random.

Every search by moves draws from it; they differ in how they choose among the moves. Annealing takes
the first one, GO lets a network choose one of several (:mod:`.description` says what it sees).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.partitions import Hierarchy

from ..common.critical import Focus
from .encoding import Encoding
from .levels import LevelChooser

ELSEWHERE, FOLLOWING, RELIEVING = 0, 1, 2
"""How a value was found: at random, as a neighbour's device, as the least busy device."""
DRAWN = np.dtype(
    [
        ("level", np.int64),  # of the hierarchy
        ("column", np.int64),  # row of the genome that changes
        ("old", np.int64),  # value of the unit where the move began
        ("value", np.int64),  # that its units get
        ("moved", np.int64),  # how many get it, the first of the move; the others get ``old``
        ("way", np.int64),  # how the value was found
        ("critical", np.bool_),  # whether it began at a critical unit
        ("whole", np.bool_),  # whether all values of the part were taken
        ("halved", np.bool_),  # whether only the front or the back of that was taken
        ("swap", np.bool_),  # whether units of another part go the other way
    ]
)
"""How a move was drawn."""


class Shares(NamedTuple):
    """How often a move does what; all our choice, found on four of the paper's graphs.

    Attributes:
        first: moves of the first column for certain, where several are decided.
        critical: that begin at a critical unit, where any are known.
        whole: that take a whole part, whatever values its units have; the others take those with
            the value of one of them.
        halve: that take only the front or the back of these.
        swap: that send units of another part the other way.
        follow, relieve: to a neighbour's device, and to the least busy device.
        step: to the next value up or down, where that is no device.
    """

    first: float = 0.5
    critical: float = 0.5
    whole: float = 0.6
    halve: float = 0.3
    swap: float = 0.15
    follow: float = 0.5
    relieve: float = 0.15
    step: float = 0.5


class Parts(NamedTuple):
    """The parts of L levels, as arrays that compiled code reads.

    Attributes:
        part_of: (L, U) int64, the part of each unit.
        order: (L, U) int64, units part by part.
        first: (L,) int64, where a level's pointers into its ``order`` begin in ``pointers``.
        pointers: int64, of all levels, one more a level than it has parts.
        counts: (L,) int64 parts.
    """

    part_of: np.ndarray
    order: np.ndarray
    first: np.ndarray
    pointers: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> "Parts":
        """The parts of a hierarchy."""
        counts = np.array([level.count for level in hierarchy])
        return cls(
            part_of=np.stack([level.part_of for level in hierarchy]),
            order=np.stack([level.order for level in hierarchy]),
            first=np.cumsum(counts + 1) - (counts + 1),
            pointers=np.concatenate([level.pointers for level in hierarchy]),
            counts=counts,
        )


@dataclass(frozen=True, eq=False)
class Moves:
    """M moves from one genome.

    Attributes:
        pointers: (M + 1,) int64 into ``units``.
        units, values: int64, what changes and to what, no unit twice in a move; where a move
            changes nothing, the unit where it began and the value that it has.
        drawn: (M,) DRAWN.
    """

    pointers: np.ndarray
    units: np.ndarray
    values: np.ndarray
    drawn: np.ndarray

    def __len__(self) -> int:
        return len(self.drawn)

    def applied(self, move: int, genome: np.ndarray) -> np.ndarray:
        """(columns, U): a changed copy."""
        part = slice(self.pointers[move], self.pointers[move + 1])
        changed = genome.copy()
        changed[self.drawn["column"][move], self.units[part]] = self.values[part]
        return changed


class Neighbourhood:
    """The moves of an encoding's genomes.

    A move gives units of one part of one level of a hierarchy another value in one column.

    Args:
        encoding: the genomes.
        hierarchy: partitions of its units.
        shares: how often a move does what.

    Attributes:
        levels: chooses the level of each move; tell it which gained.
    """

    def __init__(
        self, encoding: Encoding, hierarchy: Hierarchy, shares: Shares | None = None
    ) -> None:
        self.shares = shares or Shares()
        self.levels = LevelChooser(len(hierarchy))
        self.parts = Parts.of(hierarchy)
        self.values = np.array(encoding.values)
        self.placing = np.array([column == "placement" for column in encoding.columns])
        self.neighbours = encoding.units.neighbours

    def draw(
        self,
        genome: np.ndarray,
        focus: Focus,
        busy: np.ndarray,
        progress: float,
        count: int,
        random: np.random.Generator,
    ) -> Moves:
        """``count`` moves from ``genome``, independent of each other.

        Args:
            genome: (columns, U) int64.
            focus: where moves may begin.
            busy: (D,) ns that each device computes.
            progress: share of the round that is over; moves go from coarse to fine.
            count: how many.
            random: the only source of chance.
        """
        return Moves(
            *_draw(
                genome,
                focus,
                busy.argmin(),
                self.levels.cumulative(progress),
                self.parts,
                self.neighbours,
                (self.values, self.placing),
                self.shares,
                np.empty(count, dtype=DRAWN),
                random,
            )
        )


@njit(cache=True, nogil=True)
def _draw(genome, focus, least_busy, levels, parts, neighbours, columns, shares, drawn, random):
    u = genome.shape[1]
    pointers = np.zeros(len(drawn) + 1, dtype=np.int64)
    units = np.empty(2 * u, dtype=np.int64)
    values = np.empty(2 * u, dtype=np.int64)
    members = np.empty(u, dtype=np.int64)
    stamp = np.full(u, -1, dtype=np.int64)  # the last move that each unit is moved by
    size = 0
    for m in range(len(drawn)):
        move = drawn[m]
        move.column = _column(genome.shape[0], shares, random)
        move.level = np.searchsorted(levels, random.random() * levels[-1])
        own = genome[move.column]
        count, placing = columns[0][move.column], columns[1][move.column]
        pivot, part = _beginning(focus, parts, shares, move, random)
        move.old = own[pivot]
        inside = _units_of(parts, move.level, part)
        mine = _members(own, inside, shares, move, members, random)
        if placing:
            _find_device(own, mine, least_busy, neighbours, count, shares, move, random)
        else:
            _find_rank(count, shares, move, random)
        if size + 2 * u > len(units):
            units = np.concatenate((units, np.empty(len(units), dtype=np.int64)))
            values = np.concatenate((values, np.empty(len(values), dtype=np.int64)))
        base = size
        for unit in mine:
            stamp[unit] = m
            if own[unit] != move.value:
                units[size], values[size] = unit, move.value
                size += 1
        move.moved = size - base
        move.swap = placing and random.random() < shares.swap
        if move.swap:
            other = random.integers(0, parts.counts[move.level])
            for unit in _units_of(parts, move.level, other):
                if own[unit] == move.value and stamp[unit] != m and move.old != move.value:
                    units[size], values[size] = unit, move.old
                    size += 1
        if size == base:
            units[size], values[size] = pivot, move.old
            size += 1
        pointers[m + 1] = size
    return pointers, units[:size], values[:size], drawn


@njit(cache=True, nogil=True)
def _column(columns, shares, random):
    if columns == 1 or random.random() < shares.first:
        return 0
    return random.integers(0, columns)


@njit(cache=True, nogil=True)
def _units_of(parts, level, part):
    at = parts.first[level] + part
    return parts.order[level, parts.pointers[at] : parts.pointers[at + 1]]


@njit(cache=True, nogil=True)
def _beginning(focus, parts, shares, move, random):
    """Where a move begins: the unit and its part."""
    move.critical = len(focus.units) > 0 and random.random() < shares.critical
    if move.critical:
        at = np.searchsorted(focus.cumulative, random.random())
        pivot = focus.units[min(at, len(focus.units) - 1)]
        return pivot, parts.part_of[move.level, pivot]
    part = random.integers(0, parts.counts[move.level])
    inside = _units_of(parts, move.level, part)
    return inside[random.integers(0, len(inside))], part


@njit(cache=True, nogil=True)
def _members(own, inside, shares, move, members, random):
    """Which units of the part change: a stretch of ``members``, which is filled."""
    move.whole = random.random() < shares.whole
    count = 0
    for unit in inside:
        if move.whole or own[unit] == move.old:
            members[count] = unit
            count += 1
    move.halved = count > 1 and random.random() < shares.halve
    if not move.halved:
        return members[:count]
    cut = random.integers(1, count)
    return members[:cut] if random.random() < 0.5 else members[cut:count]


@njit(cache=True, nogil=True)
def _find_device(own, mine, least_busy, neighbours, devices, shares, move, random):
    pointers, others = neighbours
    kind = random.random()
    if kind < shares.follow:
        for _ in range(4):
            unit = mine[random.integers(0, len(mine))]
            low, high = pointers[unit], pointers[unit + 1]
            if low < high:
                device = own[others[random.integers(low, high)]]
                if device != move.old:
                    move.value, move.way = device, FOLLOWING
                    return
    elif kind < shares.follow + shares.relieve and least_busy != move.old:
        move.value, move.way = least_busy, RELIEVING
        return
    _find_other(devices, move, random)


@njit(cache=True, nogil=True)
def _find_rank(ranks, shares, move, random):
    if random.random() < shares.step:
        step = 1 if random.random() < 0.5 else -1
        move.value, move.way = min(max(move.old + step, 0), ranks - 1), ELSEWHERE
    else:
        _find_other(ranks, move, random)


@njit(cache=True, nogil=True)
def _find_other(values, move, random):
    """Any other value; the only one where there is no other."""
    move.way = ELSEWHERE
    move.value = (move.old + random.integers(1, values)) % values if values > 1 else 0
