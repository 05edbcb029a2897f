"""One thread a process: pytest-xdist runs as many processes as there are cores, and PyTorch's
threads, which wait spinning, slow each other down tenfold and more where there are too many."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def networks_on_the_cpu():
    """Agents that would take a GPU train on the CPU, where the same seed gives the same weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("go_agents.common.devices.automatic", lambda: "cpu")
        yield
