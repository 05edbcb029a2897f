"""Earliest task first under a memory limit, with favourite children if there are; jitted.

Times are int64 ns. Numba's cache looks at the time stamp of the file of what Python calls only:
what is inlined into that stands here too. Jitted code allocates nothing (see
:mod:`go_gym.simulator.jit`).
"""

from typing import NamedTuple

import numpy as np

from go_gym.simulator.jit import jit, jit_entry
from go_gym.simulator.transfer import transfer_ns

from .arrays import CostArrays, GraphArrays

FOREVER = np.int64(2**62)
COMING, WAITING = 0, 1
"""Heaps of a device: ops whose inputs are still on their way, by arrival, and ops that wait for
the device alone."""
PLACED = -1


class Groups(NamedTuple):
    """What lies together and how much memory it takes. n ops, g groups, d devices."""

    group_of: np.ndarray  # (n,) int64
    bytes: np.ndarray  # (g,) int64, what a group needs where it lies
    capacity: np.ndarray  # (d,) int64 bytes


class Favourites(NamedTuple):
    """Favourite children (m-SCT); nobody's in m-ETF. n ops."""

    child: np.ndarray  # (n,) int64, each op's favourite child, -1 for none
    parent: np.ndarray  # (n,) int64, whose favourite each op is, -1 for none


class Case(NamedTuple):
    """What is to be planned."""

    groups: Groups
    graph: GraphArrays
    costs: CostArrays
    favourites: Favourites


class Plan(NamedTuple):
    """What is decided so far. n ops, g groups, d devices."""

    device_of: np.ndarray  # (g,) int64, -1 for open
    left: np.ndarray  # (d,) int64 bytes
    free_at: np.ndarray  # (d,) int64
    last: np.ndarray  # (d,) int64, the last op that cost anything there, -1 for none
    start: np.ndarray  # (n,) int64
    finish: np.ndarray  # (n,) int64


class Heaps(NamedTuple):
    """Two heaps a device, COMING and WAITING, by (key, op). n ops, d devices."""

    keys: np.ndarray  # (2, d, n) int64
    ops: np.ndarray  # (2, d, n) int64
    sizes: np.ndarray  # (2, d) int64


class PutOff(NamedTuple):
    """Ops in no heap while their device waits for a favourite. n ops, d devices."""

    ops: np.ndarray  # (d, n) int64
    counts: np.ndarray  # (d,) int64
    wake: np.ndarray  # (d,) int64, when the first of them is urgent, or FOREVER


class Ready(NamedTuple):
    """Which ops can be placed. n ops."""

    missing: np.ndarray  # (n,) int64, inputs neither placed nor floating
    entries: np.ndarray  # (n,) int64, of an op in heaps or put off, or PLACED
    stack: np.ndarray  # (n,) int64, ops that miss nothing and are in no heap yet
    height: np.ndarray  # (1,) int64, of the stack


class State(NamedTuple):
    """All that changes."""

    plan: Plan
    heaps: Heaps
    put_off: PutOff
    ready: Ready


def new_heaps(devices: int, most: int) -> Heaps:
    """Empty heaps of up to ``most`` ops each."""
    shape = (2, devices, most)
    return Heaps(
        np.empty(shape, dtype=np.int64),
        np.empty(shape, dtype=np.int64),
        np.zeros((2, devices), dtype=np.int64),
    )


def new_put_off(devices: int, most: int) -> PutOff:
    """Nothing put off, and room for up to ``most`` ops a device."""
    return PutOff(
        np.empty((devices, most), dtype=np.int64),
        np.zeros(devices, dtype=np.int64),
        np.full(devices, FOREVER),
    )


def new_state(case: Case) -> State:
    """Nothing planned."""
    n, d = len(case.groups.group_of), len(case.groups.capacity)
    plan = Plan(
        np.full(len(case.groups.bytes), -1),
        case.groups.capacity.copy(),
        np.zeros(d, dtype=np.int64),
        np.full(d, -1),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )
    missing = np.diff(case.graph.op_use_ptr)
    sources = np.flatnonzero(missing == 0)
    stack = np.empty(n, dtype=np.int64)
    stack[: len(sources)] = sources
    ready = Ready(missing, np.zeros(n, dtype=np.int64), stack, np.array([len(sources)]))
    return State(plan, new_heaps(d, n), new_put_off(d, n), ready)


