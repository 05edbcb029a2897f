"""Working memory of the engine: packed records of what changes during a simulation.

A *slot* is a transfer that waits or is under way: of a tensor to a device other than its
producer's.
"""

from typing import NamedTuple

import numpy as np

from go_gym.simulator.heap import QUEUED
from go_gym.simulator.order import set_strict
from go_gym.simulator.tables import NONE, Tables

FREE, LINK, EGRESS, DUPLEX = 0, 1, 2, 3  # the order of CONTENTION_MODELS

U = np.uint64
LAST_MOMENT = np.iinfo(np.int64).max
STATE = np.dtype(
    [
        ("devices", np.uint64),  # how many are to look at before time moves on
        ("ports", np.uint64),  # likewise
        ("leaves", np.uint64),  # of the tree of events, a power of two: node of the first one
        ("root", np.uint64),  # the node above the leaves in use
        ("next", np.int64),  # event there: its time, the last moment if there is none,
        ("first", np.uint64),  # and its leaf
        ("instants", np.uint64),  # ops and transfers that take no time and are yet to end now
        ("grown", np.uint64),  # devices at whose memory to look before time moves on
        ("done", np.int64),  # ops that have ended, of those that take time
        ("ended", np.uint64),  # ops noted as ended
        ("slots", np.uint64),  # ever taken
        ("spare", np.uint64),  # the first slot given back, or NONE
        ("sent", np.uint64),  # transfers noted
        ("now", np.int64),
        ("moved", np.int64),  # bytes
        ("oom_time", np.int64),  # the first lack of memory, -1 if none
        ("oom_device", np.int64),
        ("misplaced", np.int64),  # the first op away from its co-location group, -1 if none
        ("least", np.int64),  # what the step takes at least, by the ops that have begun
        ("limit", np.int64),  # above which the run stops
    ]
)
WORD = 8  # bytes

OP_STATE = np.dtype(
    [
        ("device", np.uint32),
        ("missing", np.uint32),  # inputs yet to arrive
        ("packet", np.uint32),  # where its part of the program is
        ("inputs", np.uint32),  # how many, and INSTANT: the same in every simulation
    ]
)
USE = np.dtype(
    [
        ("first", np.uint32),  # use of the same copy
        ("next", np.uint32),  # likewise
        ("consumer", np.uint32),
        ("holders", np.int32),  # what still needs the copy, of the first use; 0 for others
    ]
)
SLOT = np.dtype(
    [
        ("requested", np.int64),
        ("size", np.int64),
        ("duration", np.int64),
        ("tensor", np.uint32),
        ("source", np.uint32),
        ("device", np.uint32),  # where the copy goes
        ("use", np.uint32),  # first of its uses
        ("next_copy", np.uint32),  # that the same transfer brings
        ("next", np.uint32),  # in the port's queue, or of those given back
        ("previous", np.uint32),
        ("port", np.uint32),  # that it leaves by (none: its own number)
    ]
)
DEVICE_STATE = np.dtype(
    [
        ("base", np.uint64),  # its stretch of the ready queue: where it begins,
        ("head", np.uint64),  # its first entry
        ("tail", np.uint64),  # and one past its last
        ("moment", np.int64),  # when the last op became ready (in order: STRICT),
        ("moment_start", np.uint64),  # the first entry of that moment (in order: ops begun)
        ("memory", np.int64),  # held beyond the parameters
        ("peak", np.int64),  # of that
        ("room", np.int64),  # for that
        ("busy", np.int64),
        ("work", np.int64),  # ns that its ops take in all; 0 where no limit is given
        ("running", np.uint32),  # packet, or IDLE, or LISTED among the devices that can start one
        ("row", np.uint32),  # its class of devices
        ("seen", np.uint32),  # the last tensor that was requested for it,
        ("seen_first", np.uint32),  # the first use of that there
        ("seen_tail", np.uint32),  # and the last
        ("grown", np.uint32),  # is it among those at whose memory to look?
    ]
)
PORT_STATE = np.dtype(
    [
        ("outgoing", np.uint32),  # VACANT, BUSY or LATER: listed (duplex: waits for a destination)
        # duplex only, where port i is also the incoming port of device i
        ("incoming", np.uint32),  # VACANT, BUSY or LATER: listed
        ("waiting", np.uint32),  # first source whose head wants this destination
        ("waiting_next", np.uint32),  # the next such source
    ]
)
TRANSFER = np.dtype(
    [
        ("tensor", np.uint32),
        ("source", np.uint32),
        ("to", np.uint32),
        ("_pad", np.uint32),
        ("requested", np.int64),
        ("start", np.int64),
        ("finish", np.int64),
    ]
)


