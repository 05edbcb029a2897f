"""The engine's state, kept at moments of a run and brought back.

Times in a checkpoint count from its moment, so that it stays true when the run before it gets
longer. Moves that are adopted leave the checkpoints behind them as they are: where the tensors of
moved ops lie by then is worked out from the placement when such a checkpoint is loaded.
"""

from typing import NamedTuple

import numpy as np

from go_gym.problem import Problem
from go_gym.simulator.engine import ONE, jit_apart, set_event
from go_gym.simulator.tables import NONE, Tables
from go_gym.simulator.work import (
    DEVICE_STATE,
    LAST_MOMENT,
    PORT_STATE,
    QUEUED,
    SLOT,
    STATE,
    TRANSFER,
    U,
    Work,
)

HOME = np.dtype([("tensor", np.uint32), ("holders", np.int32)])
EVENT = np.dtype([("time", np.int64), ("leaf", np.uint32), ("slot", np.uint32)])
KEPT_USE = np.dtype(
    [(label, np.uint32) for label in ("number", "first", "next", "consumer")]
    + [("holders", np.int32)]
)

READY, KEPT_USES, HOMES, RUNNING, COUNTS = U(0), U(1), U(2), U(3), 4
"""How many entries a checkpoint has of each kind but slots."""


class Checkpoints(NamedTuple):
    """The state at k moments of a simulation, each after all that happens then.

    The last five columns hold c entries a checkpoint; ``counts`` tells how many are used.
    """

    missing: np.ndarray  # (k, n) uint32, from op ``lowest`` on
    lowest: np.ndarray  # (k,) int64, ops before it have their inputs
    device: np.ndarray  # (k, d) DEVICE_STATE; the peak is that since the checkpoint before
    port: np.ndarray  # (k, p) PORT_STATE
    state: np.ndarray  # (k,) STATE
    before: np.ndarray  # (k, d) int64, peak up to each,
    after: np.ndarray  # (k, d) int64, and from each on
    saved: np.ndarray  # (k,) int64, number of the recording that it is from, -1 if it is void
    counts: np.ndarray  # (k, COUNTS) uint64
    ready: np.ndarray  # (k, c) QUEUED, by device
    slot: np.ndarray  # (k, p + c) SLOT
    use: np.ndarray  # (k, c) KEPT_USE, of copies that something holds
    events: np.ndarray  # (k, c) EVENT, leaves of the tree
    home: np.ndarray  # (k, c) HOME, tensors that something holds where they were made


def make_checkpoints(tables: Tables, work: Work, count: int, capacity: int) -> Checkpoints:
    """Room for ``count`` checkpoints with up to ``capacity`` entries of a kind."""
    n, d = len(tables.op), len(tables.capacity)
    return Checkpoints(
        missing=np.empty((count, n), dtype=np.uint32),
        lowest=np.empty(count, dtype=np.int64),
        device=np.empty((count, d), dtype=DEVICE_STATE),
        port=np.empty((count, len(work.port)), dtype=PORT_STATE),
        state=np.empty(count, dtype=STATE),
        before=np.empty((count, d), dtype=np.int64),
        after=np.empty((count, d), dtype=np.int64),
        saved=np.zeros(count, dtype=np.int64),
        counts=np.empty((count, COUNTS), dtype=np.uint64),
        ready=np.empty((count, capacity), dtype=QUEUED),
        slot=np.empty((count, len(work.port) + capacity), dtype=SLOT),
        use=np.empty((count, capacity), dtype=KEPT_USE),
        events=np.empty((count, capacity), dtype=EVENT),
        home=np.empty((count, capacity), dtype=HOME),
    )


class Wiring(NamedTuple):
    """What delta simulation reads of a graph beside the engine's tables."""

    op_use_ptr: np.ndarray  # (n + 1,) int64, stretches of
    inputs: np.ndarray  # (u,) uint32: which tensors each op uses
    producers: np.ndarray  # (u,) uint32: and whose
    op_tensor_ptr: np.ndarray  # (n + 1,) int64, tensors of each op
    tensor_use_ptr: np.ndarray  # (t + 1,) int64, uses of each tensor
    producer: np.ndarray  # (t,) uint32
    consumer: np.ndarray  # (u,) uint32
    hold: np.ndarray  # (u,) int32: releases that a use brings: one, or one a view made of it
    parameter_bytes: np.ndarray  # (n,) int64
    grouped: np.ndarray  # (n,) bool: of a co-location group of several ops


