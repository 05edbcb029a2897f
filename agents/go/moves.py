"""Moves on offer: clusters of units that could change, where to, and what is known of each.

A later round does not decide everything afresh: moves are offered at random, by the rules of
local search (our choice), and the policy says which of them to try.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.partitions import Hierarchy, QuotientGraph
from go_gym.problem import Problem

from ..common.step_view import BINS, StepView

SAMPLED = 8
"""Units of a move whose scores speak for it."""
DRAWS = 11
"""Random numbers a move."""
FOCUS = 0.5
"""Share of moves that begin on the critical chain."""
WHOLE = 0.6
"""Share of moves that take a whole cluster; the others its units that were decided alike."""
HALVE = 0.3
"""Share of moves that take the front or the back of that, where they begin."""
FOLLOW, RELIEVE = 0.5, 0.15
"""Shares of moves to a neighbour's device, and to the least busy one; the rest goes anywhere."""
PLACING = 0.5
"""Share of moves that are of the placement for certain, where several columns are decided."""
SWAP = 0.15
"""Share of moves that send another cluster the other way."""
AWAY, FOLLOWING, RELIEVING = 0, 1, 2
"""How a device was found: at random, a neighbour's, the least busy one."""
MOVE_FEATURES = 27


class Clusters(NamedTuple):
    """The clusters of L levels, as arrays that compiled code reads.

    Attributes:
        of_unit: (L, U) int64, the cluster of each unit.
        order: (L, U) int64, units cluster by cluster.
        first: (L,) int64, where a level's pointers into its ``order`` begin in ``pointers``.
        pointers: int64, of all levels, one more a level than it has clusters.
        counts: (L,) int64 clusters.
    """

    of_unit: np.ndarray
    order: np.ndarray
    first: np.ndarray
    pointers: np.ndarray
    counts: np.ndarray


class Ties(NamedTuple):
    """What units compute and exchange.

    Attributes:
        work: (U,) float64 ns.
        edges: (U + 1,) int64 pointers into the rest.
        others: int64, the units that each one shares tensors with.
        cost: float64 ns that the transfer takes if they are apart.
    """

    work: np.ndarray
    edges: np.ndarray
    others: np.ndarray
    cost: np.ndarray


@dataclass(frozen=True, eq=False)
class Moves:
    """M moves on offer.

    Attributes:
        pointers: (M + 1,) int64 into ``units``.
        units, values: int64, what changes and to what; no unit twice in a move.
        column: (M,) int64, which decision changes.
        value: (M,) int64, the new value of the units where it began.
        sampled: (M, SAMPLED) int64, some of those units, evenly spaced.
        features: (M, MOVE_FEATURES) float32.
        key: (M,) uint64, of the decision that the move leads to.
    """

    pointers: np.ndarray
    units: np.ndarray
    values: np.ndarray
    column: np.ndarray
    value: np.ndarray
    sampled: np.ndarray
    features: np.ndarray
    key: np.ndarray

    def applied(self, move: int, genome: np.ndarray) -> np.ndarray:
        """(columns, U): a changed copy."""
        part = slice(self.pointers[move], self.pointers[move + 1])
        changed = genome.copy()
        changed[self.column[move], self.units[part]] = self.values[part]
        return changed


class MoveOffer:
    """Offers moves of one problem.

    Args:
        problem: graph and cluster.
        units: what is decided about.
        levels: partitions of the units, coarse to fine.
        columns: what is decided, names of the network's tasks.
        values: how many values each column has.
    """

    def __init__(
        self,
        problem: Problem,
        units: QuotientGraph,
        levels: Hierarchy,
        columns: tuple[str, ...],
        values: tuple[int, ...],
    ) -> None:
        self.values = np.array(values, dtype=np.int64)
        self.kinds = np.array([("placement", "priority", "fusion").index(c) for c in columns])
        counts = np.array([level.count for level in levels])
        self.clusters = Clusters(
            of_unit=np.stack([level.part_of for level in levels]),
            order=np.stack([level.order for level in levels]),
            first=np.cumsum(counts + 1) - (counts + 1),
            pointers=np.concatenate([level.pointers for level in levels]),
            counts=counts,
        )
        ends = np.concatenate([units.source, units.target])
        order = np.argsort(ends, kind="stable")
        slowness = np.mean([link.ns_per_byte for link in problem.cluster.links])
        self.ties = Ties(
            work=units.work,
            edges=np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=units.count))]),
            others=np.concatenate([units.target, units.source])[order],
            cost=(np.concatenate([units.size, units.size]) * slowness)[order],
        )
        keys = np.random.default_rng(0)  # of a hash, not of the search
        shape = (len(values), units.count, max(values))
        self.keys = keys.integers(0, 2**63, shape, dtype=np.uint64)

    def key(self, genome: np.ndarray) -> np.uint64:
        """A 64-bit key of a decision (Zobrist 1970)."""
        rows, units = np.indices(genome.shape)
        return np.bitwise_xor.reduce(self.keys[rows, units, genome], axis=None)

    def offer(
        self,
        genome: np.ndarray,
        placement: np.ndarray,
        busy: np.ndarray,
        view: StepView,
        levels: np.ndarray,
        progress: float,
        random: np.random.Generator,
    ) -> Moves:
        """A move at each of ``levels``.

        Args:
            genome: (columns, U) int64, the decision at hand.
            placement: (U,) int64 of it, or the given one.
            busy: (D,) ns that each device computes.
            view: of a decision near it.
            levels: (M,) int64, numbers of levels.
            progress: share of the search that is over.
            random: the only source of chance.
        """
        free = np.flatnonzero(self.values > 1)
        found = _offer(
            genome,
            placement,
            busy.astype(np.float64),
            view,
            levels,
            random.random((len(levels), DRAWS)),
            self.clusters,
            self.ties,
            (self.values, self.kinds, free),
            self.keys,
            self.key(genome),
            progress,
        )
        return Moves(*found)


