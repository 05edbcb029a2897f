"""What hardware mode needs of the machine: Linux, and x86-64 where workers are processes.

Linux, since workers are pinned to cores (``sched_setaffinity``), end with their parent
(``prctl``) and report how often they were preempted (``RUSAGE_THREAD``). x86-64, since processes
that share memory rely on its order of stores: see :mod:`go_gym.hardware.runtime.control`.
"""

import ctypes
import os
import platform
import signal
import sys
from functools import cache
from typing import Any

from go_gym.errors import PlatformError

STORE_ORDER = ("x86_64", "AMD64")
"""Machines on which stores are seen by other cores in the order in which they were made."""
_PR_SET_PDEATHSIG = 1


def check_platform(forked: bool) -> None:
    """Raise PlatformError unless decisions can be measured on this machine.

    Args:
        forked: whether the workers are processes that share memory, as on CPU cores.
    """
    if not sys.platform.startswith("linux"):
        raise PlatformError(
            f"decisions are measured on Linux only, and this is {platform.system()}: workers are "
            "pinned to cores by its scheduler's calls; simulate here, measure on a Linux machine"
        )
    if forked and platform.machine() not in STORE_ORDER:
        raise PlatformError(
            f"CPU cores are measured on x86-64 only, and this machine is {platform.machine()}: "
            "the workers share memory and rely on the order in which x86-64 makes stores visible"
        )


def usable_cores() -> list[int]:
    """The cores that this process may run on, rising: ``cpu:0`` is the first of them."""
    return sorted(os.sched_getaffinity(0))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill the calling process when ``parent``, which started it, has ended."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)


def preemptions() -> int:
    """How often the calling thread's core was given to another thread, so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)
