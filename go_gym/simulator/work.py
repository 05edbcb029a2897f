"""Working memory of the engine: packed records of what changes during a simulation.

A *slot* is the copy of a tensor on a device other than its producer's, and the transfer that
brings it.
"""

from typing import NamedTuple

import numpy as np

from go_gym.simulator.tables import Tables

FREE, LINK, EGRESS, DUPLEX = 0, 1, 2, 3  # the order of CONTENTION_MODELS

# Entries of `scalars`. How many devices and ports are to look at, events are in the heap, ops and
# transfers end now, ops have ended, slots were ever taken; the first slot given back, or NONE:
U = np.uint64
DEVICES, PORTS, EVENTS, ENDING, DONE, SLOTS, SPARE = U(0), U(1), U(2), U(3), U(4), U(5), U(6)
NOW = U(7)
FIGURES = 8  # what `figures` of run_many gets begins here:
MOVED, OOM_TIME, OOM_DEVICE, STRAY, SCALARS = U(8), U(9), U(10), U(11), 12

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
        ("_pad", np.uint32),
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

    op: np.ndarray  # (n,) OP
    tensor: np.ndarray  # (t,) TENSOR
    use: np.ndarray  # (u,) USE, of remote uses
    slot: np.ndarray  # (u,) SLOT
    queue: np.ndarray  # (n,) uint32 ready ops, a stretch a device; FIFO
    heap: np.ndarray  # (n,) QUEUED likewise; with priorities: minus the priority, ready time, op
    device: np.ndarray  # (d,) DEVICE_STATE
    port: np.ndarray  # (p,) PORT_STATE
    device_list: np.ndarray  # (d,) uint32, devices to look at before time moves on
    port_list: np.ndarray  # (p or u,) uint32 ports to look at (none: slots to start)
    events: np.ndarray  # (d + u + 2,) EVENT: heap, from 1, of ops (code < d), transfers (slot + d)
    ending: np.ndarray  # (d + u,) int64 codes of what ends now
    scalars: np.ndarray  # (SCALARS,) int64
    op_times: np.ndarray  # (2, n or 0) int64, start and finish
    transfers: np.ndarray  # (u or 0,) TRANSFER, by the first use of each copy; tensor -1 for none


def make_work(
    tables: Tables, contention: int, priorities: bool, trace: bool, times: bool = False
) -> Work:
    """Empty working memory for the problem of ``tables``; ``times`` keeps those of ops alone."""
    n, u = len(tables.op), int(tables.op["inputs"].sum())
    d = len(tables.capacity)
    ports = d * d if contention == LINK else d
    return Work(
        op=tables.op.copy(),
        tensor=tables.tensor.copy(),
        use=np.empty(u, dtype=USE),
        slot=np.empty(u, dtype=SLOT),
        queue=np.empty(0 if priorities else n, dtype=np.uint32),
        heap=np.empty(n if priorities else 0, dtype=QUEUED),
        device=np.empty(d, dtype=DEVICE_STATE),
        port=np.empty(ports, dtype=PORT_STATE),
        device_list=np.empty(d, dtype=np.uint32),
        port_list=np.empty(u if contention == FREE else ports, dtype=np.uint32),
        events=np.empty(d + u + 2, dtype=EVENT),
        ending=np.empty(d + u, dtype=np.int64),
        scalars=np.empty(SCALARS, dtype=np.int64),
        op_times=np.empty((2, n if trace or times else 0), dtype=np.int64),
        transfers=np.empty(u if trace else 0, dtype=TRANSFER),
    )
