"""Insertion-based list scheduling, jitted. Times are int64 ns.

Numba's cache looks at the time stamp of the file of what Python calls only: what is inlined into
that stands here too. Jitted code allocates nothing (see :mod:`go_gym.simulator.jit`).
"""

from typing import NamedTuple

import numpy as np

from go_gym.errors import AgentError
from go_gym.simulator.jit import jit, jit_entry
from go_gym.simulator.transfer import transfer_ns

from .arrays import CostArrays, GraphArrays

FOREVER = np.int64(2**62)
SORT_LIMIT = 64
"""Inputs of an op up to which their transfers are booked in order of their producers' finish."""

STRETCH = np.dtype(
    [
        ("first", np.int64),  # gap, -1 for a timeline that nothing was booked on
        ("gaps", np.int64),
        ("room", np.int64),  # gaps that the stretch could hold
    ]
)
COPY = np.dtype(
    [
        ("device", np.int64),
        ("start", np.int64),  # of its transfer
        ("arrival", np.int64),
        ("next", np.int64),  # copy of the same tensor, -1 for none
    ]
)


class Timelines(NamedTuple):
    """When devices and ports are free: sorted gaps of each, the last one without end.

    The gaps of a timeline are a stretch of a pool; a full stretch moves to the pool's end and
    doubles. Over all its moves, a timeline takes less than 8 gaps a booking.
    """

    stretches: np.ndarray  # (lines,) STRETCH
    gap_start: np.ndarray  # (pool,) int64
    gap_end: np.ndarray  # (pool,) int64
    used: np.ndarray  # (1,) int64, of the pool


class Copies(NamedTuple):
    """Tensors on devices other than their producers': a linked list each, newest first."""

    newest: np.ndarray  # (t,) int64, -1 for none
    entries: np.ndarray  # (u,) COPY
    total: np.ndarray  # (1,) int64


class Ports(NamedTuple):
    """A contention model: which timelines a transfer occupies, and whether one serves all."""

    lines: np.ndarray  # (d, d, 2) int64, at the source and at the target: the same, or none (-1)
    total: int  # of timelines that are ports
    multicast: bool  # whether a tensor is sent once, to all devices


class Trial(NamedTuple):
    """What the trial of a device would book, a moment for each port; of older trials otherwise."""

    number: np.ndarray  # (1,) int64
    of_port: np.ndarray  # (lines,) int64, the last trial that needed the port
    until: np.ndarray  # (lines,) int64, end of its last transfer there


class PartialSchedule(NamedTuple):
    """What is decided so far, and working memory. n ops, g groups."""

    device_of: np.ndarray  # (g,) int64, -1 for open
    start: np.ndarray  # (n,) int64
    finish: np.ndarray  # (n,) int64
    inputs: np.ndarray  # (most inputs of an op,) int64, uses
    timelines: Timelines  # of the devices, then of the ports
    copies: Copies
    trial: Trial


class Case(NamedTuple):
    """What is to be planned. n ops."""

    group_of: np.ndarray  # (n,) int64, ops of a group share a device
    graph: GraphArrays
    costs: CostArrays
    ports: Ports


def new_timelines(lines: int, bookings: int) -> Timelines:
    """``lines`` timelines, free from 0 on, for up to ``bookings`` calls of :func:`book`."""
    stretches = np.full(lines, -1, dtype=STRETCH)
    pool = 8 * bookings
    return Timelines(
        stretches, np.empty(pool, np.int64), np.empty(pool, np.int64), np.zeros(1, np.int64)
    )


def new_copies(tensors: int, most: int) -> Copies:
    """No copy of any tensor, and room for up to ``most``."""
    return Copies(np.full(tensors, -1), np.empty(most, dtype=COPY), np.zeros(1, dtype=np.int64))


def ports_of(contention: str, devices: int) -> Ports:
    """The ports of a contention model, one of ``CONTENTION_MODELS``.

    Raises:
        AgentError: for another model.
    """
    d = devices
    source, target = np.indices((d, d))
    first = np.full((d, d), d)  # timelines of ports come after those of the devices
    if contention == "none":
        at_source, at_target, total = np.full((d, d), -1), np.full((d, d), -1), 0
    elif contention == "link":
        at_source = at_target = first + source * d + target
        total = d * d
    elif contention == "egress":
        at_source = at_target = first + source
        total = d
    elif contention == "duplex":
        at_source, at_target, total = first + source, first + d + target, 2 * d
    else:
        raise AgentError(f"list scheduling knows no contention model {contention!r}")
    return Ports(np.stack([at_source, at_target], axis=2), total, contention == "egress")


