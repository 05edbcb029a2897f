"""The engine's state, kept at moments of a run and brought back.

Times in a checkpoint count from its moment, so that it stays true when the run before it gets
longer. Moves that are adopted leave the checkpoints behind them as they are: where the tensors of
moved ops lie by then is worked out from the placement when such a checkpoint is loaded.
"""

from typing import NamedTuple

import numpy as np

from go_gym.problem import Problem
from go_gym.simulator.engine import jit, jit_apart
from go_gym.simulator.tables import NONE, Tables
from go_gym.simulator.work import (
    DEVICE_STATE,
    EVENT,
    EVENTS,
    NOW,
    OOM_DEVICE,
    OOM_TIME,
    PORT_STATE,
    QUEUED,
    SCALARS,
    SLOT,
    SLOTS,
    SPARE,
    U,
    Work,
)

HOME = np.dtype([("tensor", np.uint32), ("holders", np.int32)])
KEPT_USE = np.dtype([(label, np.uint32) for label in ("number", "slot", "next", "consumer")])

READY, KEPT_USES, HOMES, COUNTS = U(0), U(1), U(2), 3
"""How many entries a checkpoint has of kinds that the scalars do not count."""


class Checkpoints(NamedTuple):
    """The state at k moments of a simulation, each after all that happens then.

    The last five columns hold c entries a checkpoint; ``counts`` tells how many are used.
    """

    missing: np.ndarray  # (k, n) uint32, from op ``lowest`` on
    lowest: np.ndarray  # (k,) int64, ops before it have their inputs
    device: np.ndarray  # (k, d) DEVICE_STATE; the peak is that since the checkpoint before
    port: np.ndarray  # (k, p) PORT_STATE
    scalars: np.ndarray  # (k, SCALARS) int64
    before: np.ndarray  # (k, d) int64, peak up to each,
    after: np.ndarray  # (k, d) int64, and from each on
    saved: np.ndarray  # (k,) int64, number of the recording that it is from, -1 if it is void
    counts: np.ndarray  # (k, COUNTS) uint64
    ready: np.ndarray  # (k, c) QUEUED, by device
    slot: np.ndarray  # (k, c) SLOT
    use: np.ndarray  # (k, c) KEPT_USE
    events: np.ndarray  # (k, c) EVENT
    home: np.ndarray  # (k, c) HOME, tensors that something holds where they were made


def make_checkpoints(tables: Tables, work: Work, count: int, capacity: int) -> Checkpoints:
    """Room for ``count`` checkpoints with up to ``capacity`` entries of a kind."""
    n, d = len(tables.op), len(tables.capacity)
    return Checkpoints(
        missing=np.empty((count, n), dtype=np.uint32),
        lowest=np.empty(count, dtype=np.int64),
        device=np.empty((count, d), dtype=DEVICE_STATE),
        port=np.empty((count, len(work.port)), dtype=PORT_STATE),
        scalars=np.empty((count, SCALARS), dtype=np.int64),
        before=np.empty((count, d), dtype=np.int64),
        after=np.empty((count, d), dtype=np.int64),
        saved=np.zeros(count, dtype=np.int64),
        counts=np.empty((count, COUNTS), dtype=np.uint64),
        ready=np.empty((count, capacity), dtype=QUEUED),
        slot=np.empty((count, capacity), dtype=SLOT),
        use=np.empty((count, capacity), dtype=KEPT_USE),
        events=np.empty((count, capacity), dtype=EVENT),
        home=np.empty((count, capacity), dtype=HOME),
    )


class Wiring(NamedTuple):
    """What delta simulation reads of a graph beside the engine's tables."""

    op_use_ptr: np.ndarray  # (n + 1,) int64, stretches of
    producers: np.ndarray  # (u,) uint32: whose tensors each op uses
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
        producers=graph.use_producer[graph.op_uses].astype(np.uint32),
        op_tensor_ptr=graph.op_tensor_ptr.astype(np.int64),
        tensor_use_ptr=graph.tensor_use_ptr.astype(np.int64),
        producer=graph.tensor_producer.astype(np.uint32),
        consumer=graph.use_consumer.astype(np.uint32),
        hold=np.maximum(np.bincount(views, minlength=graph.num_uses), 1).astype(np.int32),
        parameter_bytes=graph.parameter_bytes.astype(np.int64),
        grouped=np.bincount(leader, minlength=problem.num_ops)[leader] > 1,
    )


