"""Checkpoints: a folder with state.json and the tensors it names, in safetensors format."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from go_gym.errors import FileFormatError
from go_gym.files import atomic_write, read_bytes, read_text, sha256

STATE = "state.json"


def save_checkpoint(
    folder: str | Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Write a checkpoint; a kill at any moment leaves the old one or the new one.

    The tensors go to a file named after their hash, then ``state.json`` is replaced to name it,
    and then the old tensors are removed.
    """
    folder = Path(folder)
    data = save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})
    digest = sha256(data)
    current = folder / f"tensors-{digest[:16]}.safetensors"
    atomic_write(current, data)
    document = {**state, "tensors": current.name, "tensors_sha256": digest}
    atomic_write(folder / STATE, json.dumps(document, indent=1))
    for other in folder.glob("tensors-*.safetensors"):
        if other != current:
            with contextlib.suppress(FileNotFoundError):
                other.unlink()


def load_checkpoint(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state of a checkpoint; raises FileFormatError for a damaged one."""
    folder = Path(folder)
    try:
        state = json.loads(read_text(folder / STATE))
        name, digest = state.pop("tensors"), state.pop("tensors_sha256")
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise FileFormatError(f"{folder / STATE}: not a checkpoint's state: {error}") from error
    if Path(name).name != name:
        raise FileFormatError(f"{folder / STATE}: tensors {name!r}, expected a plain file name")
    data = read_bytes(folder / name)
    if sha256(data) != digest:
        raise FileFormatError(f"{folder / name}: its SHA-256 is not the one that {STATE} states")
    return load_tensors(data), state


def training_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
) -> dict[str, Tensor]:
    """Everything that training goes on from: weights, Adam's moments, the generator's state."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    tensors["generator"] = generator.get_state()
    return tensors


def restore_training(
    tensors: Mapping[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Put back what :func:`training_tensors` gave."""
    model.load_state_dict(
        {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
    )
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".")
            moments.setdefault(int(index), {})[moment] = value
    document = optimizer.state_dict()
    optimizer.load_state_dict({**document, "state": moments})
    generator.set_state(tensors["generator"])
