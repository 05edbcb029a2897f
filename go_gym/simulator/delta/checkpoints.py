"""The engine's state, kept at moments of a run and brought back.

Times in a checkpoint count from its moment, so that it stays true when the run before it gets
longer.
"""

from typing import Any, NamedTuple

import numpy as np

from go_gym.simulator.engine import HIGH, IDLE, LISTED, ONE, TWO, set_event
from go_gym.simulator.heap import QUEUED
from go_gym.simulator.jit import jit, jit_apart, jit_once
from go_gym.simulator.tables import INSTANT, NONE
from go_gym.simulator.work import (
    DEVICE_STATE,
    LAST_MOMENT,
    PORT_STATE,
    SLOT,
    STATE,
    U,
    Work,
)

HELD_TENSOR = np.dtype([("tensor", np.uint32), ("holders", np.int32)])
HELD_USE = np.dtype(
    [(label, np.uint32) for label in ("number", "first", "next", "consumer")]
    + [("holders", np.int32)]
)
EVENT = np.dtype([("time", np.int64), ("leaf", np.uint32), ("slot", np.uint32)])
COUNTS = np.dtype([(label, np.uint64) for label in ("ready", "event", "tensor", "use")])


# Wide: a column for each part of the working memory that is saved
class Checkpoints(NamedTuple):
    """The state at k moments of a simulation, each after all that happens then.

    Of the last five columns ``counts`` tells how many entries are used; they have room for all that
    there can be, since memory that is not used costs nothing.
    """

    valid: np.ndarray  # (k,) bool, False for those that an adopted move passed and did not save
    state: np.ndarray  # (k,) STATE
    device: np.ndarray  # (k, d) DEVICE_STATE; the peak is that since the valid checkpoint before
    port: np.ndarray  # (k, p) PORT_STATE
    peak_before: np.ndarray  # (k, d) int64, peak of memory up to each,
    peak_after: np.ndarray  # (k, d) int64, and from each on
    lowest: np.ndarray  # (k,) int64, ops before it have their inputs
    missing: np.ndarray  # (k, n) uint32, inputs that ops from `lowest` on lack
    counts: np.ndarray  # (k,) COUNTS
    ready: np.ndarray  # (k, n) QUEUED, by device
    event: np.ndarray  # (k, l) EVENT, leaves of the tree
    tensor: np.ndarray  # (k, t) HELD_TENSOR, what something holds where it was made,
    use: np.ndarray  # (k, u) HELD_USE, and the uses of copies that something holds
    slot: np.ndarray  # (k, p + u) SLOT


def make_checkpoints(work: Work, count: int) -> Checkpoints:
    """Room for ``count`` checkpoints."""

    def column(size: int, dtype: Any) -> np.ndarray:
        return np.empty((count, size), dtype=dtype)

    n, devices = len(work.op), len(work.device)
    return Checkpoints(
        valid=np.zeros(count, dtype=np.bool_),
        state=np.empty(count, dtype=STATE),
        device=column(devices, DEVICE_STATE),
        port=column(len(work.port), PORT_STATE),
        peak_before=column(devices, np.int64),
        peak_after=column(devices, np.int64),
        lowest=np.empty(count, dtype=np.int64),
        missing=column(n, np.uint32),
        counts=np.empty(count, dtype=COUNTS),
        ready=column(n, QUEUED),
        event=column(len(work.moving), EVENT),
        tensor=column(len(work.tensor), HELD_TENSOR),
        use=column(len(work.use), HELD_USE),
        slot=column(len(work.slot), SLOT),
    )


# -- keeping


@jit_apart
def save(tables, work, index, points, k):
    """Keep the state as checkpoint ``k``.

    The run at hand has been at the last valid checkpoint before ``k``, if there is one, and has
    timed its ops since.
    """
    ops, s = work.op, work.state[U(0)]
    points.valid[k] = True
    points.state[k] = s
    first = U(0)
    while first < U(len(ops)) and (
        ops[first].missing == 0 or is_contracted(tables, work, index, first)
    ):
        first += ONE
    points.lowest[k] = first
    for i in range(first, U(len(ops))):
        points.missing[k, i] = ops[i].missing
    for i in range(U(len(work.port))):
        points.port[k, i] = work.port[i]
    for i in range(s.slots):
        points.slot[k, i] = work.slot[i]
        points.slot[k, i].requested -= s.now
    _save_ready(work, points, k, s.now)
    _save_events(work, points, k, s)
    _save_held(tables, work, index, points, k, s)


