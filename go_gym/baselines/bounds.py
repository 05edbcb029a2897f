"""Lower bounds on the step time of every valid decision, whatever is communicated."""

import numpy as np
from numba import njit

from go_gym.baselines.earliest import communicating_heads_and_tails
from go_gym.baselines.machine import one_machine_bound_ns
from go_gym.baselines.priorities import critical_path, heads_on
from go_gym.fusion.fused import relaxed
from go_gym.problem import FUSING_TASKS, Problem

THRESHOLDS = 64
"""Heads and tails tried, of each, for the bound on the work between them (our choice)."""
WEIGHT_ROUNDS = 200
"""Steps taken to find good weights for unequal devices (our choice)."""
GROWTH_SQUARES = 6
WEIGHT_SCALE = 2**30


def lower_bound_ns(problem: Problem) -> int:
    """No valid decision has a shorter step time, in ns, under any contention model.

    Where the placement is given, the largest of the busiest device's work and the critical path
    with its transfers; else the largest of (all with communication free of cost):

    - the critical path with every op on its fastest device;
    - a co-location group's work on its best device, after the shortest path up to it and before
      the shortest path from it to the end;
    - the work of all ops over all devices; for unequal devices the dual of the assignment's linear
      relaxation (Lenstra, Shmoys and Tardos 1990), a valid bound for any weights of the devices;
    - h + the work of the ops with head ≥ h and tail ≥ q, over all devices, + q: none of these
      starts before h, and after each the step goes on for q (Carlier 1982, for several machines);
    - the k + 1 smallest of the k·d + 1 largest groups, since two devices' worth share one.

    Where the task decides fusion, an op that can be fused counts with its FLOPs alone.
    """
    placement = problem.placement
    if problem.task in FUSING_TASKS:
        problem = relaxed(problem)
    if placement is not None:
        return _placed_bound(problem, np.asarray(placement))
    fastest = problem.durations.min(axis=0)
    return _bound(problem, fastest, *heads_and_tails(problem, fastest))


def tight_lower_bound_ns(problem: Problem) -> int:
    """As :func:`lower_bound_ns`, never less, and seconds of work for 80,000 ops.

    It knows that more than one device needs transfers: heads and tails are those of
    :mod:`go_gym.baselines.earliest`, so that a chain gains nothing from eight devices. Where the
    placement is given, each device is a machine with heads and tails, transfers included
    (:mod:`go_gym.baselines.machine`).
    """
    plain, placement = lower_bound_ns(problem), problem.placement
    if problem.task in FUSING_TASKS:
        problem = relaxed(problem)
    if placement is not None:
        return max(plain, _machines_bound(problem, np.asarray(placement)))
    if problem.num_devices == 1:
        return plain
    fastest = problem.durations.min(axis=0)
    heads = communicating_heads_and_tails(problem, fastest)
    return max(plain, _bound(problem, fastest, *heads))


def _bound(problem: Problem, fastest: np.ndarray, head: np.ndarray, tail: np.ndarray) -> int:
    """The largest bound of these heads and tails; no placement is given."""
    durations = problem.durations
    group = np.unique(problem.colocation_leader, return_inverse=True)[1].reshape(-1)
    count = int(group.max()) + 1
    by_class = np.zeros((len(durations), count), dtype=np.int64)
    for row, times in zip(by_class, durations, strict=True):
        np.add.at(row, group, times)
    work = by_class.min(axis=0)
    return max(
        int((head + fastest + tail).max()),
        _group_bound(group, work, head, tail),
        _work_bound(problem, by_class, head, tail),
        _pigeonhole_bound(work, problem.num_devices),
    )


