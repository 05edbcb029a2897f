"""Moves on offer: clusters of units that could change, where to, and what is known of each.

A later round does not decide everything afresh: moves are offered at random, by the rules of
local search (our choice), and the policy says which of them to try.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from go_gym.problem import Problem

from ..common.clusterings import Clustering
from ..common.units import UnitGraph
from .step import BINS, StepView

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
MOVE_FEATURES = 27


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
        levels: clusterings, coarse to fine.
        columns: what is decided, names of the network's tasks.
        values: how many values each column has.
    """

    def __init__(
        self,
        problem: Problem,
        units: UnitGraph,
        levels: tuple[Clustering, ...],
        columns: tuple[str, ...],
        values: tuple[int, ...],
    ) -> None:
        self.values = np.array(values, dtype=np.int64)
        self.kinds = np.array([("placement", "priority", "fusion").index(c) for c in columns])
        self.of_unit = np.stack([level.of_unit for level in levels])
        self.order = np.stack([level.order for level in levels])
        counts = np.array([level.count for level in levels])
        self.first = np.cumsum(counts + 1) - (counts + 1)
        self.pointers = np.concatenate([level.pointers for level in levels])
        self.counts = counts
        self.work = units.work
        ends = np.concatenate([units.source, units.target])
        order = np.argsort(ends, kind="stable")
        slowness = np.mean([link.ns_per_byte for link in problem.cluster.links])
        self.others = np.concatenate([units.target, units.source])[order]
        self.cost = (np.concatenate([units.size, units.size]) * slowness)[order]
        self.edges = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=units.count))])
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
            (view.chain, view.cumulative, view.focus, view.start, view.finish, view.slack),
            view.idle,
            view.step,
            levels,
            random.random((len(levels), DRAWS)),
            (self.of_unit, self.order, self.first, self.pointers, self.counts),
            (self.edges, self.others, self.cost, self.work),
            (self.values, self.kinds, free),
            self.keys,
            self.key(genome),
            progress,
        )
        return Moves(*found)