@jit_entry
def earliest_task_first(case, state):
    """Always place the ready op that can start first, on the device where it can (m-ETF).

    Ties: lowest op, then lowest device. A group goes whole where its first op is placed, if its
    bytes fit into what is left of the capacity; if they fit nowhere, to the device with most
    memory left. No contention, no insertion. Free ops without placed inputs go along with their
    first consumer.

    With favourite children (m-SCT) a device that has run an op waits for the op's favourite, if
    that has all its inputs placed and can start nowhere sooner: meanwhile it takes urgent ops
    alone, those whose inputs have had the time to arrive on any device.

    Args:
        case: what is to be planned.
        state: of :func:`new_state`; what this decides is written to its plan. Groups in which no
            op costs anything stay open.
    """
    while True:
        admit(case, state)
        device, time = next_device(state)
        if device < 0:
            break
        heap = WAITING if state.heaps.sizes[WAITING, device] > 0 else COMING
        op = pop(state.heaps, heap, device)
        if state.ready.entries[op] == PLACED:
            continue
        state.ready.entries[op] -= 1
        if try_device(case, state, op, device, time):
            commit_device(case, state, op, device, time)


@jit
def admit(case, state):
    """Put ops that miss no input into every device's heap; free ones may float instead.

    These float: free ops without placed inputs, until a consumer takes them along.
    """
    plan, ready = state.plan, state.ready
    while ready.height[0] > 0:
        ready.height[0] -= 1
        op = ready.stack[ready.height[0]]
        if _floats(case, plan, op):
            ready.entries[op] = PLACED
            release(case.graph, ready, op)
            continue
        for device in range(len(plan.free_at)):
            push(state.heaps, COMING, device, 0, op)
        ready.entries[op] = len(plan.free_at)


@jit
def _floats(case, plan, op):
    graph, group_of = case.graph, case.groups.group_of
    floats = graph.is_free[op] and plan.device_of[group_of[op]] < 0
    for index in range(graph.op_use_ptr[op], graph.op_use_ptr[op + 1]):
        floats &= plan.device_of[group_of[graph.use_producer[graph.op_uses[index]]]] < 0
    return floats


@jit
def release(graph, ready, op):
    """Stack the consumers of ``op`` that miss no other input."""
    first, end = graph.op_tensor_ptr[op], graph.op_tensor_ptr[op + 1]
    for use in range(graph.tensor_use_ptr[first], graph.tensor_use_ptr[end]):
        consumer = graph.use_consumer[use]
        ready.missing[consumer] -= 1
        if ready.missing[consumer] == 0:
            ready.stack[ready.height[0]] = consumer
            ready.height[0] += 1


@jit
def next_device(state):
    """(device, time) of the next start, of the lowest op, then device; (-1, ...) at the end."""
    heaps, put_off, free_at = state.heaps, state.put_off, state.plan.free_at
    best, best_op, best_time = -1, -1, FOREVER
    for device in range(len(free_at)):
        while heaps.sizes[COMING, device] > 0 and heaps.keys[COMING, device, 0] <= free_at[device]:
            push(heaps, WAITING, device, 0, pop(heaps, COMING, device))
        if heaps.sizes[WAITING, device] > 0:
            time, op = free_at[device], heaps.ops[WAITING, device, 0]
        elif heaps.sizes[COMING, device] > 0:
            time, op = heaps.keys[COMING, device, 0], heaps.ops[COMING, device, 0]
        else:
            time, op = FOREVER, np.int64(len(state.plan.start))
        if put_off.counts[device] > 0 and put_off.wake[device] <= time:
            time = put_off.wake[device]
            recall(heaps, put_off, device, time)
            op = heaps.ops[COMING, device, 0]
        if time < best_time or (time == best_time and op < best_op):
            best, best_op, best_time = device, op, time
    return best, best_time


@jit
def try_device(case, state, op, device, time):
    """Whether ``op`` starts on ``device`` at ``time``; if not, it is put where it is to wait."""
    plan, heaps, ready = state.plan, state.heaps, state.ready
    group = case.groups.group_of[op]
    if plan.device_of[group] >= 0 and plan.device_of[group] != device:
        if ready.entries[op] == 0:  # it had been found not to fit where its group went in the end
            _enter(heaps, ready, plan.device_of[group], 0, op)
        return False
    arrival = last_arrival(case, plan, op, device)
    if max(arrival, plan.free_at[device]) > time:  # it was put in before its inputs were placed
        _enter(heaps, ready, device, arrival, op)
        return False
    if not _may_go(case.groups, plan, op, device):
        if ready.entries[op] == 0:  # fits nowhere
            _assign(case.groups, plan, group, np.argmax(plan.left))
            _enter(heaps, ready, plan.device_of[group], 0, op)
        return False
    if _is_kept_free(case, state, op, device):
        urgent = arrival
        for other in range(len(plan.free_at) if plan.device_of[group] < 0 else 0):
            urgent = max(urgent, last_arrival(case, plan, op, other))
        if urgent > time:
            wait(state.put_off, device, urgent, op)
            ready.entries[op] += 1
            return False
    return True


