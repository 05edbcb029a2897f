"""The ready queue of a device at run time, by the simulator's rule, in compiled code.

An op is ready when all its inputs are on the device. The highest priority goes first, then who
became ready first, then the lowest op number. What a device knows is one packed array, the
*table*: it is read and written between any two ops, without the interpreter's lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit

from go_gym.graph import ComputationGraph
from go_gym.hardware.runtime.control import AT, HALT, LOG, STAMP, arrival, give_way, pack, part
from go_gym.hardware.runtime.schedule import Channel, find_channels

(
    _OPS,  # (k,) the device's ops, rising
    _URGENCY,  # (k,) less is more urgent
    _SILENT,  # (k,) 1 where nothing is called or posted
    _USER_PTR,  # (k + c + 1,) by source: the device's ops, then its incoming channels
    _USER,  # who waits for the source: places in _OPS, one for each tensor
    _IN_PTR,  # (k + 1,)
    _IN,  # tensors that each op uses, by their place among those held here
    _OUT_PTR,  # (k + 1,)
    _OUT,  # tensors that each op makes, likewise
    _HELD,  # (h,) tensors that are ever held here
    _SOURCE,  # (all channels,) the source that an incoming channel is
    _NEED,  # (k,) inputs of each op
    _USES,  # (h,) uses of each tensor here, one more for those that are kept
    _MISSING,  # (k,) what is left of _NEED in this step
    _SINCE,  # (k,) when the latest of its inputs so far was there, ns
    _LEFT,  # (h,) what is left of _USES
    _HEAP,  # (3 k,) the queue: urgency, ready time, place in _OPS
    _SIZE,  # (2,) of the queue; ops that ended
    _NEWS,  # (h + c,) tensors to forget, and -1 - channel for those that arrived
    _ME,  # (1,) the device
    _SEEN,  # (w,) posts of each worker that were taken notice of, in all steps
) = range(21)
BITS = 32
"""What :func:`advance` returns: the op's place, and above these bits the number of news."""
ENDED, HALTED = -1, -2


@dataclass(frozen=True, eq=False)
class Queues:
    """Ready queues for all devices.

    Attributes:
        channels: tensors that travel, numbered.
        tables: for each device its table; a step changes it.
    """

    channels: tuple[Channel, ...]
    tables: tuple[np.ndarray, ...]

    def ops(self, device: int) -> list[int]:
        """The ops of a device; their places in this list are what :func:`advance` speaks of."""
        table = self.tables[device]
        return table[int(table[_OPS]) : int(table[_OPS + 1])].tolist()

    def news(self, device: int) -> np.ndarray:
        """Where :func:`advance` writes its news."""
        table = self.tables[device]
        return table[int(table[_NEWS]) : int(table[_NEWS + 1])]


def build_queues(
    graph: ComputationGraph,
    placement: np.ndarray,
    priority: np.ndarray | None,
    devices: int,
    resident: Iterable[int] = (),
    keep: Iterable[int] = (),
) -> Queues:
    """The queues of all devices.

    Args:
        graph: the graph.
        placement: (n,) device of each op.
        priority: (n,) highest first; None: in order of getting ready.
        devices: how many there are.
        resident: ops that call nothing, since their tensor is there from the start.
        keep: tensors that stay to the end of the step where they are produced (the results).
    """
    channels = find_channels(graph, placement)
    levels = np.zeros(graph.num_ops, dtype=np.int64) if priority is None else np.asarray(priority)
    quiet = np.zeros(graph.num_ops, dtype=bool)
    quiet[list(resident)] = True
    quiet[graph.tensor_producer[[channel.tensor for channel in channels]]] = False
    kept = np.zeros(graph.num_tensors, dtype=bool)
    kept[list(keep)] = True
    tables = [
        _table(graph, np.asarray(placement), levels, channels, (device, devices), quiet, kept)
        for device in range(devices)
    ]
    return Queues(channels, tuple(tables))


def _table(
    graph: ComputationGraph,
    place: np.ndarray,
    levels: np.ndarray,
    channels: tuple[Channel, ...],
    which: tuple[int, int],
    quiet: np.ndarray,
    kept: np.ndarray,
) -> np.ndarray:
    device, devices = which
    ops = np.flatnonzero(place == device)
    at = np.full(graph.num_ops, -1, dtype=np.int64)
    at[ops] = np.arange(len(ops))
    coming = [number for number, each in enumerate(channels) if each.destination == device]
    source = np.full(len(channels), -1, dtype=np.int64)
    source[coming] = len(ops) + np.arange(len(coming))
    source_of = at[graph.tensor_producer]  # of each tensor: an op here, or a channel
    for number in coming:
        source_of[channels[number].tensor] = source[number]
    here = place[graph.use_consumer] == device
    tensor, user = graph.use_tensor[here], at[graph.use_consumer[here]]
    made_here = place[graph.tensor_producer] == device
    uses = np.bincount(tensor, minlength=graph.num_tensors) + (kept & made_here)
    held = np.flatnonzero(made_here | (uses > 0))
    local = np.full(graph.num_tensors, -1, dtype=np.int64)
    local[held] = np.arange(len(held))
    out = np.flatnonzero(made_here)
    need = np.bincount(user, minlength=len(ops))
    return pack(
        [
            ops,
            -levels[ops],
            quiet[ops],
            *_rows(source_of[tensor], user, len(ops) + len(coming)),
            *_rows(user, local[tensor], len(ops)),
            *_rows(at[graph.tensor_producer[out]], local[out], len(ops)),
            held,
            source,
            need,
            uses[held],
            need,
            np.zeros(len(ops), dtype=np.int64),
            uses[held],
            np.zeros(3 * len(ops), dtype=np.int64),
            np.zeros(2, dtype=np.int64),
            np.zeros(len(held) + len(coming), dtype=np.int64),
            np.array([device]),
            np.zeros(devices, dtype=np.int64),
        ]
    )


