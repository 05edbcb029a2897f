"""What is known of a move before it is tried: features for whatever chooses among moves."""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.partitions import QuotientGraph

from ..common.step_view import BINS, StepView
from .encoding import Encoding
from .neighbourhood import FOLLOWING, RELIEVING, Moves

FEATURES = np.dtype(
    [
        (name, np.float32)
        for name in (
            "parts",  # of the move's level, as a logarithm, against the units
            "units",  # that get the new value, as a logarithm
            "critical_share",  # of the critical path that they answer for, as a logarithm
            "critical_density",  # the same against their work
            "least_slack",  # of theirs, in step times
            "mean_slack",  # by their work
            "start",  # of the first of them, in step times
            "span",  # from there to the end of the last
            "work",  # of theirs, in step times, as a logarithm
            "critical",  # whether the move began at a critical unit
            "whole",  # whether it takes all values of a part
            "halved",  # whether it takes the front or the back of that alone
            "progress",  # of the round
            "pull",  # transfers tied to the new device less those to the old, against all
            "hold",  # transfers tied to the old device, against all
            "traffic",  # all transfers of the units, in step times, as a logarithm
            "saving",  # the same as "pull" in step times, as a logarithm with its sign
            "load_old",  # how busy the old device is against the mean
            "load_new",  # and the new one
            "balance",  # how much busier the old one would be afterwards
            "idle_new",  # how idle the new device is while the units run
            "idle_old",  # and the old one
            "follows",  # whether the new device is that of a neighbour
            "relieves",  # or the least busy one
            "swaps",  # whether units of the new device come back
            "ranks",  # 0 for a device, 1 for a priority, -1 for fusion
            "step",  # of a priority or of fusion, as a share of its values
        )
    ]
)
"""Of a move; those from "pull" to "swaps" are 0 unless it changes devices."""


WIDTH = len(FEATURES.fields or ())
"""How many there are."""


class Ties(NamedTuple):
    """What units compute and exchange.

    Attributes:
        work: (U,) float64 ns.
        pointers: (U + 1,) int64 into the rest.
        others: int64, the units that each one shares tensors with, one for each direction.
        delay: float64 ns that the transfer takes if they are apart.
    """

    work: np.ndarray
    pointers: np.ndarray
    others: np.ndarray
    delay: np.ndarray

    @classmethod
    def of(cls, units: QuotientGraph, ns_per_byte: float) -> "Ties":
        """The ties of units on links that take so long."""
        ends = np.concatenate([units.source, units.target])
        order = np.argsort(ends, kind="stable")
        return cls(
            work=units.work,
            pointers=np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=units.count))]),
            others=np.concatenate([units.target, units.source])[order],
            delay=(np.concatenate([units.size, units.size]) * ns_per_byte)[order],
        )


class Describer:
    """Describes the moves of an encoding's genomes.

    Args:
        encoding: the genomes.
        levels: (L,) int64 parts of each level of the hierarchy that the moves are of.
    """

    def __init__(self, encoding: Encoding, levels: np.ndarray) -> None:
        links = encoding.problem.cluster.links
        self.ties = Ties.of(encoding.units, float(np.mean([link.ns_per_byte for link in links])))
        self.levels = levels
        self.values = np.array(encoding.values)
        kinds = {"placement": 0, "priority": 1, "fusion": -1}
        self.kinds = np.array([kinds[column] for column in encoding.columns])

    def describe(
        self,
        moves: Moves,
        placement: np.ndarray,
        busy: np.ndarray,
        view: StepView,
        progress: float,
    ) -> np.ndarray:
        """(M, WIDTH) float32: the FEATURES of each move.

        Args:
            moves: from one genome.
            placement: (U,) int64 devices of it, or the given ones.
            busy: (D,) ns that each device computes.
            view: of a decision near it.
            progress: share of the round that is over.
        """
        found = np.zeros(len(moves), dtype=FEATURES)
        _describe(
            found,
            moves.pointers,
            moves.units,
            moves.drawn,
            placement,
            busy.astype(np.float64),
            view,
            self.levels,
            self.ties,
            (self.values, self.kinds),
        )
        found["progress"] = progress
        return found.view(np.float32).reshape(len(moves), WIDTH)


