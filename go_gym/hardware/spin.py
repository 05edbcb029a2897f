"""Waiting for another worker: in compiled code, without the interpreter's lock.

A worker that waits must neither hold the lock (its peers need it between their ops) nor sleep
(waking costs more than most ops). So it loops outside the interpreter and gives its core away
whenever somebody else wants it. A core that waits counts as busy: what a worker's wall time
exceeds its CPU time by was taken by others.

The worker that raises a flag holds the lock until its next op; who wakes at once would find it
taken, sleep, and pay tens of microseconds. So a waiter whose flag is up tarries a moment.

Flags only rise: a flag is up when it is at least the number of the step, so nothing is reset.
"""

import ctypes

import numpy as np
from numba import njit

_give_way = ctypes.CDLL(None).sched_yield
_give_way.argtypes = []
_give_way.restype = ctypes.c_int
TARRY = 3
"""Calls of ``_give_way`` after a flag is up, a microsecond in all: 4 µs a transfer instead of 34
on the machine where it was tried, and 6 to 20 with 10 or 30 calls."""


@njit(nogil=True)
def _tarry():
    for _ in range(TARRY):
        _give_way()


@njit(nogil=True)
def wait_for(flags, channel, step, halt):
    """Wait until ``flags[channel]`` is up; False if ``halt[0]`` was set first."""
    while flags[channel] < step:
        if halt[0]:
            return False
        _give_way()  # an opaque call: the flag is read again after it
    _tarry()
    return True


@njit(nogil=True)
def wait_any(flags, channels, step, halt):
    """Position in ``channels`` of the first whose flag is up, once there is one; -1 if halted."""
    while True:
        for position in range(len(channels)):
            if flags[channels[position]] >= step:
                _tarry()
                return position
        if halt[0]:
            return -1
        _give_way()


@njit(nogil=True)
def find_any(flags, channels, step):
    """Position in ``channels`` of the first whose flag is up; -1 if none is."""
    for position in range(len(channels)):
        if flags[channels[position]] >= step:
            return position
    return -1


def compile_all() -> None:
    """Compile, before workers are started that would all compile at once."""
    flags, channels = np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    halt = np.zeros(1, dtype=np.int64)
    wait_for(flags, 0, 1, halt)
    wait_any(flags, channels, 1, halt)
    find_any(flags, channels, 1)
