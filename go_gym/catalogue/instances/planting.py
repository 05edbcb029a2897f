"""How an optimum is planted: device lines cut without idle time, then edges where they fit."""

from dataclasses import dataclass

import numpy as np
from numba import njit

GRAIN_NS = 1_000
"""All times are multiples of it (our choice). Of a finer grain, a perfect cut is as good as alone:
to find it would be a matter of number partitioning, not of scheduling."""
MEAN = 10
"""Mean duration of an op on a device of factor 1, in grains (our choice)."""
LATENCY_NS = GRAIN_NS
"""Of a transfer that takes time (our choice)."""
SIZES = 10
"""What the bytes of a tensor add to it, from 0 grains, so many lengths: transfers take half an op's
time on average."""
LOCAL_LAG = 8
"""A local edge spans at most so many ops of its device's line."""
REMOTE_LAG = 4
"""The consumer of a transfer is one of the first so many ops that it can reach."""
SPREAD = 5
"""Durations are drawn over so many octaves: few ops carry much of the work."""


@dataclass(frozen=True, eq=False)
class Lines:
    """The time lines of the devices, cut into ops, numbered by their start.

    Attributes:
        makespan: ns, where every line ends.
        base: (n,) int64, work of each op; on a device of factor f it takes base × f ns.
        device: (n,) int64.
        start, finish: (n,) int64 ns, start not falling.
    """

    makespan: int
    base: np.ndarray
    device: np.ndarray
    start: np.ndarray
    finish: np.ndarray