def make_wiring(problem: Problem, tables: Tables) -> Wiring:
    """The Wiring of a problem's graph."""
    graph, leader = problem.graph, problem.colocation_leader
    views = tables.tensor["alias_use"][tables.tensor["alias"] != NONE]
    return Wiring(
        op_use_ptr=graph.op_use_ptr.astype(np.int64),
        inputs=graph.use_tensor[graph.op_uses].astype(np.uint32),
        producers=graph.use_producer[graph.op_uses].astype(np.uint32),
        op_tensor_ptr=graph.op_tensor_ptr.astype(np.int64),
        tensor_use_ptr=graph.tensor_use_ptr.astype(np.int64),
        producer=graph.tensor_producer.astype(np.uint32),
        consumer=graph.use_consumer.astype(np.uint32),
        hold=np.maximum(np.bincount(views, minlength=graph.num_uses), 1).astype(np.int32),
        parameter_bytes=graph.parameter_bytes.astype(np.int64),
        grouped=np.bincount(leader, minlength=problem.num_ops)[leader] > 1,
    )


COPY = np.dtype([("token", np.uint64), ("until", np.int64)])
"""What holds a copy of a tensor, as a sum of hashes (0 if nothing does), and until when it does:
the last moment where that is not known."""


SPAN = np.dtype(
    [("device", np.int64), ("size", np.int64), ("since", np.int64), ("until", np.int64)]
)
"""Bytes that a device holds, more than in the base or (negative) fewer, from when until when."""


class Base(NamedTuple):
    """The run that the checkpoints are of, and scratch memory for those that start from it.

    Of the scratch memory ``touched``, ``sums``, ``copy``, ``changed``, ``early``, ``sending`` and
    the counts in ``told`` of what is early are 0 between uses.
    """

    place: np.ndarray  # (n,) int64, its placement
    trial: np.ndarray  # (n,) int64, the same but while another one is run
    size: np.ndarray  # (d,) uint64, ops of each device, by ``trial``
    room: np.ndarray  # (d,) int64 bytes beside the parameters, by ``trial``
    start: np.ndarray  # (n,) int64 ns, when each op starts
    finish: np.ndarray  # (n,) int64 ns, and finishes
    busy: np.ndarray  # (d,) int64 ns
    tail: np.ndarray  # (d,) int64, peak since the last checkpoint
    told: np.ndarray  # (TOLD,) int64
    amended: np.ndarray  # (t,) int64, the recording that last moved a tensor, 0 if none did
    stale: np.ndarray  # (s,) uint32, the tensors that were moved, falling
    sent: np.ndarray  # (s,) TRANSFER, its transfers
    sending: np.ndarray  # (t,) uint8 scratch: tensors that are on their way at a checkpoint
    moved: np.ndarray  # (n,) uint32 scratch: ops that ``trial`` moves
    touched: np.ndarray  # (t,) uint8 scratch: tensors that this moves, 2: and something holds
    mark: np.ndarray  # (n + d + u,) int64 scratch
    sums: np.ndarray  # (d,) uint64 scratch
    copy: np.ndarray  # (2, d) COPY scratch: a tensor's, by ``place`` and by ``trial``
    own: np.ndarray  # (2, t) COPY scratch: those where a tensor was made
    changed: np.ndarray  # (d,) bool scratch: will a device's memory differ for some time?
    least: np.ndarray  # (d, k + 1) int64 scratch: by how many bytes at least its peak up to each
    most: np.ndarray  # (d, k + 1) int64 scratch: checkpoint and after the last does, and at most
    rest: np.ndarray  # (d,) int64 scratch: its peak in the rest of a run
    early: np.ndarray  # (t,) uint8 scratch: tensors made before a run goes on that moves affect
    early_list: np.ndarray  # (FEW,) uint32 scratch: they, falling
    gone: np.ndarray  # (FEW,) uint32 scratch: transfers of the base that vanish
    new: np.ndarray  # (FEW,) TRANSFER scratch: transfers that are new
    span: np.ndarray  # (FEW,) SPAN scratch
    lead: np.ndarray  # (d,) int64 scratch: peaks before a run goes on


STEP, BYTES, LACK_TIME, LACK_DEVICE, FIRST_STRAY = U(0), U(1), U(2), U(3), U(4)
FIGURES_TOLD = 5
RECORDINGS, STALE_COUNT, SENT_COUNT = U(5), U(6), U(7)
EARLY_COUNT, GONE_COUNT, NEW_COUNT, SPAN_COUNT, TOLD = U(8), U(9), U(10), U(11), 12
"""Entries of ``told``: step time and the engine's figures; how often anything was recorded; and how
many entries the columns ``stale``, ``sent`` (-1: it has too little room), ``early_list``, ``gone``,
``new`` and ``span`` have."""
FEW = 64
"""Moves that affect more early tensors, or transfers of them, than that go on from before (our
choice)."""
SENT_SHARE = 4
"""Runs with more transfers than a quarter of the ops are not looked at for what moves leave as it
was, since hardly any transfer has its ports for itself (our choice)."""
STALE = 256
"""More moved tensors than that are not kept track of: all checkpoints are made anew (our choice)"""


