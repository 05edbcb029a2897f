"""Where a network is trained: on which device, on how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread inside.

    Networks so small gain nothing by more; several runs side by side do not get into each other's
    way, and sums do not hang on the number of cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