def _rows(row: np.ndarray, value: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows + 1,) where each row's values begin, and the values by row."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
    return ends, value[np.argsort(row, kind="stable")]


@njit(nogil=True, cache=True)
def begin(table, now):
    """Begin a step: ops without inputs are ready."""
    missing, size = part(table, _MISSING), part(table, _SIZE)
    missing[:] = part(table, _NEED)
    part(table, _SINCE)[:] = now
    part(table, _LEFT)[:] = part(table, _USES)
    size[:] = 0
    for op in range(len(missing)):
        if missing[op] == 0:
            _push(table, now, op)


@njit(nogil=True, cache=True)
def advance(table, board, ended, now):
    """End an op and choose the next one, waiting until one is ready.

    Args:
        table: the device's.
        board: see :mod:`go_gym.hardware.runtime.control`.
        ended: the op's place, -1 for none.
        now: ns on the clock of the stamps.

    Returns:
        The next op's place + (number of news << BITS); ENDED after the last op; HALTED if a
        worker failed.
    """
    halt, where, size = part(board, HALT), part(board, AT), part(table, _SIZE)
    silent, ops = part(table, _SILENT), len(part(table, _OPS))
    news = _arrivals(table, board, 0)
    if ended >= 0:
        news = _end(table, ended, now, news)
    while True:
        if size[0] > 0:
            op = _pop(table)
            if not silent[op]:
                return op + (news << BITS)
            news = _end(table, op, now, news)
        elif size[1] == ops:
            return ENDED
        else:
            where[part(table, _ME)[0]] = -1
            if halt[0]:
                return HALTED
            give_way()
            news = _arrivals(table, board, news)


@njit(nogil=True, cache=True)
def _arrivals(table, board, news):
    log, stamp = part(board, LOG), part(board, STAMP)
    source, found = part(table, _SOURCE), part(table, _NEWS)
    seen, me = part(table, _SEEN), part(table, _ME)[0]
    place = arrival(board, seen, me)
    while place >= 0:
        found[news] = -1 - log[place]
        news += 1
        _serve(table, source[log[place]], stamp[place])
        place = arrival(board, seen, me)
    return news


@njit(nogil=True, cache=True)
def _end(table, op, now, news):
    """Its users have its tensors, and what nobody needs any more is forgotten."""
    left, held, found = part(table, _LEFT), part(table, _HELD), part(table, _NEWS)
    _serve(table, op, now)
    inputs, input_ptr = part(table, _IN), part(table, _IN_PTR)
    for i in range(input_ptr[op], input_ptr[op + 1]):
        left[inputs[i]] -= 1
        if left[inputs[i]] == 0:
            found[news] = held[inputs[i]]
            news += 1
    outputs, output_ptr = part(table, _OUT), part(table, _OUT_PTR)
    for i in range(output_ptr[op], output_ptr[op + 1]):
        if left[outputs[i]] == 0:
            found[news] = held[outputs[i]]
            news += 1
    part(table, _SIZE)[1] += 1
    return news


@njit(nogil=True, cache=True)
def _serve(table, source, now):
    ptr, user = part(table, _USER_PTR), part(table, _USER)
    missing, since = part(table, _MISSING), part(table, _SINCE)
    for i in range(ptr[source], ptr[source + 1]):
        op = user[i]
        missing[op] -= 1
        since[op] = max(since[op], now)  # sources are asked one after another, not by time
        if missing[op] == 0:
            _push(table, since[op], op)


@njit(nogil=True, cache=True)
def _before(heap, a, b):
    for key in range(3):
        if heap[3 * a + key] != heap[3 * b + key]:
            return heap[3 * a + key] < heap[3 * b + key]
    return False


@njit(nogil=True, cache=True)
def _swap(heap, a, b):
    for key in range(3):
        heap[3 * a + key], heap[3 * b + key] = heap[3 * b + key], heap[3 * a + key]


@njit(nogil=True, cache=True)
def _push(table, now, op):
    heap, size = part(table, _HEAP), part(table, _SIZE)
    child = size[0]
    size[0] += 1
    heap[3 * child] = part(table, _URGENCY)[op]
    heap[3 * child + 1] = now
    heap[3 * child + 2] = op  # places rise with op numbers
    while child > 0 and _before(heap, child, (child - 1) // 2):
        _swap(heap, child, (child - 1) // 2)
        child = (child - 1) // 2


@njit(nogil=True, cache=True)
def _pop(table):
    heap, size = part(table, _HEAP), part(table, _SIZE)
    op = heap[2]
    size[0] -= 1
    last = size[0]
    _swap(heap, 0, last)
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= last:
            return op
        if child + 1 < last and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, parent):
            return op
        _swap(heap, child, parent)
        parent = child