def make_base(work: Work, count: int) -> Base:
    """Room for the run of a decision, with ``count`` checkpoints."""
    n, t, d, u = len(work.op), len(work.tensor), len(work.device), len(work.use)
    return Base(
        place=np.zeros(n, dtype=np.int64),
        trial=np.zeros(n, dtype=np.int64),
        size=np.zeros(d, dtype=np.uint64),
        room=np.zeros(d, dtype=np.int64),
        start=np.zeros(n, dtype=np.int64),
        finish=np.zeros(n, dtype=np.int64),
        busy=np.zeros(d, dtype=np.int64),
        tail=np.zeros(d, dtype=np.int64),
        told=np.zeros(TOLD, dtype=np.int64),
        amended=np.zeros(t, dtype=np.int64),
        stale=np.zeros(STALE, dtype=np.uint32),
        sent=np.zeros(FEW + n // SENT_SHARE, dtype=TRANSFER),
        sending=np.zeros(t, dtype=np.uint8),
        moved=np.zeros(n, dtype=np.uint32),
        touched=np.zeros(t, dtype=np.uint8),
        mark=np.zeros(n + d + u, dtype=np.int64),
        sums=np.zeros(d, dtype=np.uint64),
        copy=np.zeros((2, d), dtype=COPY),
        own=np.zeros((2, t), dtype=COPY),
        changed=np.zeros(d, dtype=np.bool_),
        least=np.zeros((d, count + 1), dtype=np.int64),
        most=np.zeros((d, count + 1), dtype=np.int64),
        rest=np.zeros(d, dtype=np.int64),
        early=np.zeros(t, dtype=np.uint8),
        early_list=np.zeros(FEW, dtype=np.uint32),
        gone=np.zeros(FEW, dtype=np.uint32),
        new=np.zeros(FEW, dtype=TRANSFER),
        span=np.zeros(FEW, dtype=SPAN),
        lead=np.zeros(d, dtype=np.int64),
    )


@jit_apart
def save(work, points, k, recording):
    """Keep the state as checkpoint ``k``; False if it has too many entries of a kind."""
    ops, slots, s = work.op, work.slot, work.state[U(0)]
    capacity, now = U(points.home.shape[1]), s.now
    points.saved[k] = recording
    points.state[k] = s
    first = U(0)
    while first < U(len(ops)) and ops[first].missing == 0:
        first += ONE
    points.lowest[k] = first
    for i in range(first, U(len(ops))):
        points.missing[k, i] = ops[i].missing
    for i in range(U(len(work.port))):
        points.port[k, i] = work.port[i]
    at = U(0)
    for i in range(U(len(work.device))):
        dev = work.device[i]
        points.device[k, i] = dev
        if at + dev.tail - dev.head > capacity:
            return False
        for j in range(dev.head, dev.tail):
            kept = points.ready[k, at]
            if len(work.heap) > 0:
                waiting = work.heap[j]
                kept.level = waiting.level
                kept.time = waiting.time - now
                kept.op = waiting.op
            else:
                kept.op = work.queue[j]
            at += ONE
    points.counts[k, READY] = at
    if s.slots > U(points.slot.shape[1]):
        return False
    for i in range(s.slots):
        points.slot[k, i] = slots[i]
        points.slot[k, i].requested -= now
    at = U(0)
    for i in range(U(len(work.use))):
        if work.use[i].holders > 0:
            reader = i
            while reader != NONE:
                if at == capacity:
                    return False
                kept, found = points.use[k, at], work.use[reader]
                kept.number = reader
                kept.first = found.first
                kept.next = found.next
                kept.consumer = found.consumer
                kept.holders = found.holders
                at += ONE
                reader = U(found.next)
    points.counts[k, KEPT_USES] = at
    at = U(0)
    for leaf in range(s.leaves // s.root):
        time = work.event_time[s.leaves + leaf]
        if time != LAST_MOMENT:
            if at == capacity:
                return False
            kept = points.events[k, at]
            kept.time = time - now
            kept.leaf = leaf
            kept.slot = work.moving[leaf]
            at += ONE
    points.counts[k, RUNNING] = at
    at = U(0)
    for i in range(U(len(work.tensor))):
        holders = work.tensor[i].holders
        if holders > 0:
            if at == capacity:
                return False
            home = points.home[k, at]
            home.tensor = i
            home.holders = holders
            at += ONE
    points.counts[k, HOMES] = at
    return True


@jit_apart
def load(work, wiring, base, points, k):
    """The state of checkpoint ``k``, for a placement that moves no op that has begun or waits.

    In ``work``, ops and tensors must know their devices, and nothing must hold a tensor, wait or be
    under way.
    """
    slots, s = work.slot, work.state[U(0)]
    recording = points.saved[k]
    work.state[U(0)] = points.state[k]
    now = s.now
    s.sent = 0
    s.oom_time = -1
    s.oom_device = -1
    at, offset = U(0), U(0)
    for i in range(U(len(work.device))):
        work.device[i] = points.device[k, i]
        dev = work.device[i]
        waiting = dev.tail - dev.head
        dev.base = offset
        dev.head = offset
        dev.tail = offset + waiting
        dev.moment = -1
        dev.room = base.room[i]
        for j in range(offset, offset + waiting):
            kept = points.ready[k, at]
            if len(work.heap) > 0:
                entry = work.heap[j]
                entry.level = kept.level
                entry.time = kept.time + now
                entry.op = kept.op
            else:
                work.queue[j] = kept.op
            at += ONE
        offset += base.size[i]
    for i in range(U(points.lowest[k]), U(len(work.op))):
        work.op[i].missing = points.missing[k, i]
    stale = U(base.told[STALE_COUNT])
    if stale > 0:
        _mark_sending(points, base, k, U(len(work.device)), np.uint8(1))
    for i in range(points.counts[k, HOMES]):
        home = points.home[k, i]
        if base.amended[home.tensor] <= recording or base.sending[home.tensor] != 0:
            work.tensor[home.tensor].holders = home.holders
    for i in range(points.counts[k, KEPT_USES]):
        kept = points.use[k, i]
        found = work.use[kept.number]
        found.first = kept.first
        found.next = kept.next
        found.consumer = kept.consumer
        found.holders = kept.holders
    for i in range(s.slots):
        slots[i] = points.slot[k, i]
        slots[i].requested += now
    for i in range(U(len(work.port))):
        work.port[i] = points.port[k, i]
        slots[i].requested = -1
    s.next = LAST_MOMENT
    for i in range(points.counts[k, RUNNING]):
        kept = points.events[k, i]
        work.moving[kept.leaf] = kept.slot
        set_event(work.event_time, work.event_leaf, s, U(kept.leaf), kept.time + now)
    for i in range(stale):
        tensor = U(base.stale[i])
        if base.amended[tensor] > recording and base.sending[tensor] == 0:
            let_go_of(work, wiring, tensor)
            if base.early[tensor] == 0 and base.finish[U(wiring.producer[tensor])] <= now:
                work_out(work, wiring, base, base.place, tensor, now)
    if stale > 0:
        _mark_sending(points, base, k, U(len(work.device)), np.uint8(0))


@jit_apart
def _mark_sending(points, base, k, devices, mark):
    """Mark tensors that are on their way: no run that a checkpoint was kept through moved them,
    since such a run does not end before its tensors have arrived."""
    for i in range(points.counts[k, RUNNING]):
        event = points.events[k, i]
        if event.leaf >= devices:
            base.sending[points.slot[k, event.slot].tensor] = mark
    for i in range(U(points.port.shape[1])):
        slot = U(points.slot[k, i].next)
        while slot != i:
            base.sending[points.slot[k, slot].tensor] = mark
            slot = U(points.slot[k, slot].next)


@jit_apart
def let_go_of(work, wiring, tensor):
    """Nothing holds a tensor, where it was made or where it was sent."""
    work.tensor[tensor].holders = 0
    for use in range(U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + ONE])):
        work.use[use].holders = 0


