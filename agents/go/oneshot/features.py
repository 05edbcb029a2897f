"""What the network sees of a problem: rows, pairs of rows, and devices.

Everything is measured in shares: of the work, of the critical path, of a device's memory. So
graphs of any size and devices of any speed look alike. Nothing depends on layer tags, and nothing
on how ops are numbered but the order of modules, and which of ops that stand alike come first.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from go_gym.baselines.bounds import heads_and_tails
from go_gym.partitions import Partition, QuotientGraph, quotient_graph
from go_gym.problem import Problem

from .rows import op_modules, unit_modules

VERSION = 1
"""Raised whenever any feature changes: caches and weights are of one version."""
MODULES = 24
"""Modules that rows are told to be of, at most (our choice)."""
WINDOWS = 16
"""Stretches of the step that load and memory are summed in (our choice)."""
ROW_FEATURES, PAIR_FEATURES, GATHERED, DEVICE_FEATURES = 50, 12, 12, 3
NEAR = 0.05
"""Distance, as a share of the step, at which two rows are thought near (our choice)."""


@dataclass(frozen=True, eq=False)
class Features:
    """A problem as the network sees it; R rows, D devices.

    Attributes:
        rows: (R, ROW_FEATURES) float32.
        pairs: (R, R, PAIR_FEATURES) float16, of row r towards row s.
        gathered: (GATHERED, R, R) float16, weights with which row r sums over what rows s lie
            where.
        work: (R,) float32, shares of all work.
        memory: (R, 1 + WINDOWS) float32 shares of a device's mean memory: parameters, and what
            else the row keeps alive in each window of the step.
        received: (R, R) float16, memory that row s takes for copies of what row r makes.
        window: (R, WINDOWS) float32, the row's work in each window of the step as a share of
            all work.
        devices: (D, DEVICE_FEATURES) float32: slowness against the mean, memory against the
            mean, transfer time against the mean.
        twin: (D,) int64, the first device that is like each one in all of this.
    """

    rows: np.ndarray
    pairs: np.ndarray
    gathered: np.ndarray
    work: np.ndarray
    memory: np.ndarray
    received: np.ndarray
    window: np.ndarray
    devices: np.ndarray
    twin: np.ndarray

    @property
    def count(self) -> int:
        """R."""
        return len(self.work)


@dataclass(frozen=True, eq=False)
class _Rows:
    """What several of the features are made from; (R,) of each row, (R, R) of each pair.

    Attributes:
        work: (R,) ns; ``total`` of all, and ``share`` of a row if all had as much.
        middle, at_head, at_module: (R,) in [0, 1], where it stands among the ops, on the longest
            path and among the modules.
        module: (R,) int64, its number.
        cost: (R, R) ns to send what row r gives to row s; ``shared`` of the tensors both use.
        after: (R, R) shares of row s that come after anything of row r.
        parallel: (R, R) shares that come neither before nor after.
        together: (R, R), likewise, that the longest paths leave at the same time.
    """

    work: np.ndarray
    total: float
    share: float
    middle: np.ndarray
    at_head: np.ndarray
    at_module: np.ndarray
    module: np.ndarray
    cost: np.ndarray
    shared: np.ndarray
    after: np.ndarray
    parallel: np.ndarray
    together: np.ndarray

    @property
    def alike(self) -> np.ndarray:
        """(R, R) float64: 1 where two rows are of one module."""
        return (self.module[:, None] == self.module[None]).astype(float)


def features_of(problem: Problem, rows: QuotientGraph) -> Features:
    """The features of a problem that is decided in ``rows``."""
    graph, count, of = problem.graph, rows.count, rows.part_of
    duration = problem.mean_durations
    weight = duration + 1e-3
    row_weight = np.bincount(of, weight, count)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(of, weight * values, count) / row_weight

    total = max(float(rows.work.sum()), 1.0)
    head, tail = heads_and_tails(problem, np.rint(duration).astype(np.int64))
    path = max(float((head + duration + tail).max()), 1.0)
    place = _places(head, graph.depth)
    busy = ~graph.is_free
    low, high = _span(of[busy], head[busy] / path, (head + duration)[busy] / path, count)
    none = ~np.isfinite(low)
    low[none] = high[none] = (mean(head) / path)[none]
    first, last = _span(of, place, place, count)
    module = _modules(problem, rows)
    first_use = graph.tensor_use_ptr[graph.op_tensor_ptr]
    after = _work_after(of, first_use, graph.use_consumer, weight, count) / row_weight
    np.fill_diagonal(after, 0.0)
    parallel = np.clip(1.0 - after - after.T, 0.0, 1.0)
    np.fill_diagonal(parallel, 0.0)
    seen = _Rows(
        work=rows.work,
        total=total,
        share=total / count,
        middle=mean(place),
        at_head=mean(head) / path,
        at_module=module / max(int(module.max()), 1),
        module=module,
        cost=_transfer_ns(problem, rows),
        shared=_shared(problem, rows, total / count),
        after=after,
        parallel=parallel,
        together=_overlap(low, high) * parallel,
    )
    capacity = np.minimum(problem.cluster.memory_bytes.astype(float), 1e12)
    memory, received = _memory(problem, rows, place, float(capacity.mean()))
    parameters = np.bincount(of, graph.parameter_bytes, count)
    at_tail = mean(tail) / path
    columns = [
        np.log(seen.work / seen.share + 1e-3) / 3,
        np.sqrt(seen.work / seen.share),
        seen.at_head,
        at_tail,
        1 - seen.at_head - at_tail - mean(duration) / path,
        low,
        high,
        mean(graph.depth / max(int(graph.depth.max()), 1)),
        seen.middle,
        first,
        last,
        *(mean(graph.phase == phase) for phase in range(3)),
        seen.at_module,
        np.log1p(np.bincount(module, minlength=max(int(module.max()), 1) + 1)[module]) / 3,
        np.log1p(parameters / max(parameters.sum(), 1) * count),
        memory.max(1) * problem.num_devices / max(memory.max(1).sum(), 1e-9),
        *_exchanged(seen),
        *_waves(seen.middle),
        *_waves(seen.at_head),
        *_waves(seen.at_module),
    ]
    columns += [np.full(count, v) for v in _general(problem, seen, path, parameters, memory)]
    where = np.minimum((place * WINDOWS).astype(np.int64), WINDOWS - 1)
    window = np.bincount(of * WINDOWS + where, duration, count * WINDOWS) / total
    devices = _devices(problem)
    return Features(
        np.stack(columns, 1).astype(np.float32),
        _pairs(seen),
        _gathered(seen, problem.num_devices),
        (seen.work / total).astype(np.float32),
        memory.astype(np.float32),
        received.astype(np.float16),
        window.reshape(count, WINDOWS).astype(np.float32),
        devices,
        _twins(devices),
    )


def _exchanged(seen: _Rows) -> list[np.ndarray]:
    """(R,) each: what a row takes in and gives out, and how much could run beside it."""
    into, out = seen.cost.sum(0), seen.cost.sum(1)
    small = seen.work + 1e-2 * seen.share
    return [
        np.log1p(into / seen.share) / 2,
        np.log1p(out / seen.share) / 2,
        np.log1p(into / small) / 3,
        np.log1p(out / small) / 3,
        np.log1p((seen.cost > 0).sum(0)) / 2,
        np.log1p((seen.cost > 0).sum(1)) / 2,
        seen.parallel @ seen.work / seen.total,
    ]


def _general(
    problem: Problem, seen: _Rows, path: float, parameters: np.ndarray, memory: np.ndarray
) -> list[float]:
    """What is the same for all rows: the size of the problem and of its transfers and memory."""
    devices, total, share = problem.num_devices, seen.total, seen.share
    capacity = np.minimum(problem.cluster.memory_bytes.astype(float), 1e12)
    latency = float(np.mean([link.latency_ns for link in problem.cluster.links]))
    return [
        np.log2(devices) / 3,
        np.log(path * devices / total) / 2,
        np.log1p(seen.cost.sum() / total),
        np.log1p(latency / share) / 3,
        parameters.sum() / (capacity.mean() * devices),
        memory.max(0).sum() / devices,
        np.log1p(devices * seen.cost.sum() / len(seen.work) / total),
    ]


def _pairs(seen: _Rows) -> np.ndarray:
    """(R, R, PAIR_FEATURES) float16."""
    pairs = [
        np.log1p(seen.cost / seen.share),
        np.log1p(seen.cost.T / seen.share),
        seen.after,
        seen.after.T,
        seen.together,
        seen.parallel,
        seen.alike,
        _away(seen.at_module),
        np.exp(-_away(seen.middle) / NEAR),
        np.exp(-_away(seen.at_head) / NEAR),
        np.log1p(seen.shared / seen.share) / 2,
        seen.middle[None] - seen.middle[:, None],
    ]
    return np.stack(pairs, 2).astype(np.float16)


def _gathered(seen: _Rows, devices: int) -> np.ndarray:
    """(GATHERED, R, R) float16."""
    other = 1.0 - np.eye(len(seen.work))
    weigh = (seen.work / seen.total)[None]
    close = np.exp(-_away(seen.middle) / 0.03) * other
    early = (seen.middle[None] < seen.middle[:, None]).astype(float)
    together = seen.together * other * weigh
    gathered = [
        _even(seen.cost.T),
        _even(seen.cost),
        seen.cost.T / seen.share / 4,
        seen.cost / seen.share / 4,
        _even(seen.shared),
        _even(together),
        together * devices,
        _even(seen.alike * other * weigh),
        _even(close * early * weigh),
        _even(close * (1 - early) * weigh),
        _even(np.exp(-_away(seen.at_head) / 0.03) * other * weigh),
        _even(np.exp(-_away(seen.at_module) / NEAR) * other * weigh),
    ]
    return np.clip(np.stack(gathered), 0, 8).astype(np.float16)


def memory_needed(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """(D,) float64: memory that a placement (n,) of ops may need, as a share of each device's.

    The sums that rows have (parameters, the most alive in a window, half of all copies that come
    in), here of the ops themselves; an estimate without any simulation.
    """
    used = np.unique(placement)
    parts = quotient_graph(problem, Partition.by_labels(placement))
    head, _ = heads_and_tails(problem, np.rint(problem.mean_durations).astype(np.int64))
    capacity = np.minimum(problem.cluster.memory_bytes.astype(float), 1e12)
    mean = float(capacity.mean())
    memory, received = _memory(problem, parts, _places(head, problem.graph.depth), mean)
    np.fill_diagonal(received, 0.0)
    shares = np.zeros(problem.num_devices)
    shares[used] = memory[:, 0] + memory[:, 1:].max(1) + received.sum(0) / 2
    shares *= mean / capacity
    return shares


def _places(head: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: where each op stands by its longest path from the start; alike, together."""
    order = np.lexsort((depth, head))
    new = np.diff(head[order], prepend=-1).astype(bool) | np.diff(depth[order], prepend=-1).astype(
        bool
    )
    group = np.cumsum(new) - 1
    size = np.bincount(group)
    middle = np.cumsum(size) - size / 2
    place = np.empty(len(head))
    place[order] = middle[group] / len(head)
    return place


