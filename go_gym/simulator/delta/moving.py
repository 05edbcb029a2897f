"""Moving ops: where they run, when that can matter first, and which tensors it affects."""

from typing import NamedTuple

import numpy as np

from go_gym.simulator.engine import ONE
from go_gym.simulator.jit import jit, jit_apart, jit_once
from go_gym.simulator.tables import NONE
from go_gym.simulator.work import LAST_MOMENT, U


@jit_once
def place(tables, work, index, run, move, ops, devices):
    """Put ``ops`` (k,) on ``devices``, (k,) or (1,) for all.

    Returns:
        how many ops move by that, and the first that is then away from its co-location group or -1
    """
    moved, apart = np.int64(0), False
    misplaced = run.outcome[U(0)].misplaced
    for i in range(U(len(ops))):
        move.placement[U(ops[i])] = devices[i if len(devices) > 1 else U(0)]
    for i in range(U(len(ops))):
        op = U(ops[i])
        here, there = U(work.op[op].device), U(move.placement[op])
        if here != there:
            _carry(tables, work, index, move, op, here, there)
            move.ops[U(moved)] = np.uint32(op)
            moved += 1
            apart |= index.grouped[op]
    for i in range(U(moved)):
        _regroup(tables, work, index, move, U(move.ops[i]))
    if apart:
        misplaced = np.int64(-1)
        for i in range(U(len(tables.followers))):
            op, leader = tables.followers[i, U(0)], tables.followers[i, ONE]
            if move.placement[U(op)] != move.placement[U(leader)]:
                misplaced = op
                break
    return moved, misplaced


@jit
def _carry(tables, work, index, move, op, here, there):
    work.op[op].device = np.uint32(there)
    move.device_ops[here] -= ONE
    move.device_ops[there] += ONE
    move.device_ns[here] -= tables.durations[U(work.device[here].row), op]
    move.device_ns[there] += tables.durations[U(work.device[there].row), op]
    move.room[here] += index.parameter_bytes[op]
    move.room[there] -= index.parameter_bytes[op]
    for tensor in range(U(index.op_tensor_ptr[op]), U(index.op_tensor_ptr[op + ONE])):
        work.tensor[tensor].device = np.uint32(there)


@jit
def _regroup(tables, work, index, move, op):
    """Choose the packet for the group of ``op``: is all of it on one device?"""
    leader = U(index.leader[op])
    packet, here = tables.op[leader].packet, work.op[leader].device
    for j in range(U(index.member_ptr[leader]), U(index.member_ptr[leader + ONE])):
        if work.op[U(tables.members[j, U(0)])].device != here:
            packet = tables.op[leader].plain
    whole = tables.op[leader].packet
    move.apart[U(0)] += int(packet != whole) - int(work.op[leader].packet != whole)
    work.op[leader].packet = packet


@jit_once
def take_back(tables, work, index, run, move, moved):
    """Put the ops of a try where the recorded run has them."""
    for i in range(U(moved)):
        op = U(move.ops[i])
        _carry(tables, work, index, move, op, U(move.placement[op]), U(run.placement[op]))
        move.placement[op] = run.placement[op]
    for i in range(U(moved)):
        _regroup(tables, work, index, move, U(move.ops[i]))


@jit_once
def settle(run, move, moved):
    """The ops of an adopted move stay; the recorded run has them there."""
    for i in range(U(moved)):
        op = U(move.ops[i])
        run.placement[op] = move.placement[op]


class Span(NamedTuple):
    """What a move can change."""

    since: np.int64  # ns: nothing before that, not even at that moment
    until: np.int64  # ns, of the recorded run: all moved ops have ended
    first: np.int64  # affected tensors are from this
    last: np.int64  # to before this


@jit_once
def span_of(work, index, run, move, moved):
    """The Span of the move; marks the tensors that it affects.

    An op whose inputs are elsewhere than before matters from the earliest end of an op that makes
    one of them, an op without inputs from before the beginning.
    """
    since, until = np.int64(LAST_MOMENT), np.int64(-1)
    lowest, end = np.int64(len(move.affected)), np.int64(0)
    for i in range(U(moved)):
        op = U(move.ops[i])
        until = max(until, run.finish[op])
        first, last = U(index.op_use_ptr[op]), U(index.op_use_ptr[op + ONE])
        if first == last:
            since = np.int64(-1)
        for j in range(first, last):
            maker = U(index.input_producer[j])
            apart_was = run.placement[maker] != run.placement[op]
            if apart_was or move.placement[maker] != move.placement[op]:
                since = min(since, run.finish[maker])
        for made in range(U(index.op_tensor_ptr[op]), U(index.op_tensor_ptr[op + ONE])):
            tensor = np.uint32(made)
            while tensor != NONE and not move.affected[tensor]:
                move.affected[tensor] = True
                lowest = min(lowest, np.int64(tensor))
                end = max(end, np.int64(tensor) + 1)
                tensor = work.tensor[tensor].alias
    return Span(since, until, lowest, end)


@jit_apart
def forget_affected(work, index, move, span):
    """No tensor is affected, and nothing holds those that were."""
    for number in range(span.first, span.last):
        tensor = U(number)
        if move.affected[tensor]:
            move.affected[tensor] = False
            work.tensor[tensor].holders = 0
            first, last = index.tensor_use_ptr[tensor], index.tensor_use_ptr[tensor + ONE]
            for use in range(U(first), U(last)):
                work.use[use].holders = 0


@jit
def fits(memory, room):
    """Is there room on each device for what it holds? Both (d,) bytes."""
    fits = True
    for i in range(U(len(room))):
        fits &= memory[i] <= room[i]
    return fits


@jit_once
def last_before(points, move, since):
    """The last checkpoint before ``since`` up to which memory suffices, or -1."""
    found = np.int64(-1)
    for number in range(len(points.state)):
        k = U(number)
        if points.valid[k]:
            if points.state[k].now >= since or not fits(points.peak_before[k], move.room):
                break
            found = np.int64(number)
    return found