@jit_once
def _save_ready(work, points, k, now):
    """Devices and their ready queues."""
    at = U(0)
    for i in range(U(len(work.device))):
        dev = work.device[i]
        points.device[k, i] = dev
        for j in range(dev.head, dev.tail):
            saved = points.ready[k, at]
            if len(work.heap) > 0:
                waiting = work.heap[j]
                saved.level = waiting.level
                saved.time = waiting.time - now
                saved.op = waiting.op
            else:
                saved.op = work.queue[j]
            at += ONE
    points.counts[k].ready = at


@jit_once
def _save_events(work, points, k, s):
    at = U(0)
    for leaf in range(s.leaves // s.root):
        time = work.event_time[s.leaves + leaf]
        if time != LAST_MOMENT:
            saved = points.event[k, at]
            saved.time = time - s.now
            saved.leaf = leaf
            saved.slot = work.moving[leaf]
            at += ONE
    points.counts[k].event = at


@jit_once
def _save_held(tables, work, index, points, k, s):
    """Tensors and copies that something holds: some of those that something held at the checkpoint
    before, and of what ops that have ended since have made."""
    tensors, uses, ended = U(0), U(0), U(0)
    before = k
    while before > 0 and not points.valid[before - ONE]:
        before -= ONE
    if before > 0:
        before -= ONE
        ended = points.state[before].ended
        for i in range(points.counts[before].tensor):
            tensors = _save_tensor(work, points, k, tensors, U(points.tensor[before, i].tensor))
        for i in range(points.counts[before].use):
            uses = _save_copy(work, points, k, uses, U(points.use[before, i].number))
    for i in range(ended, s.ended):
        op = U(work.ended[i])
        begin, end = members_of(tables, work, index, op)
        for j in range(begin, end + ONE):
            part = op if j == end else U(tables.members[j, U(0)])
            first, last = U(index.op_tensor_ptr[part]), U(index.op_tensor_ptr[part + ONE])
            for tensor in range(first, last):
                tensors = _save_tensor(work, points, k, tensors, tensor)
            for use in range(U(index.tensor_use_ptr[first]), U(index.tensor_use_ptr[last])):
                uses = _save_copy(work, points, k, uses, use)
    points.counts[k].tensor = tensors
    points.counts[k].use = uses


@jit
def members_of(tables, work, index, op):
    """The stretch of the tables' members that end with ``op``; empty where they are apart."""
    begin, end = U(index.member_ptr[op]), U(index.member_ptr[op + ONE])
    if work.op[op].packet != tables.op[op].packet:
        end = begin
    return begin, end


@jit
def is_contracted(tables, work, index, op):
    """Does an op end with the one that it follows from, without being simulated?"""
    leader = U(index.leader[op])
    return leader != op and work.op[leader].packet == tables.op[leader].packet


@jit
def _save_tensor(work, points, k, at, tensor):
    """Entry ``at``, if something holds the tensor where it was made; returns the next one."""
    holders = work.tensor[tensor].holders
    if holders > 0:
        saved = points.tensor[k, at]
        saved.tensor = tensor
        saved.holders = holders
        at += ONE
    return at


@jit
def _save_copy(work, points, k, at, use):
    """Entries from ``at`` on, likewise, for all uses of the copy of which ``use`` is the first."""
    if work.use[use].holders > 0:
        while use != NONE:
            saved, found = points.use[k, at], work.use[use]
            saved.number = use
            saved.first = found.first
            saved.next = found.next
            saved.consumer = found.consumer
            saved.holders = found.holders
            at += ONE
            use = U(found.next)
    return at


# -- bringing back


@jit_apart
def load(tables, work, index, run, move, points, k, limit):
    """The state of checkpoint ``k``, for a placement that moves no op that has begun or waits.

    In ``work``, ops and tensors must know their devices, and nothing must hold a tensor, wait or be
    under way.
    """
    work.state[U(0)] = points.state[k]
    s = work.state[U(0)]
    s.sent = 0
    s.oom_time = -1
    s.oom_device = -1
    s.least = 0
    s.limit = limit
    for i in range(U(points.lowest[k]), U(len(work.op))):
        work.op[i].missing = points.missing[k, i]
    if move.apart[U(0)] > 0:
        _await_leaders(tables, work, index, run, s.now)
    _load_ready(tables, work, move, points, k, s.now)
    for i in range(points.counts[k].tensor):
        held = points.tensor[k, i]
        work.tensor[held.tensor].holders = held.holders
    for i in range(points.counts[k].use):
        saved = points.use[k, i]
        found = work.use[saved.number]
        found.first = saved.first
        found.next = saved.next
        found.consumer = saved.consumer
        found.holders = saved.holders
    for i in range(s.slots):
        work.slot[i] = points.slot[k, i]
        work.slot[i].requested += s.now
    for i in range(U(len(work.port))):
        work.port[i] = points.port[k, i]
        work.slot[i].requested = -1
    s.next = LAST_MOMENT
    for i in range(points.counts[k].event):
        saved = points.event[k, i]
        work.moving[saved.leaf] = saved.slot
        set_event(work.event_time, work.event_leaf, s, U(saved.leaf), saved.time + s.now)


@jit_once
def _await_leaders(tables, work, index, run, now):
    """Members that are apart wait for ops that have not ended, whatever they did when the
    checkpoint was saved."""
    for i in range(U(len(tables.members))):
        op, leader = U(tables.members[i, U(0)]), U(tables.members[i, ONE])
        if run.finish[leader] > now:
            work.op[op].missing = tables.op[op].inputs & ~INSTANT


@jit_once
def _load_ready(tables, work, move, points, k, now):
    """Devices and their ready queues, each in a stretch as long as it has ops by now; packets as
    they are now."""
    at, base = U(0), U(0)
    for i in range(U(len(work.device))):
        work.device[i] = points.device[k, i]
        dev = work.device[i]
        waiting = dev.tail - dev.head
        dev.base = base
        dev.head = base
        dev.tail = base + waiting
        dev.moment = -1
        dev.room = move.room[i]
        dev.work = move.device_ns[i]
        if dev.running != IDLE and dev.running != LISTED:
            dev.running = work.op[tables.program[U(dev.running) + TWO] >> HIGH].packet
        for j in range(base, base + waiting):
            saved = points.ready[k, at]
            if len(work.heap) > 0:
                entry = work.heap[j]
                entry.level = saved.level
                entry.time = saved.time + now
                entry.op = saved.op
            else:
                work.queue[j] = work.op[tables.program[U(saved.op) + TWO] >> HIGH].packet
            at += ONE
        base += move.device_ops[i]


@jit_apart
def clear(work, points, k):
    """Leave working memory as :func:`load` wants it, after a run that stands at checkpoint ``k``
    but for tensors that the move affects."""
    s = work.state[U(0)]
    while s.next != LAST_MOMENT:
        set_event(work.event_time, work.event_leaf, s, s.first, np.int64(LAST_MOMENT))
    for i in range(U(len(work.port))):
        work.slot[i].next = i
        work.slot[i].previous = i
    for i in range(points.counts[k].tensor):
        work.tensor[points.tensor[k, i].tensor].holders = 0
    for i in range(points.counts[k].use):
        use = work.use[points.use[k, i].number]
        work.use[use.first].holders = 0  # a moved op's, where that is the first of the copy here
        use.holders = 0


@jit_apart
def let_go(work, index):
    """Likewise, after a run to its end, when copies are held still of which results are views."""
    for i in range(U(len(index.shared))):
        tensor = U(index.shared[i])
        for use in range(U(index.tensor_use_ptr[tensor]), U(index.tensor_use_ptr[tensor + ONE])):
            work.use[use].holders = 0


@jit_apart
def wipe(tables, work, index, points, resumed):
    """Likewise, after a run that was broken off."""
    ended = U(0)
    if resumed >= 0:
        k = U(resumed)
        ended = points.state[k].ended
        for i in range(points.counts[k].tensor):
            work.tensor[points.tensor[k, i].tensor].holders = 0
        for i in range(points.counts[k].use):
            work.use[points.use[k, i].number].holders = 0
    for i in range(ended, work.state[U(0)].ended):
        op = U(work.ended[i])
        begin, end = members_of(tables, work, index, op)
        for j in range(begin, end + ONE):
            part = op if j == end else U(tables.members[j, U(0)])
            first, last = U(index.op_tensor_ptr[part]), U(index.op_tensor_ptr[part + ONE])
            for tensor in range(first, last):
                work.tensor[tensor].holders = 0
            for use in range(U(index.tensor_use_ptr[first]), U(index.tensor_use_ptr[last])):
                work.use[use].holders = 0
