"""The framework's default: fuse greedily by the benefit that the cost model promises.

After XLA's priority fusion (openxla.org, "XLA:GPU Emitters" and ``priority_fusion.cc``): a queue
holds every op that its readers may compute, by how much shorter the kernels concerned would be
together; the op of the greatest benefit is fused, the benefits around it are worked out anew, and
so on while there is a benefit.
"""

import heapq

import numpy as np
from numba import njit

from go_gym.fusion.costs import kernel_ns, new_scratch, rates
from go_gym.fusion.kinds import Kind
from go_gym.fusion.plan import (
    MAX_COPIES,
    MAX_PARTS,
    disappears,
    find_readers,
    grown,
    is_legal,
    may_take,
    new_state,
    take,
    written_by_reader,
)
from go_gym.fusion.structure import structure
from go_gym.problem import Problem

_VIEW = int(Kind.VIEW)
_NEVER = np.int64(-(2**62))


def default_fusion(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """(n,) int64 levels that the greedy pass stands for under a ``placement`` (n,).

    The op fused first has the highest level, so that :func:`go_gym.fusion.plan.plan_levels` gives
    the same kernels; ops that are not fused have level 0.
    """
    order = greedy_order(problem, np.ascontiguousarray(placement, dtype=np.int64))
    levels = np.zeros(problem.num_ops, dtype=np.int64)
    levels[order] = np.arange(len(order), 0, -1)
    return levels


def greedy_order(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """The ops in the order in which they are fused."""
    parts, cost = structure(problem.graph), rates(problem)
    state, row = new_state(parts, placement), problem.device_class[placement]
    while True:
        order, whole = _greedy(parts, new_scratch(parts), cost, *state, placement, row)
        if whole:
            return order
        state = grown(new_state(parts, placement)._replace(instances=state.instances))


@njit(cache=True, nogil=True)
def _greedy(parts, scratch, cost, kernels, instances, counts, found, place, row):
    """The order, and whether the room for instances was enough for it."""
    ops, readers, input_base = parts.ops, parts.readers, parts.input_base
    n = len(kernels)
    time = np.empty(n, dtype=np.int64)
    union = np.empty(2 * MAX_PARTS, dtype=np.int64)
    version = np.zeros(n, dtype=np.int64)
    taken = np.zeros(n, dtype=np.bool_)
    order = np.empty(n, dtype=np.int64)
    count = 0
    queue = [(np.int64(0), np.int64(0), np.int64(0))]
    queue.pop()
    for op in range(n):
        time[op] = cost.durations[row[op], op]
    for op in range(n):
        if ops[op].kind > _VIEW:
            gain = _benefit(
                parts, scratch, cost, kernels, instances, counts, found, place, row, time, union, op
            )  # fmt: skip
            if gain > 0:
                heapq.heappush(queue, (-gain, np.int64(op), np.int64(0)))
    while len(queue) > 0:
        _, op, asked = heapq.heappop(queue)
        if asked != version[op] or taken[op]:
            continue
        if counts[0] + MAX_COPIES * MAX_PARTS > len(instances):
            return order[:count], False
        number = find_readers(ops, readers, kernels, instances, counts, found, op)
        took = take(ops, input_base, kernels, instances, counts, found, place, op, number)
        taken[op] = True
        order[count] = op
        count += 1
        changed = [np.int64(found[i]) for i in range(took)]
        around = [np.int64(0)]
        around.pop()
        for kernel in changed:
            size = _collect(kernels, instances, kernel, union)
            time[kernel] = _time(
                parts, scratch, cost, row[kernel], union[:size], kernel, kernels[kernel].written
            )
            around.append(kernel)
            for i in range(size):
                part = union[i]
                for j in range(ops[part].inputs, ops[part + 1].inputs):
                    base = input_base[j]
                    if kernels[base].alive != 0 and not taken[base] and ops[base].kind > _VIEW:
                        around.append(np.int64(base))
        for near in set(around):
            if kernels[near].alive == 0 or taken[near]:
                continue
            gain = _benefit(
                parts, scratch, cost, kernels, instances, counts, found, place, row, time, union,
                near,
            )  # fmt: skip
            version[near] += 1
            if gain > 0:
                heapq.heappush(queue, (-gain, near, version[near]))
    return order[:count], True


@njit(cache=True, nogil=True)
def _time(parts, scratch, cost, row, ops, kernel, written):
    """:func:`kernel_ns`, the ops put in order: the first to read a tensor is charged for it."""
    ops.sort()
    return kernel_ns(parts, scratch, cost, row, ops, kernel, written)


@njit(cache=True, nogil=True)
def _collect(kernels, instances, kernel, union):
    size = 0
    instance = kernels[kernel].first
    while instance >= 0:
        union[size] = instances[instance].op
        size += 1
        instance = instances[instance].next
    return size


@njit(cache=True, nogil=True)
def _benefit(
    parts, scratch, cost, kernels, instances, counts, found, place, row, time, union, op
):  # fmt: skip
    """ns that taking ``op`` saves over all kernels concerned."""
    ops = parts.ops
    count = find_readers(ops, parts.readers, kernels, instances, counts, found, op)
    if not may_take(ops, kernels, op, count):
        return _NEVER
    saved, took = np.int64(0), 0
    for i in range(count):
        kernel = found[i]
        if is_legal(ops, parts.input_base, kernels, instances, counts, place, op, kernel):
            size = _collect(kernels, instances, kernel, union)
            instance = kernels[op].first
            while instance >= 0:
                part = instances[instance].op
                if kernels[part].mark == counts[1]:
                    union[size] = part
                    size += 1
                instance = instances[instance].next
            written = kernels[kernel].written
            if count == 1:
                written += written_by_reader(ops, kernels, op)
            after = _time(parts, scratch, cost, row[kernel], union[:size], kernel, written)
            saved += time[kernel] - after
            took += 1
    if took == 0:
        return _NEVER
    if took == count and disappears(ops, op, count):
        saved += time[op]
    return saved