# Wide: an array for each kind of thing that a run changes, as compiled code takes them
class Work(NamedTuple):
    """What changes during a simulation. n ops, t tensors, u uses, d devices, p ports."""

    op: np.ndarray  # (n,) OP_STATE
    tensor: np.ndarray  # (t,) TENSOR
    use: np.ndarray  # (u,) USE, of remote uses
    slot: np.ndarray  # (p + u,) SLOT, of which each port has the first: both ends of its queue
    queue: np.ndarray  # (n + 2,) uint32 packets of ready ops, a stretch a device; FIFO
    heap: np.ndarray  # (n,) QUEUED likewise; with priorities: minus the priority, ready time, op
    words: np.ndarray  # uint64, the memory of the next three in turn
    fresh: np.ndarray  # uint64, what it holds before anything has started
    state: np.ndarray  # (1,) STATE
    device: np.ndarray  # (d,) DEVICE_STATE
    port: np.ndarray  # (p,) PORT_STATE
    device_list: np.ndarray  # (d + 1,) uint32, devices that start an op before time moves on
    port_list: np.ndarray  # (p + 1 or u + 1,) uint32 ports to look at (none: slots to start)
    event_time: np.ndarray  # (2 l,) int64: a tree from 1, node i the earlier of 2 i and 2 i + 1,
    event_leaf: np.ndarray  # (2 l,) uint32, and which leaf of the l from `leaves` on that is: there
    # is one for each device and each port (none: each slot)
    moving: np.ndarray  # (l,) uint32, the slot of the transfer of a leaf
    instant: np.ndarray  # (n + u,) uint32, what takes no time: op, or n + slot
    grown: np.ndarray  # (d,) uint32, devices at whose memory to look before time moves on
    apart: np.ndarray  # (1 + v,) uint32, the number of groups of which a member is away from its
    # leader, and these leaders, perhaps several times
    op_times: np.ndarray  # (2, n or 0) int64, start and finish
    ended: np.ndarray  # (n or 0,) uint32, ops in the order in which they ended, without members
    # that ended with their leaders
    transfers: np.ndarray  # (u or 0,) TRANSFER, in order of start