@jit
def commit_device(case, state, op, device, time):
    """Start ``op`` on ``device`` at ``time``; floating inputs go along."""
    plan, heaps, put_off = state.plan, state.heaps, state.put_off
    graph, costs, groups = case.graph, case.costs, case.groups
    if plan.device_of[groups.group_of[op]] < 0:
        _assign(groups, plan, groups.group_of[op], device)
    plan.start[op] = time
    plan.finish[op] = time + costs.durations[costs.device_class[device], op]
    plan.free_at[device] = plan.finish[op]
    state.ready.entries[op] = PLACED
    if not graph.is_free[op]:
        plan.last[device] = op
    for index in range(graph.op_use_ptr[op], graph.op_use_ptr[op + 1]):
        group = groups.group_of[graph.use_producer[graph.op_uses[index]]]
        if plan.device_of[group] < 0:
            _assign(groups, plan, group, device)
    recall(heaps, put_off, device, 0)
    parent = case.favourites.parent[op]
    if parent >= 0:  # a device that waited for this op need not any more
        other = plan.device_of[groups.group_of[parent]]
        if other >= 0 and other != device and plan.last[other] == parent:
            recall(heaps, put_off, other, time)
    release(graph, state.ready, op)


@jit
def last_arrival(case, plan, op, device):
    """When the last input of ``op`` is on ``device``; floating ones are there at once."""
    graph, costs = case.graph, case.costs
    ready = np.int64(0)
    for index in range(graph.op_use_ptr[op], graph.op_use_ptr[op + 1]):
        use = graph.op_uses[index]
        producer = graph.use_producer[use]
        source = plan.device_of[case.groups.group_of[producer]]
        if source < 0:
            continue
        arrival = plan.finish[producer]
        if source != device:
            link = costs.link_of[source, device]
            size = costs.tensor_bytes[graph.use_tensor[use]]
            arrival += transfer_ns(size, costs.latency[link], costs.ns_per_byte[link])
        ready = max(ready, arrival)
    return ready


@jit
def _is_kept_free(case, state, op, device):
    """Whether ``device`` waits for the favourite of its last op, and ``op`` is another."""
    plan = state.plan
    if plan.last[device] < 0 or case.graph.is_free[op]:
        return False
    wanted = case.favourites.child[plan.last[device]]
    if wanted < 0 or wanted == op or state.ready.entries[wanted] <= 0:
        return False
    return _is_soonest(case, plan, wanted, device)


@jit
def _is_soonest(case, plan, op, device):
    """Whether ``op`` may go to ``device``, and can start nowhere sooner."""
    if not _may_go(case.groups, plan, op, device):
        return False
    here = max(plan.free_at[device], last_arrival(case, plan, op, device))
    for other in range(len(plan.free_at)):
        if other == device or not _may_go(case.groups, plan, op, other):
            continue
        if max(plan.free_at[other], last_arrival(case, plan, op, other)) < here:
            return False
    return True


@jit
def _may_go(groups, plan, op, device):
    group = groups.group_of[op]
    if plan.device_of[group] >= 0:
        return plan.device_of[group] == device
    return groups.bytes[group] <= plan.left[device]


@jit
def _assign(groups, plan, group, device):
    plan.device_of[group] = device
    plan.left[device] -= groups.bytes[group]


@jit
def _enter(heaps, ready, device, key, op):
    push(heaps, COMING, device, key, op)
    ready.entries[op] += 1


@jit
def wait(put_off, device, urgent, op):
    """Put ``op`` off, until ``urgent`` at the latest."""
    put_off.ops[device, put_off.counts[device]] = op
    put_off.counts[device] += 1
    put_off.wake[device] = min(put_off.wake[device], urgent)


@jit
def recall(heaps, put_off, device, time):
    """Put the ops that were put off back into the heap of those on their way, from ``time`` on."""
    for index in range(put_off.counts[device]):
        push(heaps, COMING, device, time, put_off.ops[device, index])
    put_off.counts[device] = 0
    put_off.wake[device] = FOREVER


# Heaps of (key, op) of their own: those of go_gym.simulator.heap, of three keys, take a fifth more
# of the whole pass.


@jit
def push(heaps, heap, device, key, op):
    """Add an entry."""
    keys, ops = heaps.keys[heap, device], heaps.ops[heap, device]
    i = heaps.sizes[heap, device]
    heaps.sizes[heap, device] += 1
    while i > 0:
        parent = (i - 1) // 2
        if keys[parent] < key or (keys[parent] == key and ops[parent] <= op):
            break
        keys[i], ops[i] = keys[parent], ops[parent]
        i = parent
    keys[i], ops[i] = key, op


@jit
def pop(heaps, heap, device):
    """Remove the least entry; returns its op."""
    keys, ops = heaps.keys[heap, device], heaps.ops[heap, device]
    top = ops[0]
    heaps.sizes[heap, device] -= 1
    size = heaps.sizes[heap, device]
    key, op = keys[size], ops[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            keys[right] < keys[child] or (keys[right] == keys[child] and ops[right] < ops[child])
        ):
            child = right
        if keys[child] > key or (keys[child] == key and ops[child] > op):
            break
        keys[i], ops[i] = keys[child], ops[child]
        i = child
    keys[i], ops[i] = key, op
    return top
