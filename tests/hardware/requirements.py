"""What the tests that run workers need of the machine; elsewhere they are skipped, saying why."""

import os
import platform
import sys

import pytest


def _missing() -> str | None:
    """Why workers cannot be run here, None if they can."""
    if not sys.platform.startswith("linux"):
        return f"workers run on Linux only, this is {sys.platform}"
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"workers share memory on x86-64 only, this machine is {platform.machine()}"
    if len(os.sched_getaffinity(0)) < 2:
        return "two cores are needed, and this process may use one"
    return None


CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""The numbers of the cores that this process may use; they need not begin with 0."""
runs_workers = pytest.mark.skipif(_missing() is not None, reason=str(_missing()))
"""For tests and modules that run workers on two cores."""