def _span(
    of: np.ndarray, low: np.ndarray, high: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    least, most = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(least, of, low)
    np.maximum.at(most, of, high)
    return least, most


def _modules(problem: Problem, rows: QuotientGraph) -> np.ndarray:
    """(R,) int64: the module of each row's longest op, numbered by where modules lie."""
    longest = rows.partition.longest(problem.mean_durations)
    leaf = op_modules(problem)[longest]
    if len(np.unique(leaf)) <= MODULES:
        number = np.unique(leaf, return_inverse=True)[1].reshape(-1)
        at = np.bincount(number, np.arange(rows.count)) / np.bincount(number)
        order: np.ndarray = np.argsort(np.argsort(at, kind="stable"))[number]
        return order
    return unit_modules(problem, rows, MODULES)


def _transfer_ns(problem: Problem, rows: QuotientGraph) -> np.ndarray:
    """(R, R) float64: what it takes to send what row r gives to row s."""
    links = problem.cluster.links
    slowness = float(np.mean([link.ns_per_byte for link in links]))
    latency = float(np.mean([link.latency_ns for link in links]))
    cost = np.zeros((rows.count, rows.count))
    cost[rows.source, rows.target] = rows.size * slowness + latency * (rows.size > 0)
    return cost


def _shared(problem: Problem, rows: QuotientGraph, share: float) -> np.ndarray:
    """(R, R) float64 ns: transfer time of the tensors that two rows both use."""
    graph = problem.graph
    pair = np.unique(
        graph.use_tensor.astype(np.int64) * rows.count + rows.part_of[graph.use_consumer]
    )
    tensor, row = pair // rows.count, pair % rows.count
    several = np.bincount(tensor, minlength=graph.num_tensors)[tensor] > 1
    names, number = np.unique(tensor[several], return_inverse=True)
    cost = problem.mean_delays[names]
    matrix = np.zeros((len(names), rows.count), dtype=np.float32)
    matrix[number.reshape(-1), row[several]] = np.sqrt(np.minimum(cost, 1e3 * share))[
        number.reshape(-1)
    ]
    both: np.ndarray = (matrix.T @ matrix).astype(np.float64)
    np.fill_diagonal(both, 0.0)
    return both


def _overlap(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(R, R) in [0, 1]: how much of the shorter of two rows' times could be at the same time."""
    both = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    length = np.maximum(np.minimum((high - low)[:, None], (high - low)[None]), 1e-6)
    return np.clip(both / length, 0.0, 1.0)


def _memory(
    problem: Problem, rows: QuotientGraph, place: np.ndarray, capacity: float
) -> tuple[np.ndarray, np.ndarray]:
    """(R, 1 + WINDOWS) parameters and bytes alive, (R, R) bytes of copies; shares of capacity."""
    graph, count, of = problem.graph, rows.count, rows.part_of
    when = np.minimum((place * WINDOWS).astype(np.int64), WINDOWS - 1)
    own = graph.tensor_alias < 0
    root = np.where(own, np.arange(graph.num_tensors), graph.tensor_alias)
    while not own[root].all():
        root = np.where(own[root], root, graph.tensor_alias[root])
    born = when[graph.tensor_producer]
    dies = born.copy()
    np.maximum.at(dies, root[graph.use_tensor], when[graph.use_consumer])
    kept = np.flatnonzero(graph.tensor_alias == -1)
    change = np.zeros((count, WINDOWS + 1))
    size = graph.tensor_bytes[kept].astype(float)
    row = of[graph.tensor_producer[kept]]
    np.add.at(change, (row, born[kept]), size)
    np.add.at(change, (row, dies[kept] + 1), -size)
    parameters = np.bincount(of, graph.parameter_bytes, count)
    alive = np.cumsum(change, axis=1)[:, :WINDOWS]
    copies = np.zeros((count, count))
    copies[rows.source, rows.target] = rows.size
    memory = np.concatenate([parameters[:, None], np.maximum(alive, 0.0)], 1) / capacity
    return memory, np.minimum(copies / capacity, 1e4)


def _devices(problem: Problem) -> np.ndarray:
    """(D, DEVICE_FEATURES) float32."""
    work = np.array([float(problem.durations_on(d).sum()) for d in range(problem.num_devices)])
    capacity = np.minimum(problem.cluster.memory_bytes.astype(float), 1e12)
    cluster, count = problem.cluster, problem.num_devices
    slowness = np.array([link.ns_per_byte for link in cluster.links])[cluster.link_of]
    np.fill_diagonal(slowness, 0.0)
    away = (slowness.sum(0) + slowness.sum(1)) / max(2 * (count - 1), 1)
    parts = [each / max(float(each.mean()), 1e-12) for each in (work, capacity, away)]
    return np.stack(parts, 1).astype(np.float32)


def _twins(devices: np.ndarray) -> np.ndarray:
    """(D,) int64: the first device with the same features."""
    alike = np.isclose(devices[:, None], devices[None], rtol=1e-5).all(2)
    first: np.ndarray = alike.argmax(1)
    return first


def _away(at: np.ndarray) -> np.ndarray:
    return np.abs(at[:, None] - at[None])


def _even(matrix: np.ndarray) -> np.ndarray:
    """Each row divided by its sum."""
    even: np.ndarray = matrix / np.maximum(matrix.sum(1, keepdims=True), 1e-9)
    return even


def _waves(at: np.ndarray, octaves: int = 3) -> list[np.ndarray]:
    return [wave(np.pi * at * 2**n) for n in range(octaves) for wave in (np.sin, np.cos)]


def _work_after(
    row_of: np.ndarray, first_use: np.ndarray, consumer: np.ndarray, work: np.ndarray, count: int
) -> np.ndarray:
    """(R, R) float64: the work of row s that comes after anything of row r."""
    words = (count + 63) // 64
    after = np.zeros((words * 64, count))
    _after(row_of, first_use, consumer, work, after, words)
    return after[:count]


@njit(cache=True, nogil=True)
def _after(row_of, first_use, consumer, work, after, words):
    seen = np.zeros((len(row_of), words), dtype=np.uint64)
    for op in range(len(row_of)):
        row = row_of[op]
        for word in range(words):
            bits = seen[op, word]
            if bits == 0:
                continue
            for bit in range(64):
                if bits >> np.uint64(bit) & np.uint64(1):
                    after[word * 64 + bit, row] += work[op]
        for use in range(first_use[op], first_use[op + 1]):
            user = consumer[use]
            for word in range(words):
                seen[user, word] |= seen[op, word]
            seen[user, row // 64] |= np.uint64(1) << np.uint64(row % 64)