def make_work(
    tables: Tables, contention: int, priorities: bool, trace: bool, times: bool = False
) -> Work:
    """Working memory for the problem of ``tables``; ``times`` keeps those of ops alone."""
    n, u = len(tables.op), len(tables.consumer)
    d = len(tables.capacity)
    ports = d * d if contention == LINK else d
    leaves = _power_of_two(d + ports + (u if contention == FREE else 0))
    fresh = _fresh(tables, ports, leaves)
    words = fresh.copy()
    state, device, port = _parts(words, d)
    op = np.empty(n, dtype=OP_STATE)
    op["packet"], op["inputs"] = tables.op["packet"], tables.op["inputs"]
    slot = np.zeros(ports + u, dtype=SLOT)
    ends = slot[:ports]
    ends["requested"] = -1  # before all that asks for the port
    ends["next"] = ends["previous"] = np.arange(ports)
    event_leaf = np.zeros(2 * leaves, dtype=np.uint32)
    event_leaf[leaves:] = np.arange(leaves)
    return Work(
        op=op,
        tensor=tables.tensor.copy(),
        use=np.zeros(u, dtype=USE),
        slot=slot,
        queue=np.zeros(0 if priorities else n + 2, dtype=np.uint32),
        heap=np.empty(n if priorities else 0, dtype=QUEUED),
        words=words,
        fresh=fresh,
        state=state,
        device=device,
        port=port,
        device_list=np.empty(d + 1, dtype=np.uint32),
        port_list=np.empty(1 + (u if contention == FREE else ports), dtype=np.uint32),
        event_time=np.full(2 * leaves, LAST_MOMENT),
        event_leaf=event_leaf,
        moving=np.zeros(leaves, dtype=np.uint32),
        instant=np.empty(n + u, dtype=np.uint32),
        grown=np.empty(d, dtype=np.uint32),
        apart=np.zeros(1 + len(tables.members), dtype=np.uint32),
        ended=np.empty(n if trace or times else 0, dtype=np.uint32),
        op_times=np.zeros((2, n if trace or times else 0), dtype=np.int64),
        transfers=np.zeros(u if trace else 0, dtype=TRANSFER),
    )


def expand_times(tables: Tables, work: Work) -> None:
    """Note when members of groups were done that the run took for part of their leaders."""
    op, leader = tables.members.T
    whole = work.op["packet"][leader] != tables.op["plain"][leader]
    work.op_times[:, op[whole]] = work.op_times[1, leader[whole]]


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _fresh(tables: Tables, ports: int, leaves: int) -> np.ndarray:
    """State, devices and ports before anything has started; of all else the engine sees to it."""
    d = len(tables.capacity)
    parts = STATE.itemsize, d * DEVICE_STATE.itemsize, ports * PORT_STATE.itemsize
    words = np.zeros(sum(parts) // WORD, dtype=np.uint64)
    state, device, port = _parts(words, d)
    state["spare"] = NONE
    state["slots"] = ports
    state["leaves"] = leaves
    state["root"] = leaves // _power_of_two(d + ports)
    state["next"] = state["limit"] = LAST_MOMENT
    for label in ("oom_time", "oom_device", "misplaced"):
        state[label] = -1
    device["moment"] = -1
    device["room"] = tables.capacity
    device["row"] = tables.device_class
    for label in ("running", "seen"):
        device[label] = NONE
    port["waiting"] = NONE
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


def keep_order(work: Work, strict: bool) -> None:
    """Say whether the devices of the runs to come keep to a strict order."""
    set_strict(_parts(work.fresh, len(work.device))[1], strict)


def make_outcome(decisions: int, devices: int) -> np.ndarray:
    """Room for what `run_many` says of each decision."""
    size = STATE.itemsize + devices * DEVICE_STATE.itemsize
    return np.empty((decisions, size // WORD), dtype=np.uint64)


def last_moment(tables: Tables, outcome: np.ndarray) -> np.ndarray:
    """(b,) int64 ns: when the last thing happened in the run of each decision of an outcome."""
    return _parts(outcome, len(tables.capacity))[0]["now"][:, 0].copy()


def read_outcome(tables: Tables, outcome: np.ndarray) -> tuple[np.ndarray, ...]:
    """What an outcome of `make_outcome` says of each of b decisions.

    Returns:
        (b,) step time in ns; (b, d) ns that each device computes; (b, d) bytes, its peak; (b,)
        bytes moved; (b, 3) time and device of the first lack of memory, first op away from its
        co-location group, each -1 if none.
    """
    state, device, _ = _parts(outcome, len(tables.capacity))
    faults = [state[label] for label in ("oom_time", "oom_device", "misplaced")]
    return (
        np.maximum(state["now"][:, 0], state["least"][:, 0]),
        device["busy"].copy(),
        device["peak"] + (tables.capacity - device["room"]),
        state["moved"][:, 0].copy(),
        np.concatenate(faults, axis=1),
    )