def new_plan(case: Case, given: np.ndarray) -> PartialSchedule:
    """Nothing planned but the groups' ``given`` devices (g,) int64, -1 for open."""
    graph = case.graph
    n, d, u = len(case.group_of), len(case.costs.device_class), len(graph.op_uses)
    lines = d + case.ports.total
    bookings = n + (2 * u if case.ports.total > 0 else 0)
    return PartialSchedule(
        given.copy(),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.empty(max(1, int(np.diff(graph.op_use_ptr).max())), dtype=np.int64),
        new_timelines(lines, bookings),
        new_copies(len(case.costs.tensor_bytes), u),
        Trial(np.zeros(1, np.int64), np.zeros(lines, np.int64), np.zeros(lines, np.int64)),
    )


@jit_entry
def list_schedule(case, plan, order, toll):
    """Place ops one by one, in ``order`` (n,), each where it finishes first.

    An op goes into the earliest gap of its device that holds it after its inputs arrived
    (insertion-based policy). Transfers are booked on their ports, in the earliest gap that these
    have in common. A group goes whole to where its first op is placed, or to its given device.
    Free ops without placed inputs wait for their first consumer and go along. With a ``toll``, the
    device is chosen by finish + toll × port time taken by new transfers.

    Args:
        case: what is to be planned.
        plan: of :func:`new_plan`; what this decides is written there.
        order: (n,) int64, a topological order.
        toll: float.
    """
    graph = case.graph
    for op in order:
        group = case.group_of[op]
        device = plan.device_of[group]
        count = placed_inputs(case, plan, op)
        if device < 0:
            if count == 0 and graph.is_free[op]:
                continue
            device = best_device(case, plan, op, count, toll)
        commit_device(case, plan, op, count, device)
        plan.device_of[group] = device
        for index in range(graph.op_use_ptr[op], graph.op_use_ptr[op + 1]):
            group = case.group_of[graph.use_producer[graph.op_uses[index]]]
            if plan.device_of[group] < 0:
                plan.device_of[group] = device


@jit
def placed_inputs(case, plan, op):
    """Write the uses of ``op`` whose producers are placed to ``plan.inputs``; returns how many.

    By their producers' finish, if they are no more than SORT_LIMIT.
    """
    graph, inputs = case.graph, plan.inputs
    count = 0
    for index in range(graph.op_use_ptr[op], graph.op_use_ptr[op + 1]):
        use = graph.op_uses[index]
        if plan.device_of[case.group_of[graph.use_producer[use]]] >= 0:
            inputs[count] = use
            count += 1
    if count <= SORT_LIMIT:
        for i in range(1, count):
            use = inputs[i]
            key = plan.finish[graph.use_producer[use]]
            j = i
            while j > 0 and plan.finish[graph.use_producer[inputs[j - 1]]] > key:
                inputs[j] = inputs[j - 1]
                j -= 1
            inputs[j] = use
    return count


@jit
def best_device(case, plan, op, count, toll):
    """The device of least finish + toll × port time, the lowest of several."""
    best, best_cost = 0, np.inf
    for device in range(len(case.costs.device_class)):
        finish, taken = try_device(case, plan, op, count, device)
        cost = np.float64(finish) + toll * np.float64(taken)
        if cost < best_cost:
            best, best_cost = device, cost
    return best


@jit
def try_device(case, plan, op, count, device):
    """(finish of ``op`` on ``device``, port time that its inputs take); nothing is booked.

    Transfers of its inputs wait for one another at the port that they share.
    """
    costs, trial = case.costs, plan.trial
    trial.number[0] += 1
    ready, taken = np.int64(0), np.int64(0)
    for i in range(count):
        use = plan.inputs[i]
        arrival = arrival_there(case, plan, use, device)
        if arrival < 0:
            start, arrival, _, port = next_transfer(case, plan, use, device)
            if port >= 0:
                taken += arrival - start
                trial.of_port[port] = trial.number[0]
                trial.until[port] = arrival
        ready = max(ready, arrival)
    duration = costs.durations[costs.device_class[device], op]
    return fit(plan.timelines, device, ready, duration) + duration, taken


@jit
def commit_device(case, plan, op, count, device):
    """Book ``op`` and the transfers of its inputs on ``device``."""
    costs = case.costs
    plan.trial.number[0] += 1  # what trials would have booked is forgotten
    ready = np.int64(0)
    for i in range(count):
        use = plan.inputs[i]
        arrival = arrival_there(case, plan, use, device)
        if arrival < 0:
            start, arrival, out, into = next_transfer(case, plan, use, device)
            if out >= 0:
                book(plan.timelines, out, start, arrival - start)
            if into != out:
                book(plan.timelines, into, start, arrival - start)
            add_copy(plan.copies, case.graph.use_tensor[use], device, start, arrival)
        ready = max(ready, arrival)
    duration = costs.durations[costs.device_class[device], op]
    start = fit(plan.timelines, device, ready, duration)
    book(plan.timelines, device, start, duration)
    plan.start[op] = start
    plan.finish[op] = start + duration


@jit
def arrival_there(case, plan, use, device):
    """When the tensor of a use is on ``device``, if it was made or sent there; -1 otherwise."""
    producer = case.graph.use_producer[use]
    if plan.device_of[case.group_of[producer]] == device:
        return plan.finish[producer]
    return copy_arrival(plan.copies, case.graph.use_tensor[use], device)


