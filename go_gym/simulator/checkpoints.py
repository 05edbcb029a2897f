"""The engine's state kept at moments of a run, and another decision's run between two of them."""

import os
from typing import NamedTuple

import numpy as np

from go_gym.simulator import engine
from go_gym.simulator.engine import (
    HIGH,
    LAST_MOMENT,
    NONE,
    U,
    advance,
    begin,
    jit,
    jit_apart,
    jit_entry,
    settle,
    tell,
)
from go_gym.simulator.tables import Tables
from go_gym.simulator.work import (
    DEVICE_STATE,
    DONE,
    EVENT,
    EVENTS,
    MOVED,
    NOW,
    OOM_DEVICE,
    OOM_TIME,
    PORT_STATE,
    QUEUED,
    SCALARS,
    SLOT,
    SLOTS,
    STRAY,
    Work,
)

HOME = np.dtype([("device", np.uint32), ("holders", np.int32)])
KEPT_USE = np.dtype([(label, np.uint32) for label in ("number", "slot", "next", "consumer")])


class Checkpoints(NamedTuple):
    """The state at k moments of a simulation, each after all that happens then.

    The last four columns hold one stretch a checkpoint, which ``stretch`` tells.
    """

    missing: np.ndarray  # (k, n) uint32
    home: np.ndarray  # (k, t) HOME
    device: np.ndarray  # (k, d) DEVICE_STATE; the peak is that since the checkpoint before
    port: np.ndarray  # (k, p) PORT_STATE
    scalars: np.ndarray  # (k, SCALARS) int64
    before: np.ndarray  # (k, d) int64, peak up to each,
    after: np.ndarray  # (k, d) int64, and from each on
    stretch: np.ndarray  # (k + 1, 4) uint64, where each begins in the following
    ready: np.ndarray  # QUEUED, by device
    slot: np.ndarray  # SLOT
    use: np.ndarray  # KEPT_USE
    events: np.ndarray  # EVENT


def make_checkpoints(tables: Tables, work: Work, count: int, capacity: int) -> Checkpoints:
    """Room for ``count`` checkpoints, with ``capacity`` entries for all stretches of a kind."""
    n, t, d = len(tables.op), len(tables.tensor), len(tables.capacity)
    return Checkpoints(
        missing=np.empty((count, n), dtype=np.uint32),
        home=np.empty((count, t), dtype=HOME),
        device=np.empty((count, d), dtype=DEVICE_STATE),
        port=np.empty((count, len(work.port)), dtype=PORT_STATE),
        scalars=np.empty((count, SCALARS), dtype=np.int64),
        before=np.empty((count, d), dtype=np.int64),
        after=np.empty((count, d), dtype=np.int64),
        stretch=np.zeros((count + 1, 4), dtype=np.uint64),
        ready=np.empty(capacity, dtype=QUEUED),
        slot=np.empty(capacity, dtype=SLOT),
        use=np.empty(capacity, dtype=KEPT_USE),
        events=np.empty(capacity, dtype=EVENT),
    )


def _compile(stamp):
    """The entry points. ``stamp`` makes Numba's cache, which looks at the time of the file of an
    entry point only, see a change of what is inlined into it."""

    @jit_entry
    def record(
        tables, work, contention, placement, level, points, first, step, busy, peak, figures
    ):
        stamp  # noqa: B018
        return _record(
            tables, work, contention, placement, level, points, first, step, busy, peak, figures
        )

    @jit_entry
    def attempt(
        tables, work, contention, placement, level, points, base, ops, mark, step, busy, peak,
        figures,
    ):  # fmt: skip
        stamp  # noqa: B018
        return _attempt(
            tables, work, contention, placement, level, points, base, ops, mark, step, busy, peak,
            figures,
        )  # fmt: skip

    return record, attempt