class Draws:
    """Whole numbers from a seed: from PCG64's raw stream, which no version of NumPy changes."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def below(self, limit: int, count: int) -> np.ndarray:
        """(count,) int64 from 0 to ``limit`` - 1."""
        raw = self._bits.random_raw(count)
        return ((raw >> np.uint64(11)) % np.uint64(limit)).astype(np.int64)


def cut_lines(draws: Draws, ops: int, factors: np.ndarray) -> Lines:
    """Cut lines of equal length into ``ops`` ops, on faster devices more.

    Args:
        draws: where the lengths come from.
        ops: n, at least one for each device.
        factors: (d,) int64, what work takes longer on each device than on one of factor 1.
    """
    common = int(np.lcm.reduce(factors))
    shares = common // factors
    # as much work an op as MEAN: Σ makespan / factor = ops × MEAN
    makespan = common * -(-ops * MEAN // int(shares.sum()))
    counts = 1 + (ops - len(factors)) * shares // int(shares.sum())
    counts[: ops - int(counts.sum())] += 1
    bases = [
        _cut(draws, makespan // factor, count) * GRAIN_NS
        for factor, count in zip(factors.tolist(), counts.tolist(), strict=True)
    ]
    base = np.concatenate(bases)
    device = np.repeat(np.arange(len(factors)), counts)
    finish = np.concatenate([np.cumsum(b) * f for b, f in zip(bases, factors, strict=True)])
    start = finish - base * factors[device]
    order = np.lexsort((device, start))
    return Lines(makespan * GRAIN_NS, base[order], device[order], start[order], finish[order])


def _cut(draws: Draws, length: int, count: int) -> np.ndarray:
    """(count,) int64 from 1, of sum ``length``, over SPREAD octaves."""
    octave = draws.below(SPREAD, count)
    size = (1 + draws.below(1 << 20, count)) << octave
    ends = np.cumsum(size)
    # elementwise products and quotients of whole numbers: the same on every machine
    ends = np.rint(ends / float(ends[-1]) * length).astype(np.int64)
    index = np.arange(1, count + 1)
    ends = np.maximum.accumulate(np.maximum(ends, index) - index) + index
    ends = np.minimum(ends, length - count + index)
    ends[-1] = length
    return np.diff(ends, prepend=0)


@dataclass(frozen=True, eq=False)
class Edges:
    """What each op sends, and who uses it.

    Attributes:
        size: (n,) int64, ns that the bytes of each op's tensor take on a link, latency apart.
        producer, consumer: (u,) int64, pairs may repeat.
        sent: how many tensors leave their device.
    """

    size: np.ndarray
    producer: np.ndarray
    consumer: np.ndarray
    sent: int


def add_edges(draws: Draws, lines: Lines, devices: int, share: int, free: bool) -> Edges:
    """Edges that the planted schedule keeps.

    On a device from earlier ops to later ones. Across devices, for ``share`` % of the ops, a
    transfer that starts as its producer finishes, while both its ports are free, and arrives
    before its consumers start: at most one at a time leaves a device, and one arrives. So it
    starts at once under every contention model. Where ``free``, transfers take no time, and their
    consumers start later than their producers finish.
    """
    n = len(lines.base)
    line = np.argsort(lines.device, kind="stable")
    ends = np.cumsum(np.bincount(lines.device, minlength=devices))
    position = np.empty(n, dtype=np.int64)
    position[line] = np.arange(n)
    first = (ends - np.bincount(lines.device, minlength=devices))[lines.device]
    pairs = []
    for odds in (3, 2):  # of four ops so many have a first, and a second local input
        lag = 1 + draws.below(LOCAL_LAG, n)
        there = (position - lag >= first) & (draws.below(4, n) < odds)
        consumer = np.flatnonzero(there)
        pairs.append((line[position[consumer] - lag[consumer]], consumer))
    size = np.zeros(n, dtype=np.int64) if free else draws.below(SIZES, n) * GRAIN_NS
    wanted = draws.below(100, n) < share
    target, lags = draws.below(max(devices - 1, 1), n), draws.below(REMOTE_LAG**2, n)
    order = np.argsort(lines.finish, kind="stable")
    delay = size + (0 if free else LATENCY_NS)
    if devices > 1:
        found = _send(
            order, lines.start, lines.finish, lines.device, line, ends, delay, wanted, target, lags
        )
        pairs += [(np.flatnonzero(each >= 0), each[each >= 0]) for each in found]
    producer, consumer = (np.concatenate(side) for side in zip(*pairs, strict=True))
    sent = np.unique(producer[lines.device[producer] != lines.device[consumer]])
    return Edges(size, producer, consumer, len(sent))


@njit(cache=True, nogil=True)
def _send(order, start, finish, device, line, ends, delay, wanted, target, lags):
    """(n,) twice: two consumers, on one other device, of each op's tensor; -1 for none."""
    n, devices = len(order), len(ends)
    first = np.full(n, -1, dtype=np.int64)
    second = np.full(n, -1, dtype=np.int64)
    leaves = np.zeros(devices, dtype=np.int64)  # when each port is free again
    arrives = np.zeros(devices, dtype=np.int64)
    for op in order:
        source, now = device[op], finish[op]
        if not wanted[op] or leaves[source] > now:
            continue
        for turn in range(devices - 1):
            to = (source + 1 + (target[op] + turn) % (devices - 1)) % devices
            if arrives[to] > now:
                continue
            there = now + delay[op]
            earliest = there if delay[op] > 0 else there + 1
            low, high = (ends[to - 1] if to > 0 else 0), ends[to]
            while low < high:
                middle = (low + high) // 2
                if start[line[middle]] < earliest:
                    low = middle + 1
                else:
                    high = middle
            if low == ends[to]:
                continue
            first[op] = line[min(low + lags[op] % REMOTE_LAG, ends[to] - 1)]
            second[op] = line[min(low + lags[op] // REMOTE_LAG, ends[to] - 1)]
            leaves[source] = arrives[to] = there
            break
    return first, second


def topological_shuffle(draws: Draws, n: int, producer: np.ndarray, consumer: np.ndarray):
    """(n,) int64: ops by their depth, in random order within; the schedule cannot be read off.

    ``producer`` and ``consumer`` are (u,) int64, producers below their consumers.
    """
    by_producer = np.argsort(producer, kind="stable")
    depth = _depths(n, producer[by_producer], consumer[by_producer])
    return np.lexsort((draws.below(1 << 50, n), depth))


@njit(cache=True, nogil=True)
def _depths(n, producer, consumer):
    depth = np.zeros(n, dtype=np.int64)
    for edge in range(len(producer)):
        depth[consumer[edge]] = max(depth[consumer[edge]], depth[producer[edge]] + 1)
    return depth
