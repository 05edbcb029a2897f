"""One thread a process, and a process a core.

PyTorch's threads, which wait spinning, slow each other down tenfold and more where there are too
many. ``make test-portable`` sets their number itself.
"""

import os
import signal
import threading

import pytest

MOST_WORKERS = 8
"""Each takes about a gigabyte, PyTorch included."""

os.environ.setdefault("OMP_NUM_THREADS", "1")
in_main_thread = threading.current_thread() is threading.main_thread()
if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # shells start what runs in the background so, and processes that tests start inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """``-n auto``: the cores that this process may use, not those that the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


@pytest.fixture(autouse=True, scope="session")
def networks_on_the_cpu():
    """Agents that would take a GPU train on the CPU, where the same seed gives the same weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("go_agents.common.devices.automatic", lambda: "cpu")
        yield
