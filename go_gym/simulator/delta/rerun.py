"""Another placement's run, from one checkpoint of a recorded run to another."""

from pathlib import Path

import numpy as np

from go_gym.cluster import Cluster
from go_gym.graph import ComputationGraph
from go_gym.problem import Problem
from go_gym.simulator.delta.bound import get, kind_of, put, room_for
from go_gym.simulator.delta.checkpoints import (
    BYTES,
    EARLY_COUNT,
    FIRST_STRAY,
    LACK_DEVICE,
    LACK_TIME,
    RECORDINGS,
    STEP,
    Base,
    Checkpoints,
    Wiring,
    let_go_of,
    load,
    make_base,
    make_checkpoints,
    make_wiring,
    save,
)
from go_gym.simulator.delta.early import amend, forget, look_ahead
from go_gym.simulator.delta.keeping import give_up, keep, let_go
from go_gym.simulator.delta.moving import (
    ADOPT,
    RECORD,
    TRY,
    end_moves,
    fits,
    last_before,
    move,
    reach,
)
from go_gym.simulator.delta.rest import late_at, same_rest
from go_gym.simulator.engine import LAST_MOMENT, advance, begin, jit_entry
from go_gym.simulator.tables import Tables, build_tables
from go_gym.simulator.work import FREE, U, Work, make_work

UNMOVED, NO_ROOM = -2, -3
"""What ``rerun`` returns in place of where it went on from if all ops are there already, and if the
checkpoints have too little room: then nothing holds but the placement, and all must be recorded
anew."""


Parts = tuple[Tables, Work, Wiring, Base, Checkpoints]
"""What a run reads and writes."""


def _smallest() -> Parts:
    graph = ComputationGraph.from_costs([0], [(0, 0)], [])
    problem = Problem(graph, Cluster.uniform(devices=1, bandwidth=1.0))
    tables = build_tables(problem)
    work = make_work(tables, FREE, False, trace=True)
    base, points = make_base(work, 1), make_checkpoints(tables, work, 1, 1)
    return tables, work, make_wiring(problem, tables), base, points


_KIND = kind_of(_smallest())


def bind(parts: Parts) -> np.ndarray:
    """(words,) uint64 that tell :func:`rerun` where these are, while they exist."""
    memory = room_for(parts)
    _bind(memory, parts)
    return memory


@jit_entry
def _bind(memory, value):
    put(memory, _KIND, value)


def _compile(stamp):
    """The entry point. ``stamp`` makes Numba's cache, which looks at the time of the file of an
    entry point only, see a change of what is inlined into it."""

    @jit_entry
    def rerun(memory, contention, level, ops, devices, purpose, every, busy, peak, told):
        """Simulate the base's placement with ``ops`` (k,) on ``devices`` (k,), or (1,) for all.

        ``memory`` is that of :func:`bind`; ``level`` (1, n), None for FIFO. Of the checkpoints that
        it passes one in ``every`` is kept; the others are void until another run passes. ``busy``
        and ``peak`` (d,) and ``told`` (FIGURES_TOLD,) get the result: step time and the engine's
        figures.

        Returns:
            (checkpoint that it went on from or -1, that from which the rest is the old run or -1)
        """
        stamp  # noqa: B018
        tables, work, wiring, base, points = get(memory, _KIND)
        s, count = work.state[U(0)], len(points.saved)
        moved, stray = move(tables, work, wiring, base, ops, devices)
        if moved == 0 and purpose != RECORD:
            return UNMOVED, -1
        base.told[RECORDINGS] += 1
        change, settled, low, high = reach(work, wiring, base, moved)
        start = np.int64(-1)
        if purpose != RECORD:
            start = last_before(points, base.room, change)
        least = start
        if purpose == TRY and change >= 0:
            start = look_ahead(tables, work, contention, wiring, base, points, moved, least)
        if start >= 0:
            load(work, wiring, base, points, U(start))
            s.stray = stray
            if start > least:
                amend(tables, work, wiring, base, moved)
        else:
            begin(tables, work, base.trial, level)
        for i in range(U(len(busy))):
            dev = work.device[i]
            dev.peak = dev.memory
            if start >= 0 and purpose == TRY:
                dev.peak = points.before[U(start), i]
                if start > least:
                    dev.peak = base.lead[i]
        stop, number = np.int64(-1), start + 1
        while True:
            k, enough, known, kept = U(number), np.int64(LAST_MOMENT), False, False
            if number < count:
                then = points.state[k]
                known = purpose != RECORD and points.saved[k] >= 0 and then.now >= settled
                kept = purpose != TRY and (number - start) % every == 0
                if purpose == ADOPT and not kept:
                    points.saved[k] = -1
                enough = then.done
                if purpose == RECORD:
                    enough = np.int64((number + 1) * len(base.place) // (count + 1))
                number += 1
                if not known and not kept:
                    continue
            advance(tables, work, contention, level, enough)
            if enough == LAST_MOMENT:
                break
            if known and same_rest(work, wiring, base, points, k, moved, low, high, purpose != TRY):
                if s.oom_time >= 0 or fits(base.rest, base.room):
                    stop = number - 1
                    break
                settled = LAST_MOMENT
            if kept:
                if not save(work, points, k, base.told[RECORDINGS]):
                    give_up(tables, work, contention, level, base, low, high)
                    return NO_ROOM, -1
                for i in range(U(len(busy))):
                    dev = work.device[i]
                    dev.peak = dev.memory
        late = np.int64(0)
        told[STEP] = s.now
        told[BYTES] = s.moved
        told[LACK_TIME] = s.oom_time
        told[LACK_DEVICE] = s.oom_device
        told[FIRST_STRAY] = s.stray
        for i in range(U(len(busy))):
            dev = work.device[i]
            busy[i] = dev.busy
            peak[i] = dev.peak
        if stop >= 0:
            k = U(stop)
            late = late_at(work, points, k)
            told[STEP] = base.told[STEP] + late
            told[BYTES] += base.told[BYTES] - points.state[k].moved
            for i in range(U(len(busy))):
                busy[i] += base.busy[i] - points.device[k, i].busy
                if base.rest[i] > peak[i]:
                    peak[i] = base.rest[i]
        if purpose != TRY and not keep(
            work, wiring, base, points, start, stop, late, busy, peak, told, low, high, purpose
        ):
            give_up(tables, work, contention, level, base, low, high)
            return NO_ROOM, -1
        for i in range(U(len(peak))):
            peak[i] += tables.capacity[i] - work.device[i].room
        if stop >= 0:
            let_go(work, wiring, base, points, U(stop), low, high)
        if start > least:
            for i in range(U(base.told[EARLY_COUNT])):
                let_go_of(work, wiring, U(base.early_list[i]))
            forget(base)
        end_moves(work, wiring, base, moved, purpose)
        for i in range(low, high):
            base.touched[U(i)] = 0
        return start, stop

    return rerun


_SHARED = ("tables", "work", "engine", "prefetch")
_PARTS = ("bound", "checkpoints", "moving", "early", "peaks", "rest", "keeping")
_here = Path(__file__).parent
_files = [(_here.parent / f"{name}.py").stat() for name in _SHARED]
_files += [(_here / f"{name}.py").stat() for name in _PARTS]
rerun = _compile(tuple((file.st_mtime_ns, file.st_size) for file in _files))