@jit
def next_transfer(case, plan, use, device):
    """(start, end, port at the source, port at the target) of a transfer of a use's tensor.

    It comes after those of the present trial. The ports are -1 where it occupies none.
    """
    costs, copies, trial = case.costs, plan.copies, plan.trial
    producer, tensor = case.graph.use_producer[use], case.graph.use_tensor[use]
    source = plan.device_of[case.group_of[producer]]
    link = costs.link_of[source, device]
    length = transfer_ns(costs.tensor_bytes[tensor], costs.latency[link], costs.ns_per_byte[link])
    sent = copies.newest[tensor]
    if case.ports.multicast and sent >= 0:
        start = copies.entries[sent].start
        return start, max(start + length, copies.entries[sent].arrival), -1, -1
    start = plan.finish[producer]
    out, into = case.ports.lines[source, device, 0], case.ports.lines[source, device, 1]
    if out >= 0:
        if trial.of_port[into] == trial.number[0]:
            start = max(start, trial.until[into])
        start = fit_both(plan.timelines, out, into, start, length)
    return start, start + length, out, into


@jit
def copy_arrival(copies, tensor, device):
    """When a copy of ``tensor`` arrives on ``device``, -1 if none was sent there."""
    copy = copies.newest[tensor]
    while copy >= 0:
        if copies.entries[copy].device == device:
            return copies.entries[copy].arrival
        copy = copies.entries[copy].next
    return np.int64(-1)


@jit
def add_copy(copies, tensor, device, start, arrival):
    """Note that ``tensor`` is sent to ``device``."""
    added = copies.total[0]
    entry = copies.entries[added]
    entry.device = device
    entry.start = start
    entry.arrival = arrival
    entry.next = copies.newest[tensor]
    copies.newest[tensor] = added
    copies.total[0] += 1


@jit
def fit_both(timelines, line, other, earliest, length):
    """The earliest time from ``earliest`` on at which both timelines are free for ``length``."""
    start = fit(timelines, line, earliest, length)
    while other != line:
        later = fit(timelines, other, start, length)
        if later == start:
            break
        start = fit(timelines, line, later, length)
    return start


@jit
def fit(timelines, line, earliest, length):
    """The earliest time from ``earliest`` on at which the timeline is free for ``length``."""
    if timelines.stretches[line].first < 0:
        return earliest
    gap = _first_gap(timelines, line, earliest + length)
    while max(timelines.gap_start[gap], earliest) + length > timelines.gap_end[gap]:
        gap += 1
    return max(timelines.gap_start[gap], earliest)


@jit
def book(timelines, line, start, length):
    """Take ``length`` from ``start`` on out of the gap that holds it."""
    if length == 0:
        return
    gap_start, gap_end = timelines.gap_start, timelines.gap_end
    stretch = timelines.stretches[line]
    if stretch.first < 0:
        _open_stretch(timelines, stretch)
    gap = _first_gap(timelines, line, start + length)
    end = stretch.first + stretch.gaps
    before = start > gap_start[gap]
    after = start + length < gap_end[gap]
    if before and after:
        if stretch.gaps == stretch.room:
            gap += _double(timelines, stretch)
            end = stretch.first + stretch.gaps
        for i in range(end, gap, -1):
            gap_start[i] = gap_start[i - 1]
            gap_end[i] = gap_end[i - 1]
        stretch.gaps += 1
        gap_end[gap] = start
        gap_start[gap + 1] = start + length
    elif before:
        gap_end[gap] = start
    elif after:
        gap_start[gap] = start + length
    else:
        for i in range(gap, end - 1):
            gap_start[i] = gap_start[i + 1]
            gap_end[i] = gap_end[i + 1]
        stretch.gaps -= 1


@jit
def _first_gap(timelines, line, end):
    """The first gap of a timeline that ends at ``end`` or later."""
    low = timelines.stretches[line].first
    high = low + timelines.stretches[line].gaps - 1
    while low < high:
        middle = (low + high) // 2
        if timelines.gap_end[middle] >= end:
            high = middle
        else:
            low = middle + 1
    return low


@jit
def _open_stretch(timelines, stretch):
    """Give a timeline its first stretch: one gap, from 0 on."""
    first = timelines.used[0]
    stretch.first = first
    stretch.gaps = 1
    stretch.room = 4
    timelines.gap_start[first] = 0
    timelines.gap_end[first] = FOREVER
    timelines.used[0] += 4


@jit
def _double(timelines, stretch):
    """Move a stretch to the end of the pool, with twice the room; returns how far it moved."""
    old, new = stretch.first, timelines.used[0]
    for i in range(stretch.gaps):
        timelines.gap_start[new + i] = timelines.gap_start[old + i]
        timelines.gap_end[new + i] = timelines.gap_end[old + i]
    stretch.first = new
    stretch.room *= 2
    timelines.used[0] += stretch.room
    return new - old