@jit
def _record(tables, work, contention, placement, level, points, first, step, busy, peak, figures):
    """Simulate, from checkpoint ``first`` - 1 or the beginning, and keep checkpoints from there on.

    ``placement`` (n,); ``level`` (1, n) or (0, n); results as in :func:`run_many`, one row.

    Returns:
        whether there was room for all checkpoints; if not, nothing else holds.
    """
    devices, scalars = work.device, work.scalars
    count = len(points.missing)
    if first == 0:
        begin(tables, work, placement, level)
    else:
        _load(tables, work, points, U(first - 1), placement)
        for i in range(len(devices)):
            devices[U(i)].peak = devices[U(i)].memory
    for k in range(first, count):
        advance(tables, work, contention, level, (k + 1) * len(placement) // (count + 1))
        if not _save(work, points, U(k)):
            return False
        for i in range(len(devices)):
            dev = devices[U(i)]
            points.before[U(k), U(i)] = dev.peak
            if k > 0:
                points.before[U(k), U(i)] = max(dev.peak, points.before[U(k - 1), U(i)])
            dev.peak = dev.memory
    advance(tables, work, contention, level, LAST_MOMENT)
    for i in range(len(devices)):
        dev = devices[U(i)]
        highest = dev.peak
        for k in range(count - 1, -1, -1):
            points.after[U(k), U(i)] = highest
            highest = max(highest, points.device[U(k), U(i)].peak)
        dev.peak = highest
    step[0] = scalars[NOW]
    tell(work, tables.capacity, busy, peak, figures)
    return True


@jit
def _attempt(
    tables, work, contention, placement, level, points, base, ops, mark, step, busy, peak, figures
):  # fmt: skip
    """Simulate ``placement``, in which just ``ops`` moved since ``points`` were kept.

    ``base``: (input pointers (n + 1,), producers by consumer (u,), finish times (n,), busy (d,),
    figures (4,), step time (1,)) of the recorded run, the first two being the graph's. ``mark`` is
    scratch, (n + d + u,) int64. Results as in :func:`run_many`, one row.

    Returns:
        (checkpoint that it went on from or -1, checkpoint from which the rest is the old run or -1)
    """
    pointers, producers, finish, old_busy, old_figures, old_step = base
    devices, scalars = work.device, work.scalars
    count = len(points.missing)
    change, settled = LAST_MOMENT, np.int64(-1)
    for i in range(len(ops)):
        op = ops[U(i)]
        settled = max(settled, finish[U(op)])
        if pointers[U(op)] == pointers[U(op + 1)]:
            change = -1
        for j in range(pointers[U(op)], pointers[U(op + 1)]):
            change = min(change, finish[U(producers[U(j)])])
    start = np.int64(-1)
    while start + 1 < count and points.scalars[U(start + 1), NOW] < change:
        start += 1
    if start >= 0:
        _load(tables, work, points, U(start), placement)
        for i in range(len(devices)):
            devices[U(i)].peak = points.before[U(start), U(i)]
            if devices[U(i)].peak > devices[U(i)].room:
                start = -1
                break
    if start < 0:
        begin(tables, work, placement, level)
    for k in range(start + 1, count):
        if points.scalars[U(k), NOW] < settled:
            continue
        advance(tables, work, contention, level, points.scalars[U(k), DONE])
        if scalars[EVENTS] == 0:
            break
        if not _same(tables, work, points, U(k), ops, mark):
            continue
        fits = scalars[OOM_TIME] >= 0
        if not fits:
            fits = True
            for i in range(len(devices)):
                fits = fits and points.after[U(k), U(i)] <= devices[U(i)].room
        if not fits:
            break
        late = work.events[U(1)].time - points.events[points.stretch[U(k), U(3)]].time
        step[0] = old_step[U(0)] + late
        for i in range(len(devices)):
            dev = devices[U(i)]
            dev.busy += old_busy[U(i)] - points.device[U(k), U(i)].busy
            dev.peak = max(dev.peak, points.after[U(k), U(i)])
        scalars[MOVED] += old_figures[U(0)] - points.scalars[U(k), MOVED]
        tell(work, tables.capacity, busy, peak, figures)
        return start, k
    advance(tables, work, contention, level, LAST_MOMENT)
    step[0] = scalars[NOW]
    tell(work, tables.capacity, busy, peak, figures)
    return start, -1


@jit_apart
def _save(work, points, k):
    """Keep the state as checkpoint ``k``; False if it does not fit."""
    devices, slots, scalars = work.device, work.slot, work.scalars
    for i in range(U(len(work.op))):
        points.missing[k, i] = work.op[i].missing
    for i in range(U(len(work.tensor))):
        home = points.home[k, i]
        home.device = work.tensor[i].device
        home.holders = work.tensor[i].holders
    for i in range(U(SCALARS)):
        points.scalars[k, i] = scalars[i]
    for i in range(U(len(work.port))):
        points.port[k, i] = work.port[i]
    ready, slot, use, event = points.stretch[k]
    for i in range(U(len(devices))):
        dev = devices[i]
        points.device[k, i] = dev
        if ready + dev.tail - dev.head > U(len(points.ready)):
            return False
        for j in range(dev.head, dev.tail):
            if len(work.heap) > 0:
                points.ready[ready] = work.heap[j]
            else:
                points.ready[ready].op = work.queue[j]
            ready += U(1)
    taken, running = U(scalars[SLOTS]), U(scalars[EVENTS])
    if slot + taken > U(len(points.slot)) or event + running > U(len(points.events)):
        return False
    for i in range(U(scalars[SLOTS])):
        points.slot[slot + i] = slots[i]
        reader = slots[i].use
        while slots[i].holders > 0 and reader != NONE:
            if use == U(len(points.use)):
                return False
            kept, found = points.use[use], work.use[reader]
            kept.number = reader
            kept.slot = found.slot
            kept.next = found.next
            kept.consumer = found.consumer
            use += U(1)
            reader = found.next
    for i in range(U(scalars[EVENTS])):
        points.events[event + i] = work.events[i + U(1)]
    after = points.stretch[k + U(1)]
    after[U(0)] = ready
    after[U(1)] = slot + taken
    after[U(2)] = use
    after[U(3)] = event + running
    return True


@jit_apart
def _load(tables, work, points, k, placement):
    """The state of checkpoint ``k``, under a placement of which it does not know the difference."""
    devices, scalars = work.device, work.scalars
    for i in range(U(SCALARS)):
        scalars[i] = points.scalars[k, i]
    for i in range(U(len(work.port))):
        work.port[i] = points.port[k, i]
    for i in range(U(len(devices))):
        devices[i] = points.device[k, i]
        devices[i].room = tables.capacity[i]
        devices[i].base = U(0)
    for i in range(U(len(work.op))):
        op = work.op[i]
        here = U(placement[i])
        op.device = np.uint32(here)
        op.missing = points.missing[k, i]
        devices[here].base += U(1)
    for i in range(U(len(work.tensor))):
        work.tensor[i].device = points.home[k, i].device
        work.tensor[i].holders = points.home[k, i].holders
    scalars[OOM_TIME] = -1
    scalars[OOM_DEVICE] = -1
    scalars[STRAY] = -1
    settle(tables, work, placement)
    ready, slot, use, event = points.stretch[k]
    offset = U(0)
    for i in range(U(len(devices))):
        dev = devices[i]
        size = dev.base
        waiting = dev.tail - dev.head
        dev.base = offset
        dev.head = offset
        dev.tail = offset + waiting
        for j in range(U(waiting)):
            if len(work.heap) > 0:
                work.heap[offset + j] = points.ready[ready]
            else:
                work.queue[offset + j] = points.ready[ready].op
            ready += U(1)
        offset += size
    for i in range(U(scalars[SLOTS])):
        work.slot[i] = points.slot[slot + i]
    for i in range(use, points.stretch[k + U(1), U(2)]):
        kept = points.use[i]
        found = work.use[kept.number]
        found.slot = kept.slot
        found.next = kept.next
        found.consumer = kept.consumer
    for i in range(U(scalars[EVENTS])):
        work.events[i + U(1)] = points.events[event + i]


@jit_apart
def _same(tables, work, points, k, ops, mark):
    """Is the rest of the run that from checkpoint ``k`` on, but for a shift in time?

    It is if the same ops and transfers are waiting, in the same order, and the same are running,
    with as long to go, all moved ``ops`` having ended: what was done to memory then follows from
    what has ended, but for moved ops' tensors, of which those that share storage must be gone.
    """
    devices, slots, scalars = work.device, work.slot, work.scalars
    d = len(devices)
    ready, slot, _, event = points.stretch[k]
    if (
        scalars[DONE] != points.scalars[k, DONE]
        or scalars[EVENTS] != points.scalars[k, EVENTS]
        or scalars[EVENTS] == 0
    ):
        return False
    for i in range(U(d)):
        dev, old = devices[i], points.device[k, i]
        if (
            dev.running != old.running
            or dev.memory != old.memory
            or dev.tail - dev.head != old.tail - old.head
        ):
            return False
    late = work.events[U(1)].time - points.events[event].time
    # what is running
    for i in range(U(scalars[EVENTS])):
        code = points.events[event + i].code
        if code >= d:
            code = points.slot[slot + U(code - d)].use + d
        mark[U(code)] = -1
    for i in range(U(scalars[EVENTS])):
        code = work.events[i + U(1)].code
        if code >= d:
            code = slots[U(code - d)].use + d
        mark[U(code)] = work.events[i + U(1)].time
    for i in range(U(scalars[EVENTS])):
        code = points.events[event + i].code
        if code >= d:
            moving = points.slot[slot + U(code - d)]
            code = moving.use + d
            if mark[U(code)] >= 0 and slots[work.use[moving.use].slot].source != moving.source:
                return False
        if mark[U(code)] != points.events[event + i].time + late:
            return False
    # what waits: times not later than `kept` are those of old, later ones than that are shifted
    kept, shifted = np.int64(-1), LAST_MOMENT
    for i in range(U(len(work.port))):
        a, b = work.port[i].head, points.port[k, i].head
        while a != NONE and b != NONE:
            new, old = slots[a], points.slot[slot + U(b)]
            if new.use != old.use:
                return False
            if new.requested == old.requested:
                kept = max(kept, new.requested)
            elif new.requested == old.requested + late:
                shifted = min(shifted, new.requested, old.requested)
            else:
                return False
            a, b = new.next, old.next
        if a != b:
            return False
    at = ready
    for i in range(U(d)):
        dev = devices[i]
        for j in range(U(dev.tail - dev.head)):
            old = points.ready[at + j]
            if len(work.heap) > 0:
                mark[U(old.op)] = -1
            elif work.queue[dev.head + j] != old.op:
                return False
        if len(work.heap) > 0:
            for j in range(dev.head, dev.tail):
                mark[U(work.heap[j].op)] = work.heap[j].time
            for j in range(U(dev.tail - dev.head)):
                old = points.ready[at + j]
                time = mark[U(old.op)]
                if time == old.time:
                    kept = max(kept, time)
                elif time >= 0 and time == old.time + late:
                    shifted = min(shifted, time, old.time)
                else:
                    return False
        at += dev.tail - dev.head
    if kept >= shifted:
        return False
    # tensors that share storage
    for i in range(U(len(ops))):
        packet = U(work.op[U(ops[i])].packet)
        tensor = tables.program[packet + U(2)]
        for _ in range(tables.program[packet + U(1)] >> HIGH):
            made = work.tensor[tensor]
            if made.alias != NONE or made.local_size != made.size:
                if made.holders > 0 or points.home[k, tensor].holders > 0:
                    return False
                for j in range(U(scalars[SLOTS])):
                    if slots[j].tensor == tensor and slots[j].holders > 0:
                        return False
                for j in range(slot, points.stretch[k + U(1), U(1)]):
                    if points.slot[j].tensor == tensor and points.slot[j].holders > 0:
                        return False
            tensor += U(1)
    different = np.uint32(0)
    for i in range(U(len(work.op))):
        different |= work.op[i].missing ^ points.missing[k, i]
    return different == 0


_engine_file = os.stat(engine.__file__)
record, attempt = _compile((_engine_file.st_mtime_ns, _engine_file.st_size))
