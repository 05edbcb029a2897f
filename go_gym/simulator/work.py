"""Working memory of the engine: packed records of what changes during a simulation.

A *slot* is the copy of a tensor on a device other than its producer's, and the transfer that
brings it.
"""

from typing import NamedTuple

import numpy as np

from go_gym.simulator.tables import NONE, Tables

FREE, LINK, EGRESS, DUPLEX = 0, 1, 2, 3  # the order of CONTENTION_MODELS

U = np.uint64
STATE = np.dtype(
    [
        ("devices", np.uint64),  # how many are to look at before time moves on
        ("ports", np.uint64),  # likewise
        ("events", np.uint64),  # in the heap
        ("ending", np.uint64),  # ops and transfers that took no time
        ("done", np.int64),  # ops that have ended
        ("slots", np.uint64),  # ever taken
        ("spare", np.uint64),  # the first slot given back, or NONE
        ("now", np.int64),
        ("moved", np.int64),  # bytes; from here on, what `figures` of run_many gets:
        ("oom_time", np.int64),  # the first lack of memory, -1 if none
        ("oom_device", np.int64),
        ("stray", np.int64),  # the first op away from its co-location group, -1 if none
    ]
)
WORD = 8  # bytes
SCALARS = STATE.itemsize // WORD
# The same as entries of `scalars`:
DEVICES, PORTS, EVENTS, ENDING, DONE, SLOTS, SPARE = U(0), U(1), U(2), U(3), U(4), U(5), U(6)
NOW = U(7)
FIGURES = 8
MOVED, OOM_TIME, OOM_DEVICE, STRAY = U(8), U(9), U(10), U(11)

OP_STATE = np.dtype([("device", np.uint32), ("missing", np.uint32)])  # inputs yet to arrive
USE = np.dtype(
    [
        ("slot", np.uint32),
        ("next", np.uint32),  # use of the same copy
        ("consumer", np.uint32),
        ("_pad", np.uint32),
    ]
)
SLOT = np.dtype(
    [
        ("requested", np.int64),
        ("size", np.int64),
        ("tensor", np.uint32),
        ("source", np.uint32),
        ("device", np.uint32),  # where the copy goes
        ("holders", np.int32),  # what still needs the copy
        ("use", np.uint32),  # first of its uses
        ("next_copy", np.uint32),  # that the same transfer brings
        ("next", np.uint32),  # in the port's queue, or of those given back
        ("previous", np.uint32),
    ]
)
DEVICE_STATE = np.dtype(
    [
        ("base", np.uint64),  # its stretch of the ready queue: where it begins,
        ("head", np.uint64),  # its first entry
        ("tail", np.uint64),  # and one past its last
        ("moment", np.int64),  # when the last op became ready,
        ("moment_start", np.uint64),  # and the first entry of that moment
        ("memory", np.int64),  # held beyond the parameters
        ("peak", np.int64),  # of that
        ("room", np.int64),  # for that
        ("busy", np.int64),
        ("running", np.uint32),  # op or IDLE
        ("touched", np.uint32),  # is it on the list of devices to look at?
        ("seen", np.uint32),  # the last tensor that was requested for it,
        ("seen_slot", np.uint32),  # its slot
        ("seen_tail", np.uint32),  # and the last use of that
        ("row", np.uint32),  # its class of devices
    ]
)
PORT_STATE = np.dtype(
    [
        ("head", np.uint32),  # first and last request of its queue
        ("tail", np.uint32),
        ("busy", np.uint32),
        ("listed", np.uint32),  # is it (duplex: this incoming port) on the list to look at?
        # duplex only, where port i is also the incoming port of device i
        ("incoming_busy", np.uint32),
        ("waiting", np.uint32),  # first source whose head wants this destination
        ("waiting_next", np.uint32),  # the next such source
        ("waiting_for", np.uint32),  # the destination that this source waits for, or NONE
    ]
)
QUEUED = np.dtype([("level", np.int64), ("time", np.int64), ("op", np.uint32), ("_pad", np.uint32)])
EVENT = np.dtype([("time", np.int64), ("code", np.int64)])
TRANSFER = np.dtype([(label, np.int64) for label in ("tensor", "source", "to", "start", "finish")])