class Base(NamedTuple):
    """The run that the checkpoints are of, and scratch memory for those that start from it.

    Of the scratch memory ``touched`` and ``sums`` are 0 between uses.
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
    moved: np.ndarray  # (n,) uint32 scratch: ops that ``trial`` moves
    touched: np.ndarray  # (t,) uint8 scratch: tensors that this moves, 2: and something holds
    mark: np.ndarray  # (n + d + u,) int64 scratch
    tokens: np.ndarray  # (2, t) uint64 scratch
    sums: np.ndarray  # (d,) uint64 scratch


STEP, BYTES, LACK_TIME, LACK_DEVICE, FIRST_STRAY = U(0), U(1), U(2), U(3), U(4)
FIGURES_TOLD = 5
RECORDINGS, STALE_COUNT, TOLD = U(5), U(6), 7
"""Entries of ``told``: step time and the engine's figures; how often anything was recorded, how
many tensors are stale."""
STALE = 256
"""More moved tensors than that are not kept track of: all checkpoints are made anew (our choice)"""


def make_base(problem: Problem, work: Work) -> Base:
    """Room for the run of a decision of ``problem``."""
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
        moved=np.zeros(n, dtype=np.uint32),
        touched=np.zeros(t, dtype=np.uint8),
        mark=np.zeros(n + d + u, dtype=np.int64),
        tokens=np.zeros((2, t), dtype=np.uint64),
        sums=np.zeros(d, dtype=np.uint64),
    )


@jit_apart
def save(work, points, k, recording):
    """Keep the state as checkpoint ``k``; False if it has too many entries of a kind."""
    ops, tensors, slots, scalars = work.op, work.tensor, work.slot, work.scalars
    capacity, now = U(points.home.shape[1]), scalars[NOW]
    points.saved[k] = recording
    first = U(0)
    while first < U(len(ops)) and ops[first].missing == 0:
        first += U(1)
    points.lowest[k] = first
    for i in range(first, U(len(ops))):
        points.missing[k, i] = ops[i].missing
    for i in range(U(SCALARS)):
        points.scalars[k, i] = scalars[i]
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
                kept.level = work.heap[j].level
                kept.time = work.heap[j].time - now
                kept.op = work.heap[j].op
            else:
                kept.op = work.queue[j]
            at += U(1)
    points.counts[k, READY] = at
    taken, running = U(scalars[SLOTS]), U(scalars[EVENTS])
    if taken > capacity or running > capacity:
        return False
    at = U(0)
    for i in range(taken):
        points.slot[k, i] = slots[i]
        points.slot[k, i].requested -= now
        reader = slots[i].use
        while slots[i].holders > 0 and reader != NONE:
            if at == capacity:
                return False
            kept, found = points.use[k, at], work.use[reader]
            kept.number = reader
            kept.slot = found.slot
            kept.next = found.next
            kept.consumer = found.consumer
            at += U(1)
            reader = found.next
    points.counts[k, KEPT_USES] = at
    for i in range(running):
        points.events[k, i].time = work.events[i + U(1)].time - now
        points.events[k, i].code = work.events[i + U(1)].code
    at = U(0)
    for i in range(U(len(tensors))):
        if tensors[i].holders > 0:
            if at == capacity:
                return False
            home = points.home[k, at]
            home.tensor = np.uint32(i)
            home.holders = tensors[i].holders
            at += U(1)
    points.counts[k, HOMES] = at
    return True


@jit_apart
def load(work, wiring, base, points, k):
    """The state of checkpoint ``k``, for a placement that moves no op that has begun or waits.

    In ``work``, ops and tensors must know their devices, and nothing must hold a tensor.
    """
    devices, slots, scalars = work.device, work.slot, work.scalars
    recording = points.saved[k]
    for i in range(U(SCALARS)):
        scalars[i] = points.scalars[k, i]
    now = scalars[NOW]
    scalars[OOM_TIME] = -1
    scalars[OOM_DEVICE] = -1
    for i in range(U(len(work.port))):
        work.port[i] = points.port[k, i]
    at, offset = U(0), U(0)
    for i in range(U(len(devices))):
        devices[i] = points.device[k, i]
        dev = devices[i]
        waiting = dev.tail - dev.head
        dev.base = offset
        dev.head = offset
        dev.tail = offset + waiting
        dev.moment = -1
        dev.room = base.room[i]
        for j in range(offset, offset + waiting):
            kept = points.ready[k, at]
            if len(work.heap) > 0:
                work.heap[j].level = kept.level
                work.heap[j].time = kept.time + now
                work.heap[j].op = kept.op
            else:
                work.queue[j] = kept.op
            at += U(1)
        offset += base.size[i]
    for i in range(U(points.lowest[k]), U(len(work.op))):
        work.op[i].missing = points.missing[k, i]
    for i in range(points.counts[k, HOMES]):
        home = points.home[k, i]
        if base.amended[home.tensor] <= recording:
            work.tensor[home.tensor].holders = home.holders
    for i in range(points.counts[k, KEPT_USES]):
        kept = points.use[k, i]
        found = work.use[kept.number]
        found.slot = kept.slot
        found.next = kept.next
        found.consumer = kept.consumer
    for i in range(U(scalars[SLOTS])):
        slots[i] = points.slot[k, i]
        copy = slots[i]
        copy.requested += now
        if copy.holders > 0 and base.amended[copy.tensor] > recording:
            copy.holders = 0
            copy.next = np.uint32(scalars[SPARE])
            scalars[SPARE] = i
    for i in range(U(scalars[EVENTS])):
        work.events[i + U(1)].time = points.events[k, i].time + now
        work.events[i + U(1)].code = points.events[k, i].code
    for i in range(U(base.told[STALE_COUNT])):
        if base.amended[base.stale[i]] > recording:
            _work_out(work, wiring, base, U(base.stale[i]), now)


@jit
def _work_out(work, wiring, base, tensor, now):
    """What holds a tensor, where it was made and where it was sent, by the ops that ended by
    ``now``; none of its transfers is on its way."""
    made, slots, scalars = work.tensor[tensor], work.slot, work.scalars
    here = base.place[wiring.producer[tensor]]
    made.holders = 0
    first, last = U(wiring.tensor_use_ptr[tensor]), U(wiring.tensor_use_ptr[tensor + U(1)])
    for use in range(first, last):
        consumer = U(wiring.consumer[use])
        there = U(base.place[consumer])
        held = wiring.hold[use]
        if base.finish[consumer] <= now:
            held = np.int32(0)
            for view in range(
                U(wiring.op_tensor_ptr[consumer]), U(wiring.op_tensor_ptr[consumer + U(1)])
            ):
                if work.tensor[view].alias == tensor and work.tensor[view].holders > 0:
                    held += np.int32(1)
        if held == 0:
            continue
        if there == here:
            made.holders += held
            continue
        if base.sums[there] == 0:
            if scalars[SPARE] == NONE:
                slot = np.uint32(scalars[SLOTS])
                scalars[SLOTS] += 1
            else:
                slot = np.uint32(scalars[SPARE])
                scalars[SPARE] = slots[slot].next
            base.sums[there] = U(slot) + U(1)
            copy = slots[slot]
            copy.requested = now
            copy.size = made.size
            copy.tensor = np.uint32(tensor)
            copy.source = np.uint32(here)
            copy.device = np.uint32(there)
            copy.holders = 0
            copy.use = NONE
            copy.next_copy = NONE
        slot = np.uint32(base.sums[there] - U(1))
        found = work.use[use]
        found.slot = slot
        found.consumer = np.uint32(consumer)
        found.next = slots[slot].use
        slots[slot].use = np.uint32(use)
        slots[slot].holders += held
    for use in range(first, last):
        base.sums[base.place[wiring.consumer[use]]] = U(0)