def heads_and_tails(problem: Problem, durations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 ns each: the longest paths of ``durations`` (n,) up to and after each op."""
    graph = problem.graph
    first_use = graph.tensor_use_ptr[graph.op_tensor_ptr]
    return _heads_and_tails(durations, first_use, graph.use_consumer)


def _placed_bound(problem: Problem, placement: np.ndarray) -> int:
    work = problem.durations[problem.device_class[placement], np.arange(problem.num_ops)]
    busy = np.zeros(problem.num_devices, dtype=np.int64)
    np.add.at(busy, placement, work)
    return max(int(busy.max()), int(critical_path(problem, placement).max()))


def _machines_bound(problem: Problem, placement: np.ndarray) -> int:
    """Each device a machine, between the longest paths up to its ops and from there to the end."""
    work = problem.durations[problem.device_class[placement], np.arange(problem.num_ops)]
    tail = critical_path(problem, placement) - work
    return one_machine_bound_ns(placement, work, heads_on(problem, placement), tail)


def _group_bound(group: np.ndarray, work: np.ndarray, head: np.ndarray, tail: np.ndarray) -> int:
    first = np.full(len(work), np.iinfo(np.int64).max)
    last = first.copy()
    np.minimum.at(first, group, head)
    np.minimum.at(last, group, tail)
    return int((first + work + last).max())


def _pigeonhole_bound(work: np.ndarray, devices: int) -> int:
    falling = np.sort(work)[::-1]
    total = np.concatenate([[0], np.cumsum(falling)])
    k = np.arange(1, (len(work) - 1) // devices + 1)
    if len(k) == 0:
        return 0
    return int((total[k * devices + 1] - total[k * devices - k]).max())


def _work_bound(problem: Problem, by_class: np.ndarray, head: np.ndarray, tail: np.ndarray) -> int:
    """The bounds on work: all of it by groups, and by ops between a head and a tail."""
    devices = problem.num_devices
    members = np.bincount(problem.device_class, minlength=len(by_class))
    if len(by_class) == 1:
        work, exact = problem.durations[0], devices
        whole = -(-int(work.sum()) // exact)
        return max(whole, _between(work, head, tail, devices))
    # the weighted work is that of `total` devices, in whole numbers without a bound: exact
    weighted, total = _weighted(by_class, members)
    whole = -(-int(weighted.sum()) // total)
    # in units in which `devices` devices together do the weighted work
    weighted, total = _weighted(problem.durations, members)
    share = (weighted * devices // total).astype(np.int64)
    return max(whole, _between(share, head, tail, devices))


def _weighted(by_class: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, int]:
    """Each group's least weighted work, Python integers, and the weight of all devices."""
    weights = np.array(_device_weights(by_class, members), dtype=object)
    work = (weights[:, None] * by_class).min(axis=0)
    return work, int((weights * members.astype(object)).sum())


def _device_weights(by_class: np.ndarray, members: np.ndarray) -> list[int]:
    """Good weights of a device of each class, whole numbers up to ``WEIGHT_SCALE``.

    Maximises Σ over groups of min over classes of weight × work, in units of the weight of all
    devices, by multiplicative updates towards classes that carry more than their share. Any
    weights give a valid bound; these are the same on every machine, as products, quotients, and
    sums from left to right are rounded alike everywhere, and neither ``exp`` nor NumPy's ``sum``
    is.
    """
    work = by_class.astype(np.float64)
    weights = np.full(len(members), 1.0 / members.sum())
    best, best_value = weights, -1.0
    for step in range(WEIGHT_ROUNDS):
        weighted = weights[:, None] * work
        least = weighted.min(axis=0)
        value = _ordered_sum(least)
        if value > best_value:
            best, best_value = weights, value
        carried = np.bincount(weighted.argmin(axis=0), least, len(members))
        if value <= 0:
            break
        slope = carried / value - members * weights  # of log value along log weights
        growth = 1 + slope / (1 + step / 10) / 2**GROWTH_SQUARES
        for _ in range(GROWTH_SQUARES):  # about the exponential function
            growth = growth * growth
        weights = weights * growth
        weights = weights / _ordered_sum(members * weights)
    return [int(weight) for weight in best / best.max() * WEIGHT_SCALE]


def _ordered_sum(values: np.ndarray) -> float:
    """The sum from left to right: ``cumsum`` adds in this order, ``sum`` as the machine likes."""
    return float(np.cumsum(values)[-1])


def _between(work: np.ndarray, head: np.ndarray, tail: np.ndarray, devices: int) -> int:
    """max over h, q of h + ⌈work of ops with head ≥ h and tail ≥ q over devices⌉ + q."""
    high, low = _thresholds(head), _thresholds(tail)
    row = np.searchsorted(high, head, side="right") - 1
    column = np.searchsorted(low, tail, side="right") - 1
    table = np.zeros((len(high), len(low)), dtype=np.int64)
    some = np.zeros_like(table)
    np.add.at(table, (row, column), work)
    np.add.at(some, (row, column), 1)
    table, some = (_suffix_sums(each) for each in (table, some))
    bound = high[:, None] + -(-table // devices) + low
    return int(np.where(some > 0, bound, 0).max())


def _suffix_sums(table: np.ndarray) -> np.ndarray:
    return table[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1]


def _thresholds(times: np.ndarray) -> np.ndarray:
    """Up to THRESHOLDS different times, rising, the least first."""
    different = np.unique(times)
    if len(different) <= THRESHOLDS:
        return different
    return different[np.linspace(0, len(different) - 1, THRESHOLDS).astype(np.int64)]


@njit(cache=True, nogil=True)
def _heads_and_tails(durations, first_use, use_consumer):
    n = len(durations)
    head = np.zeros(n, dtype=np.int64)
    tail = np.zeros(n, dtype=np.int64)
    for op in range(n):
        for use in range(first_use[op], first_use[op + 1]):
            consumer = use_consumer[use]
            head[consumer] = max(head[consumer], head[op] + durations[op])
    for op in range(n - 1, -1, -1):
        for use in range(first_use[op], first_use[op + 1]):
            consumer = use_consumer[use]
            tail[op] = max(tail[op], durations[consumer] + tail[consumer])
    return head, tail