class Work(NamedTuple):
    """What changes during a simulation. n ops, t tensors, u uses, d devices, p ports."""

    op: np.ndarray  # (n,) OP_STATE
    tensor: np.ndarray  # (t,) TENSOR
    use: np.ndarray  # (u,) USE, of remote uses
    slot: np.ndarray  # (u,) SLOT
    queue: np.ndarray  # (n,) uint32 ready ops, a stretch a device; FIFO
    heap: np.ndarray  # (n,) QUEUED likewise; with priorities: minus the priority, ready time, op
    words: np.ndarray  # uint64, the memory of the next four in turn
    fresh: np.ndarray  # uint64, what it holds before anything has started
    state: np.ndarray  # (1,) STATE
    device: np.ndarray  # (d,) DEVICE_STATE
    port: np.ndarray  # (p,) PORT_STATE
    scalars: np.ndarray  # (SCALARS,) int64, the state again
    device_list: np.ndarray  # (d,) uint32, devices to look at before time moves on
    port_list: np.ndarray  # (p or u,) uint32 ports to look at (none: slots to start)
    events: np.ndarray  # (d + u + 2,) EVENT: heap, from 1, of ops (code < d), transfers (slot + d)
    ending: np.ndarray  # (d + u,) int64 codes of what took no time
    op_times: np.ndarray  # (2, n or 0) int64, start and finish
    transfers: np.ndarray  # (u or 0,) TRANSFER, by the first use of each copy; tensor -1 for none


def make_work(
    tables: Tables, contention: int, priorities: bool, trace: bool, times: bool = False
) -> Work:
    """Working memory for the problem of ``tables``; ``times`` keeps those of ops alone."""
    n, u = len(tables.op), int(tables.op["inputs"].sum())
    d = len(tables.capacity)
    ports = d * d if contention == LINK else d
    fresh = _fresh(tables, ports)
    words = fresh.copy()
    state, device, port = _parts(words, d)
    transfers = np.empty(u if trace else 0, dtype=TRANSFER)
    transfers["tensor"] = -1
    return Work(
        op=np.empty(n, dtype=OP_STATE),
        tensor=tables.tensor.copy(),
        use=np.empty(u, dtype=USE),
        slot=np.empty(u, dtype=SLOT),
        queue=np.empty(0 if priorities else n, dtype=np.uint32),
        heap=np.empty(n if priorities else 0, dtype=QUEUED),
        words=words,
        fresh=fresh,
        state=state,
        device=device,
        port=port,
        scalars=state.view(np.int64),
        device_list=np.empty(d, dtype=np.uint32),
        port_list=np.empty(u if contention == FREE else ports, dtype=np.uint32),
        events=np.empty(d + u + 2, dtype=EVENT),
        ending=np.empty(d + u, dtype=np.int64),
        op_times=np.empty((2, n if trace or times else 0), dtype=np.int64),
        transfers=transfers,
    )


def _fresh(tables: Tables, ports: int) -> np.ndarray:
    """State, devices and ports before anything has started; of all else the engine sees to it."""
    d = len(tables.capacity)
    parts = STATE.itemsize, d * DEVICE_STATE.itemsize, ports * PORT_STATE.itemsize
    words = np.zeros(sum(parts) // WORD, dtype=np.uint64)
    state, device, port = _parts(words, d)
    state["spare"] = NONE
    for label in ("oom_time", "oom_device", "stray"):
        state[label] = -1
    device["moment"] = -1
    device["room"] = tables.capacity
    device["row"] = tables.device_class
    for label in ("running", "seen"):
        device[label] = NONE
    for label in ("head", "tail", "waiting", "waiting_for"):
        port[label] = NONE
    return words


def _parts(words: np.ndarray, devices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The state, devices and ports that lie in ``words`` (..., words)."""
    first = STATE.itemsize // WORD
    second = first + devices * DEVICE_STATE.itemsize // WORD
    return (
        words[..., :first].view(STATE),
        words[..., first:second].view(DEVICE_STATE),
        words[..., second:].view(PORT_STATE),
    )


def make_outcome(decisions: int, devices: int) -> np.ndarray:
    """Room for what `run_many` says of each decision."""
    size = STATE.itemsize + devices * DEVICE_STATE.itemsize
    return np.empty((decisions, size // WORD), dtype=np.uint64)


def told(tables: Tables, outcome: np.ndarray) -> tuple[np.ndarray, ...]:
    """What an outcome of `make_outcome` says of each of b decisions.

    Returns:
        (b,) step time in ns; (b, d) ns that each device computes; (b, d) bytes, its peak; (b,)
        bytes moved; (b, 3) time and device of the first lack of memory, first op away from its
        co-location group, each -1 if none.
    """
    state, device, _ = _parts(outcome, len(tables.capacity))
    faults = [state[label] for label in ("oom_time", "oom_device", "stray")]
    return (
        state["now"][:, 0].copy(),
        device["busy"].copy(),
        device["peak"] + (tables.capacity - device["room"]),
        state["moved"][:, 0].copy(),
        np.concatenate(faults, axis=1),
    )
