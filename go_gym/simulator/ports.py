"""Transfers that wait for their ports, in jitted code: part of ``engine.py``, whose words it uses.

A port has a queue of slots that want to leave it, linked from the earliest request on. A transfer
that needs an incoming port as well waits at the head of its queue until that one is vacant.
"""

import numpy as np

from go_gym.simulator.jit import jit, jit_once
from go_gym.simulator.tables import NONE
from go_gym.simulator.work import DUPLEX, FREE

U = np.uint64
ONE = U(1)
VACANT, BUSY, LATER = np.uint32(0), np.uint32(1), np.uint32(2)  # ports; LATER: listed or waiting


@jit_once
def use_elsewhere(uses, slots, dev, s, use, consumer, hold, tensor):
    """Book a use on another device; returns the slot if it is the first one there, else NONE."""
    booked = uses[use]
    booked.next = NONE
    booked.consumer = consumer
    if dev.seen == tensor:
        booked.first = dev.seen_first
        uses[dev.seen_first].holders += hold
        uses[dev.seen_tail].next = use
        dev.seen_tail = use
        return U(NONE)
    booked.first = use
    booked.holders = hold
    slot = s.spare
    if slot == NONE:
        slot = s.slots
        s.slots += ONE
    else:
        s.spare = slots[slot].next
    dev.seen = tensor
    dev.seen_first = use
    dev.seen_tail = use
    copy = slots[slot]
    copy.requested = s.now
    copy.tensor = tensor
    copy.use = use
    copy.next_copy = NONE
    return slot


@jit_once
def request(work, s, contention, where, slot):
    """Queue a new slot at its port, nearly always at the end."""
    if contention == FREE:
        work.port_list[s.ports] = slot
        s.ports += ONE
        if (slot + U(len(work.device))) * s.root >= s.leaves:  # a tree twice as wide
            s.root >>= ONE
            work.event_time[s.root] = s.next
            work.event_leaf[s.root] = s.first
        return
    slots, ports = work.slot, work.port
    copy = slots[slot]
    before = U(slots[where].previous)
    while _earlier(copy, slots[before]):
        before = U(slots[before].previous)
    after = U(slots[before].next)
    copy.previous = before
    copy.next = after
    slots[before].next = slot
    slots[after].previous = slot
    if before == where and ports[where].outgoing != BUSY:
        if ports[where].outgoing == LATER:
            if contention != DUPLEX:
                return
            _stop_waiting(ports, U(slots[after].device), where)
        offer(work, s, contention, where, slot)


@jit
def offer(work, s, contention, where, slot):
    """A port that is not busy has a new head: list it (duplex: the incoming port it waits for)."""
    ports = work.port
    ports[where].outgoing = LATER
    free = True
    if contention == DUPLEX:
        there = U(work.slot[slot].device)
        to = ports[there]
        ports[where].waiting_next = to.waiting
        to.waiting = where
        where = there
        free = to.incoming == VACANT
        to.incoming = LATER if free else to.incoming
    work.port_list[s.ports] = where
    s.ports += U(free)


@jit
def _stop_waiting(ports, there, source):
    at = ports[there]
    if at.waiting == source:
        at.waiting = ports[source].waiting_next
        return
    at = ports[at.waiting]
    while at.waiting_next != source:
        at = ports[at.waiting_next]
    at.waiting_next = ports[source].waiting_next


@jit_once
def take_request(ports, slots, contention, where):
    """The slot whose transfer starts now at a listed port, or NONE; it makes the port busy."""
    if contention == DUPLEX:
        to = ports[where]
        where = U(to.waiting)
        if where == NONE:
            to.incoming = VACANT
            return U(NONE)
        to.incoming = BUSY
        before, last = U(NONE), where
        rival = U(ports[where].waiting_next)
        while rival != NONE:
            if _earlier(slots[U(slots[rival].next)], slots[U(slots[where].next)]):
                where = rival
                before = last
            last = rival
            rival = U(ports[rival].waiting_next)
        if before == NONE:
            to.waiting = ports[where].waiting_next
        else:
            ports[before].waiting_next = ports[where].waiting_next
    slot = U(slots[where].next)
    after = U(slots[slot].next)
    slots[where].next = after
    slots[after].previous = where
    ports[where].outgoing = BUSY
    return slot


@jit
def _earlier(x, y):
    """FIFO: by request time, then tensor, then destination."""
    if x.requested != y.requested:
        return x.requested < y.requested
    if x.tensor != y.tensor:
        return x.tensor < y.tensor
    return x.device < y.device