@jit_apart
def work_out(work, wiring, base, place, tensor, now):
    """What holds a tensor, where it was made and where it was sent, by the ops that ended by
    ``now``; none of its transfers is on its way."""
    made, uses = work.tensor[tensor], work.use
    here = U(place[U(wiring.producer[tensor])])
    let_go_of(work, wiring, tensor)
    first, last = U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + ONE])
    for use in range(first, last):
        consumer = U(wiring.consumer[use])
        there = U(place[consumer])
        held = wiring.hold[use]
        if base.finish[consumer] <= now:
            held = np.int32(0)
            for view in range(
                U(wiring.op_tensor_ptr[consumer]), U(wiring.op_tensor_ptr[consumer + ONE])
            ):
                viewing = work.tensor[view]
                if viewing.alias == tensor and viewing.holders > 0:
                    held += np.int32(1)
        if held == 0:
            continue
        if there == here:
            made.holders += held
            continue
        found = uses[use]
        found.consumer = consumer
        if base.sums[there] == 0:
            base.sums[there] = use + ONE
            found.first = use
            found.next = NONE
        else:
            found.first = base.sums[there] - ONE
            found.next = uses[found.first].next
            uses[found.first].next = use
        uses[found.first].holders += held
    for use in range(first, last):
        base.sums[U(place[U(wiring.consumer[use])])] = 0
