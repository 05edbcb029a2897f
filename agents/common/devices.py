"""Where a network is trained: on which device, on how many threads."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from go_gym.errors import AgentError

if TYPE_CHECKING:
    import torch


def training_device(wanted: torch.device | str | None = None) -> torch.device:
    """The device of that name, or by default what :func:`automatic` says.

    Raises:
        AgentError: for a name that PyTorch does not know, and a GPU that is not there.
    """
    import torch

    name = automatic() if wanted is None else wanted
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise AgentError(f"device {name!r}: expected cpu, cuda or cuda:0, …") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise AgentError(f"device {str(device)!r}: PyTorch finds {torch.cuda.device_count()} GPUs")
    return device


def device_name(device: torch.device) -> str:
    """What a row of a leaderboard says of a device: its kind, and the model of a GPU."""
    import torch

    if device.type != "cuda":
        return device.type
    return f"cuda, {torch.cuda.get_device_name(device)}"


def automatic() -> str:
    """The GPU where there is one; there, no two trainings are the same bit for bit."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


THREADS = "GO_GYM_TORCH_THREADS"
"""The environment variable that asks for another number of threads than one."""


def threads_wanted() -> int:
    """How many intra-op threads agents' networks run on: one, or what ``THREADS`` asks for."""
    text = os.environ.get(THREADS, "1")
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise AgentError(f"{THREADS}: {text!r}, expected a whole number from 1 to 1,024")
    return int(text)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one intra-op thread inside, or on as many as ``THREADS`` asks for.

    Networks so small gain nothing by more; several runs side by side do not get into each other's
    way, and sums do not hang on the number of cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads_wanted())
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def own_torch() -> Iterator[None]:
    """:func:`one_thread`; the global generators of PyTorch, NumPy and Python, which
    Stable-Baselines3 seeds, are afterwards as they were before."""
    import torch

    legacy, plain = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with one_thread(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(plain)
