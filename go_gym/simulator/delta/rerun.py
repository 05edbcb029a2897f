"""A move's run: from the last checkpoint before anything changes to the first after which nothing
does but the time. ``docs/delta-simulation.md`` shows it."""

import numpy as np
from numba import types
from numba.experimental import structref

from go_gym.simulator.delta.adopting import adopt
from go_gym.simulator.delta.checkpoints import clear, let_go, load, save, wipe
from go_gym.simulator.delta.moving import (
    fits,
    forget_affected,
    last_before,
    place,
    settle,
    span_of,
    take_back,
)
from go_gym.simulator.delta.rejoining import rejoins, shift_at
from go_gym.simulator.engine import advance, begin
from go_gym.simulator.jit import entry_point, jit, jit_apart, jit_bound, jit_once
from go_gym.simulator.work import LAST_MOMENT, U

TRY, ADOPT, RECORD = 0, 1, 2
"""What a run is for: its result; to be the recorded one from then on, for which checkpoints that it
passes are saved; the same, but from the beginning to the end."""
UNMOVED = -2
"""What ``rerun`` returns in place of where it resumed if all ops are there already."""


@structref.register
class PartsType(types.StructRef):  # type: ignore[misc]
    """The type of Parts in compiled code."""


class Parts(structref.StructRefProxy):  # type: ignore[misc]
    """All that a run reads and writes, in one object.

    Numba looks at each argument of a call: these 87 arrays by themselves would take it as long as
    the shortest runs do.
    """


PARTS = ("tables", "work", "untimed", "index", "run", "move", "scratch", "points")
structref.define_proxy(Parts, PartsType, list(PARTS))


@entry_point
def bind(stamp):
    """The Parts of the engine's ``tables`` and ``work``, the same without times of ops, the tuples
    of ``arrays.py`` and the Checkpoints."""

    @jit_bound
    def bind(tables, work, untimed, index, run, move, scratch, points):
        stamp  # noqa: B018
        return Parts(tables, work, untimed, index, run, move, scratch, points)

    return bind


@entry_point
def rerun(stamp):
    """Simulate the recorded placement with ``ops`` (k,) on ``devices``, (k,) or (1,) for all.

    Args:
        parts: Parts.
        contention: its number.
        level: (1, n) priorities, None for FIFO.
        ops, devices: int64.
        purpose: TRY, ADOPT or RECORD.
        save_every: of the checkpoints that the run passes, one in so many is saved; the others are
            void until another run passes.
        limit: ns above which a try is broken off, the last moment for none.
        busy, peak: (d,) int64, get the result.
        outcome: (1,) OUTCOME, likewise.

    Returns:
        The checkpoints from which the run resumed, and from which the rest is the recorded run;
        -1 for the beginning and the end.
    """

    @jit_bound
    def rerun(
        parts, contention, level, ops, devices, purpose, save_every, limit, busy, peak, outcome
    ):  # fmt: skip
        stamp  # noqa: B018
        return _rerun(
            parts.tables, parts.untimed if purpose == TRY else parts.work, parts.index, parts.run,
            parts.move, parts.scratch, parts.points, contention, level,
            ops, devices, purpose, save_every, limit, busy, peak, outcome,
        )  # fmt: skip

    return rerun


@jit_apart
def _rerun(
    tables, work, index, run, move, scratch, points, contention, level,
    ops, devices, purpose, save_every, limit, busy, peak, outcome,
):  # fmt: skip
    moved, misplaced = place(tables, work, index, run, move, ops, devices)
    if moved == 0 and purpose != RECORD:
        return UNMOVED, -1
    span = span_of(work, index, run, move, moved)
    resumed = np.int64(-1)
    if purpose != RECORD:
        resumed = last_before(points, move, span.since)
    if resumed >= 0:
        load(tables, work, index, run, move, points, U(resumed), limit)
        work.state[U(0)].misplaced = misplaced
    else:
        begin(tables, work, move.placement, level, limit)
    for i in range(U(len(peak))):
        dev = work.device[i]
        dev.peak = dev.memory
        if resumed >= 0 and purpose == TRY:
            dev.peak = points.peak_before[U(resumed), i]
    rejoined = _run_on(
        tables, work, index, run, move, scratch, points, contention, level,
        moved, span, resumed, purpose, save_every,
    )  # fmt: skip
    shift = np.int64(0)
    if rejoined >= 0:
        shift = shift_at(work, points, U(rejoined))
    _sum_up(work, run, scratch, points, rejoined, shift, busy, peak, outcome)
    if purpose != TRY:
        adopt(tables, work, index, run, points, resumed, rejoined, shift, busy, peak, outcome)
    for i in range(U(len(peak))):
        peak[i] += tables.capacity[i] - work.device[i].room
    if rejoined >= 0:
        clear(work, points, U(rejoined))
    elif is_over(work):
        wipe(tables, work, index, points, resumed)
    else:
        let_go(work, index)
    forget_affected(work, index, move, span)
    if purpose == TRY:
        take_back(tables, work, index, run, move, moved)
    else:
        settle(run, move, moved)
    return resumed, rejoined


@jit_once
def _run_on(
    tables, work, index, run, move, scratch, points, contention, level,
    moved, span, resumed, purpose, save_every,
):  # fmt: skip
    """Go on until the rest of the run is the recorded one, and fits; save checkpoints on the way
    unless it is a try.

    Returns:
        from which checkpoint on it is, -1 for none
    """
    count, compares = len(points.state), purpose != RECORD
    for number in range(resumed + 1, count):
        k = U(number)
        comparable = compares and points.valid[k] and points.state[k].now >= span.until
        saves = purpose != TRY and (number - resumed) % save_every == 0
        if purpose == ADOPT and not saves:
            points.valid[k] = False
        if not comparable and not saves:
            continue
        enough = np.int64((number + 1) * len(index.timed) // (count + 1))
        advance(tables, work, contention, level, enough)
        if is_over(work):
            return np.int64(-1)
        if comparable and rejoins(
            tables, work, index, run, move, scratch, points, k, moved, span, purpose != TRY
        ):
            if work.state[U(0)].oom_time >= 0 or fits(scratch.rest_peak, move.room):
                return np.int64(number)
            compares = False  # the first lack of memory is in the rest, but when?
        if saves:
            save(tables, work, index, points, k)
            for i in range(U(len(work.device))):
                dev = work.device[i]
                dev.peak = dev.memory
    advance(tables, work, contention, level, np.int64(LAST_MOMENT))
    return np.int64(-1)


@jit
def is_over(work):
    """Was the run broken off?"""
    return work.state[U(0)].least > work.state[U(0)].limit


@jit_once
def _sum_up(work, run, scratch, points, rejoined, shift, busy, peak, outcome):
    """The result of the run so far and, if it rejoined the recorded one, of the rest of that;
    ``peak`` beside the parameters."""
    s, found = work.state[U(0)], outcome[U(0)]
    found.step_time = max(s.now, s.least)
    found.bytes_moved = s.moved
    found.oom_time = s.oom_time
    found.oom_device = s.oom_device
    found.misplaced = s.misplaced
    for i in range(U(len(busy))):
        dev = work.device[i]
        busy[i] = dev.busy
        peak[i] = dev.peak
    if rejoined >= 0:
        k, recorded = U(rejoined), run.outcome[U(0)]
        found.step_time = recorded.step_time + shift
        found.bytes_moved += recorded.bytes_moved - points.state[k].moved
        for i in range(U(len(busy))):
            busy[i] += run.busy[i] - points.device[k, i].busy
            peak[i] = max(peak[i], scratch.rest_peak[i])
