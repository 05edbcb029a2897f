"""Ops of a recorded run put elsewhere for another run, and back, and when that can matter."""

import numpy as np

from go_gym.simulator.delta.checkpoints import FIRST_STRAY
from go_gym.simulator.engine import LAST_MOMENT, ONE, jit, jit_once
from go_gym.simulator.tables import NONE
from go_gym.simulator.work import U

TRY, ADOPT, RECORD = 0, 1, 2
"""What a run is for: its result; to be the base of further ones, for which the checkpoints that it
passes are kept; the same, but from the beginning to the end."""


@jit_once
def move(tables, work, wiring, base, ops, devices):
    """Put ops where they are tried; returns how many moved, and the first stray op."""
    moved, apart = np.int64(0), False
    stray = base.told[FIRST_STRAY]
    for i in range(U(len(ops))):
        base.trial[U(ops[i])] = devices[i if len(devices) > 1 else U(0)]
    for i in range(U(len(ops))):
        op = U(ops[i])
        here, there = U(work.op[op].device), U(base.trial[op])
        if here != there:
            _carry(work, wiring, base, op, here, there)
            base.moved[U(moved)] = np.uint32(op)
            moved += 1
            apart |= wiring.grouped[op]
    if apart:
        stray = np.int64(-1)
        for i in range(U(len(tables.followers))):
            op, leader = tables.followers[i]
            if base.trial[U(op)] != base.trial[U(leader)]:
                stray = op
                break
    return moved, stray


@jit
def _carry(work, wiring, base, op, here, there):
    work.op[op].device = np.uint32(there)
    base.size[here] -= ONE
    base.size[there] += ONE
    base.room[here] += wiring.parameter_bytes[op]
    base.room[there] -= wiring.parameter_bytes[op]
    for tensor in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + ONE])):
        work.tensor[tensor].device = np.uint32(there)


@jit_once
def end_moves(work, wiring, base, moved, purpose):
    """Bring the ops of a try back; else they stay."""
    for i in range(U(moved)):
        op = U(base.moved[i])
        if purpose == TRY:
            _carry(work, wiring, base, op, U(base.trial[op]), U(base.place[op]))
            base.trial[op] = base.place[op]
        else:
            base.place[op] = base.trial[op]
    if purpose == RECORD:
        for i in range(U(len(base.size))):
            base.size[i] = U(0)
            base.room[i] = work.device[i].room
        for i in range(U(len(base.place))):
            base.place[i] = base.trial[i]
            base.size[U(base.place[i])] += ONE


@jit_once
def reach(work, wiring, base, moved):
    """When moves can first matter, when they all have, and which tensors they put elsewhere.

    The first is the earliest end of a producer whose tensor then goes elsewhere (an op without
    inputs is ready from the beginning, -1); the second, by which moved ops have ended, is of the
    base. Moved are the outputs of moved ops, and what those are views of; they are marked, and all
    of them are from the third figure to below the fourth.
    """
    change, settled = np.int64(LAST_MOMENT), np.int64(-1)
    low, high = np.int64(len(base.touched)), np.int64(0)
    for i in range(U(moved)):
        op = U(base.moved[i])
        settled = max(settled, base.finish[op])
        first, last = U(wiring.op_use_ptr[op]), U(wiring.op_use_ptr[op + ONE])
        if first == last:
            change = np.int64(-1)
        for j in range(first, last):
            maker = U(wiring.producers[j])
            if base.place[maker] != base.place[op] or base.trial[maker] != base.trial[op]:
                change = min(change, base.finish[maker])
        for made in range(U(wiring.op_tensor_ptr[op]), U(wiring.op_tensor_ptr[op + ONE])):
            tensor = np.uint32(made)
            while tensor != NONE and base.touched[tensor] == 0:
                base.touched[tensor] = 1
                low, high = min(low, np.int64(tensor)), max(high, np.int64(tensor) + 1)
                tensor = work.tensor[tensor].alias
    return change, settled, low, high


@jit_once
def last_before(points, room, change):
    """The last checkpoint before ``change`` up to which memory suffices, or -1."""
    start = np.int64(-1)
    for k in range(len(points.saved)):
        if points.saved[U(k)] >= 0:
            if points.state[U(k)].now >= change or not fits(points.before[U(k)], room):
                break
            start = np.int64(k)
    return start


@jit
def fits(memory, room):
    """Is ``memory`` (d,) within ``room`` (d,) everywhere?"""
    fits = True
    for i in range(U(len(room))):
        fits &= memory[i] <= room[i]
    return fits