@njit(cache=True, nogil=True)
def _offer(genome, placement, busy, seen, levels, draws, clusters, ties, columns, keys, here, done):
    count, u = len(levels), genome.shape[1]
    values, kinds, free = columns
    first_free = free[np.argmin(kinds[free])]  # the placement, if that is free
    pointers = np.zeros(count + 1, dtype=np.int64)
    units = np.empty(4 * u + 64, dtype=np.int64)
    news = np.empty(4 * u + 64, dtype=np.int64)
    column = np.empty(count, dtype=np.int64)
    value = np.empty(count, dtype=np.int64)
    sampled = np.empty((count, SAMPLED), dtype=np.int64)
    features = np.zeros((count, MOVE_FEATURES), dtype=np.float32)
    key = np.empty(count, dtype=np.uint64)
    stamp = np.full(u, -1, dtype=np.int64)
    members = np.empty(u, dtype=np.int64)
    tied = np.zeros(len(busy))
    size = 0
    for m in range(count):
        level, r, f = levels[m], draws[m], features[m]
        chance = (r[0] - PLACING) / (1 - PLACING)
        row = free[int(chance * len(free))] if chance >= 0 else first_free
        placing = kinds[row] == 0
        own = genome[row]
        pivot, cluster, on_chain = _beginning(seen, clusters, level, r)
        old = own[pivot]
        whole = r[4] < WHOLE
        inside = _units_of(clusters, level, cluster)
        begin, end, halved = _members(own, inside, pivot, whole, r, members)
        if placing:
            new, way = _device(own, members[begin:end], old, np.argmin(busy), ties, r)
        else:
            new, way = _neighbouring_level(old, values[row], r), AWAY
        if new < 0:
            new = (old + 1 + int(r[7] * (values[row] - 1))) % values[row]
        if size + 2 * u > len(units):
            units = np.concatenate((units, np.empty(len(units), dtype=np.int64)))
            news = np.concatenate((news, np.empty(len(news), dtype=np.int64)))
        base = size
        for i in range(begin, end):
            if own[members[i]] != new:
                units[size], news[size] = members[i], new
                size += 1
        if size == base:
            units[size], news[size] = pivot, new
            size += 1
        mine = units[base:size]
        stamp[mine] = m
        swap, swapped = placing and r[9] < SWAP, 0.0
        if swap:
            for unit in _units_of(clusters, level, int(r[10] * clusters.counts[level])):
                if own[unit] == new and stamp[unit] != m:
                    units[size], news[size] = unit, old
                    size += 1
                    swapped += ties.work[unit]
        pointers[m + 1] = size
        column[m], value[m] = row, new
        for i in range(SAMPLED):
            sampled[m, i] = mine[i * len(mine) // SAMPLED]
        k = here
        for i in range(base, size):
            k ^= keys[row, units[i], own[units[i]]] ^ keys[row, units[i], news[i]]
        key[m] = k
        f[0] = np.log(clusters.counts[level]) / np.log(u + 1.0)
        f[9], f[10], f[11], f[12] = on_chain, whole, halved, done
        total, opens, closes = _tell_of_units(f, mine, seen, ties.work)
        if placing:
            f[22], f[23], f[24] = way == FOLLOWING, way == RELIEVING, swap
            tied[:] = 0.0
            for unit in mine:
                for e in range(ties.edges[unit], ties.edges[unit + 1]):
                    if stamp[ties.others[e]] != m:
                        tied[placement[ties.others[e]]] += ties.cost[e]
            _tell_of_transfers(f, tied[old], tied[new], tied.sum(), seen.step)
            _tell_of_load(f, busy, old, new, total, swapped)
            _tell_of_idle_time(f, seen, old, new, opens, closes)
        else:
            f[25] = 1.0 if kinds[row] == 1 else -1.0
            f[26] = (new - old) / values[row]
    return pointers, units[:size], news[:size], column, value, sampled, features, key


@njit(cache=True, nogil=True)
def _units_of(clusters, level, cluster):
    at = clusters.first[level] + cluster
    return clusters.order[level, clusters.pointers[at] : clusters.pointers[at + 1]]


@njit(cache=True, nogil=True)
def _beginning(seen, clusters, level, r):
    """Where a move begins: the unit, its cluster, and whether it is on the critical chain."""
    if len(seen.chain) > 0 and r[1] < FOCUS:
        at = min(np.searchsorted(seen.cumulative, r[2]), len(seen.chain) - 1)
        pivot = seen.chain[at]
        return pivot, clusters.of_unit[level, pivot], True
    cluster = int(r[2] * clusters.counts[level])
    inside = _units_of(clusters, level, cluster)
    return inside[int(r[3] * len(inside))], cluster, False


@njit(cache=True, nogil=True)
def _members(own, inside, pivot, whole, r, members):
    """Which units of the cluster change: a stretch of ``members``, and whether that is a part."""
    got, at_pivot = 0, 0
    for unit in inside:
        if unit == pivot:
            at_pivot = got
        if whole or own[unit] == own[pivot]:
            members[got] = unit
            got += 1
    if got == 1 or r[5] >= HALVE:
        return 0, got, False
    cut = 1 + int(r[5] / HALVE * (got - 1))
    return (0, cut, True) if at_pivot < cut else (cut, got, True)


@njit(cache=True, nogil=True)
def _device(own, members, old, least_busy, ties, r):
    """A device and how it was found; -1 for any other."""
    if r[6] < FOLLOW:
        for attempt in range(4):
            unit = members[int((r[7] * (1 + 7 * attempt) % 1.0) * len(members))]
            near = ties.edges[unit + 1] - ties.edges[unit]
            if near > 0:
                pick = ties.edges[unit] + int((r[8] * (1 + 11 * attempt) % 1.0) * near)
                device = own[ties.others[pick]]
                if device != old:
                    return device, FOLLOWING
    elif r[6] < FOLLOW + RELIEVE and least_busy != old:
        return least_busy, RELIEVING
    return -1, AWAY


@njit(cache=True, nogil=True)
def _neighbouring_level(old, levels, r):
    """The level above or below, within the ``levels`` that there are; -1 for any other."""
    if r[6] >= 0.5:
        return -1
    new = old + 1 if r[7] < 0.5 else old - 1
    return new if 0 <= new < levels else 2 * old - new


@njit(cache=True, nogil=True)
def _tell_of_units(f, mine, seen, work):
    """Features 1 to 8; returns the units' work, and when the first begins and the last ends."""
    weight = total = share = weighted = 0.0
    tightest, opens, closes = seen.step, seen.step, 0.0
    for unit in mine:
        total += work[unit]
        share += seen.focus[unit]
        weight += 1.0 + work[unit]
        weighted += (1.0 + work[unit]) * seen.slack[unit]
        tightest = min(tightest, seen.slack[unit])
        opens, closes = min(opens, seen.start[unit]), max(closes, seen.finish[unit])
    f[1] = np.log2(1.0 + len(mine)) / 16.0
    f[2] = np.log1p(share * 100.0)
    f[3] = min(share * seen.step / max(total, 1.0), 4.0) / 4.0
    f[4] = tightest / seen.step
    f[5] = weighted / weight / seen.step
    f[6] = opens / seen.step
    f[7] = max(closes - opens, seen.step / BINS) / seen.step
    f[8] = np.log1p(total / seen.step * 1000.0) / 4.0
    return total, opens, closes


@njit(cache=True, nogil=True)
def _tell_of_transfers(f, here_ns, there_ns, sum_ns, step):
    """Features 13 to 16: what ties the units to their device, and to the other."""
    all_ns = max(sum_ns, 1.0)
    f[13] = (there_ns - here_ns) / all_ns
    f[14] = here_ns / all_ns
    f[15] = np.log1p(all_ns / step * 1000.0) / 4.0
    drop = (there_ns - here_ns) / step * 1000.0
    f[16] = np.sign(drop) * np.log1p(abs(drop)) / 4.0


@njit(cache=True, nogil=True)
def _tell_of_load(f, busy, old, new, total, swapped):
    """Features 17 to 19: how busy the two devices are, and would be."""
    mean = max(busy.sum() / len(busy), 1.0)
    f[17] = min(busy[old] / mean, 4.0) - 1.0
    f[18] = min(busy[new] / mean, 4.0) - 1.0
    balance = (busy[old] - busy[new] - total + swapped) / mean
    f[19] = max(min(balance, 3.0), -3.0)


@njit(cache=True, nogil=True)
def _tell_of_idle_time(f, seen, old, new, opens, closes):
    """Features 20 and 21: how idle the two devices are from the units' start to their end."""
    a = int(opens / seen.step * BINS)
    b = min(max(int(np.ceil(closes / seen.step * BINS)), a + 1), BINS)
    a = min(a, b - 1)
    f[20] = (seen.idle[new, b] - seen.idle[new, a]) / (b - a)
    f[21] = (seen.idle[old, b] - seen.idle[old, a]) / (b - a)