@njit(cache=True, nogil=True)
def _describe(found, pointers, units, drawn, placement, busy, view, levels, ties, columns):
    values, kinds = columns
    inside = np.full(len(placement), -1, dtype=np.int64)  # the last move that moves each unit
    tied = np.zeros(len(busy))
    for m in range(len(drawn)):
        move, f = drawn[m], found[m]
        begin, kind = pointers[m], kinds[move.column]
        mine = units[begin : begin + max(move.moved, 1)]  # where nothing changes, where it began
        for unit in mine:
            inside[unit] = m
        f.parts = np.log(levels[move.level]) / np.log(len(placement) + 1.0)
        f.critical, f.whole, f.halved = move.critical, move.whole, move.halved
        work, start, finish = _describe_units(f, mine, view, ties.work)
        if kind != 0:
            f.ranks = kind
            f.step = (move.value - move.old) / values[move.column]
            continue
        f.follows, f.relieves = move.way == FOLLOWING, move.way == RELIEVING
        f.swaps = move.swap
        tied[:] = 0.0
        for unit in mine:
            for e in range(ties.pointers[unit], ties.pointers[unit + 1]):
                if inside[ties.others[e]] != m:
                    tied[placement[ties.others[e]]] += ties.delay[e]
        returning = 0.0
        for unit in units[begin + move.moved : pointers[m + 1]]:
            returning += ties.work[unit]
        _describe_transfers(f, tied, move, view.step)
        _describe_load(f, busy, move, work - returning)
        _describe_idle_time(f, view, move, start, finish)


@njit(cache=True, nogil=True)
def _describe_units(f, mine, view, work):
    """Returns the units' work, and when the first begins and the last ends."""
    total = share = weight = weighted = 0.0
    least, start, finish = view.step, view.step, 0.0
    for unit in mine:
        total += work[unit]
        share += view.share[unit]
        weight += 1.0 + work[unit]
        weighted += (1.0 + work[unit]) * view.slack[unit]
        least = min(least, view.slack[unit])
        start, finish = min(start, view.start[unit]), max(finish, view.finish[unit])
    f.units = np.log2(1.0 + len(mine)) / 16.0
    f.critical_share = np.log1p(share * 100.0)
    f.critical_density = min(share * view.step / max(total, 1.0), 4.0) / 4.0
    f.least_slack = least / view.step
    f.mean_slack = weighted / weight / view.step
    f.start = start / view.step
    f.span = max(finish - start, view.step / BINS) / view.step
    f.work = np.log1p(total / view.step * 1000.0) / 4.0
    return total, start, finish


@njit(cache=True, nogil=True)
def _describe_transfers(f, tied, move, step):
    """What ties the units to their device, and to the other."""
    total = max(tied.sum(), 1.0)
    drop = tied[move.value] - tied[move.old]
    f.pull = drop / total
    f.hold = tied[move.old] / total
    f.traffic = np.log1p(total / step * 1000.0) / 4.0
    f.saving = np.sign(drop) * np.log1p(abs(drop) / step * 1000.0) / 4.0


@njit(cache=True, nogil=True)
def _describe_load(f, busy, move, leaving):
    """How busy the two devices are, and would be once work that takes ``leaving`` ns has left."""
    mean = max(busy.sum() / len(busy), 1.0)
    f.load_old = min(busy[move.old] / mean, 4.0) - 1.0
    f.load_new = min(busy[move.value] / mean, 4.0) - 1.0
    balance = (busy[move.old] - busy[move.value] - leaving) / mean
    f.balance = max(min(balance, 3.0), -3.0)


@njit(cache=True, nogil=True)
def _describe_idle_time(f, view, move, start, finish):
    """How idle the two devices are from the units' start to their end."""
    low = int(start / view.step * BINS)
    high = min(max(int(np.ceil(finish / view.step * BINS)), low + 1), BINS)
    low = min(low, high - 1)
    f.idle_new = (view.idle[move.value, high] - view.idle[move.value, low]) / (high - low)
    f.idle_old = (view.idle[move.old, high] - view.idle[move.old, low]) / (high - low)