@njit(cache=True, nogil=True)
def _offer(
    genome,
    placement,
    busy,
    chain_view,
    idle,
    step,
    levels,
    draws,
    clusters,
    graph,
    columns,
    keys,
    here,
    progress,
):
    chain, cumulative, focus, start, finish, slack = chain_view
    of_unit, order, first, bounds, counts = clusters
    edges, others, cost, work = graph
    values, kinds, free = columns
    count, u = len(levels), genome.shape[1]
    d = len(busy)
    mean = max(busy.sum() / d, 1.0)
    least = np.argmin(busy)
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
    tied = np.zeros(d)
    size = 0
    for m in range(count):
        level, r = levels[m], draws[m]
        chance = (r[0] - PLACING) / (1 - PLACING)
        row = free[int(chance * len(free))] if chance >= 0 else first_free
        placing = kinds[row] == 0
        # where it begins
        on_chain = len(chain) > 0 and r[1] < FOCUS
        if on_chain:
            at = min(np.searchsorted(cumulative, r[2]), len(chain) - 1)
            pivot = chain[at]
            cluster = of_unit[level, pivot]
        else:
            cluster = int(r[2] * counts[level])
        low = bounds[first[level] + cluster]
        high = bounds[first[level] + cluster + 1]
        if not on_chain:
            pivot = order[level, low + int(r[3] * (high - low))]
        old = genome[row, pivot]
        # which of the cluster's units
        whole = r[4] < WHOLE
        got, at_pivot = 0, 0
        for i in range(low, high):
            if order[level, i] == pivot:
                at_pivot = got
            if whole or genome[row, order[level, i]] == old:
                members[got] = order[level, i]
                got += 1
        begin, end = 0, got
        halved = got > 1 and r[5] < HALVE
        if halved:
            cut = 1 + int(r[5] / HALVE * (got - 1))
            if at_pivot < cut:
                end = cut
            else:
                begin = cut
        # where to
        new, way = -1, 0
        if placing:
            if r[6] < FOLLOW:
                for attempt in range(4):
                    unit = members[begin + int((r[7] * (1 + 7 * attempt) % 1.0) * (end - begin))]
                    near = edges[unit + 1] - edges[unit]
                    if near > 0:
                        pick = edges[unit] + int((r[8] * (1 + 11 * attempt) % 1.0) * near)
                        device = genome[row, others[pick]]
                        if device != old:
                            new, way = device, 1
                            break
            elif r[6] < FOLLOW + RELIEVE and least != old:
                new, way = least, 2
        elif r[6] < 0.5:
            new = old + 1 if r[7] < 0.5 else old - 1
            if new < 0 or new >= values[row]:
                new = 2 * old - new
        if new < 0:
            new = (old + 1 + int(r[7] * (values[row] - 1))) % values[row]
        # the changes
        if size + 2 * u > len(units):
            units = np.concatenate((units, np.empty(len(units), dtype=np.int64)))
            news = np.concatenate((news, np.empty(len(news), dtype=np.int64)))
        base = size
        for i in range(begin, end):
            if genome[row, members[i]] != new:
                units[size], news[size] = members[i], new
                size += 1
        if size == base:
            units[size], news[size] = pivot, new
            size += 1
        direct = size
        for i in range(base, direct):
            stamp[units[i]] = m
        swapped = 0.0
        swap = placing and r[9] < SWAP
        if swap:
            other = int(r[10] * counts[level])
            for i in range(bounds[first[level] + other], bounds[first[level] + other + 1]):
                unit = order[level, i]
                if genome[row, unit] == new and stamp[unit] != m:
                    units[size], news[size] = unit, old
                    size += 1
                    swapped += work[unit]
        pointers[m + 1] = size
        column[m], value[m] = row, new
        changed = direct - base
        for i in range(SAMPLED):
            sampled[m, i] = units[base + i * changed // SAMPLED]
        k = here
        for i in range(base, size):
            k ^= keys[row, units[i], genome[row, units[i]]] ^ keys[row, units[i], news[i]]
        key[m] = k
        # what is known of it
        tied[:] = 0.0
        weight = total = share = late = weighted = 0.0
        tightest, opens, closes = step, step, 0.0
        for i in range(base, direct):
            unit = units[i]
            total += work[unit]
            share += focus[unit]
            weight += 1.0 + work[unit]
            weighted += (1.0 + work[unit]) * slack[unit]
            tightest = min(tightest, slack[unit])
            opens, closes = min(opens, start[unit]), max(closes, finish[unit])
            if placing:
                for e in range(edges[unit], edges[unit + 1]):
                    if stamp[others[e]] != m:
                        tied[placement[others[e]]] += cost[e]
        late = max(closes - opens, step / BINS)
        f = features[m]
        f[0] = np.log(counts[level]) / np.log(u + 1.0)
        f[1] = np.log2(1.0 + changed) / 16.0
        f[2] = np.log1p(share * 100.0)
        f[3] = min(share * step / max(total, 1.0), 4.0) / 4.0
        f[4] = tightest / step
        f[5] = weighted / weight / step
        f[6] = opens / step
        f[7] = late / step
        f[8] = np.log1p(total / step * 1000.0) / 4.0
        f[9] = on_chain
        f[10] = whole
        f[11] = halved
        f[12] = progress
        if placing:
            here_ns, there_ns, all_ns = tied[old], tied[new], max(tied.sum(), 1.0)
            f[13] = (there_ns - here_ns) / all_ns
            f[14] = here_ns / all_ns
            f[15] = np.log1p(all_ns / step * 1000.0) / 4.0
            drop = (there_ns - here_ns) / step * 1000.0
            f[16] = np.sign(drop) * np.log1p(abs(drop)) / 4.0
            f[17] = min(busy[old] / mean, 4.0) - 1.0
            f[18] = min(busy[new] / mean, 4.0) - 1.0
            balance = (busy[old] - busy[new] - total + swapped) / mean
            f[19] = max(min(balance, 3.0), -3.0)
            a = int(opens / step * BINS)
            b = min(max(int(np.ceil(closes / step * BINS)), a + 1), BINS)
            a = min(a, b - 1)
            f[20] = (idle[new, b] - idle[new, a]) / (b - a)
            f[21] = (idle[old, b] - idle[old, a]) / (b - a)
            f[22] = way == 1
            f[23] = way == 2
            f[24] = swap
        else:
            f[25] = 1.0 if kinds[row] == 1 else -1.0
            f[26] = (new - old) / values[row]
    return pointers, units[:size], news[:size], column, value, sampled, features, key
