"""The weights that decide: the averaged ones of a checkpoint, and what ships with the package."""

import argparse
from pathlib import Path
from typing import Any

import torch

from go_gym.errors import AgentError

from ...common.checkpoint import STATE, load_checkpoint, save_checkpoint
from .features import VERSION
from .network import Network, Sizes
from .problems import TUNING
from .training import part

SHIPPED = Path(__file__).parent / "weights"
"""The weights that come with the package; of the catalogue's families they saw none."""


def load_network(folder: str | Path = SHIPPED, device: torch.device | str = "cpu") -> Network:
    """The network of a checkpoint, with its averaged weights, to decide with.

    Raises AgentError where there is none, or one of other features.
    """
    tensors, state = _read(folder)
    network = Network(Sizes(**state["sizes"]))
    network.load_state_dict(part(tensors, "averaged."))
    return network.to(device).eval()


def families_of(folder: str | Path = SHIPPED) -> tuple[str, ...]:
    """The families that a checkpoint was trained on."""
    return tuple(_read(folder)[1].get("families", TUNING))


def export(checkpoint: Path, folder: Path, families: tuple[str, ...], command: str) -> None:
    """Write the averaged weights of a training checkpoint, and how they were made."""
    tensors, state = _read(checkpoint)
    kept = {name: value for name, value in tensors.items() if name.startswith("averaged.")}
    save_checkpoint(folder, kept, {**state, "families": families, "command": command})


def _read(folder: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    if not (Path(folder) / STATE).is_file():
        raise AgentError(
            f"{folder}: no weights there (python -m go_agents.go.oneshot.training makes some)"
        )
    tensors, state = load_checkpoint(folder)
    if state.get("features") != VERSION or "sizes" not in state:
        raise AgentError(
            f"{folder}: weights for features {state.get('features')}, expected {VERSION}"
        )
    return tensors, state


def main(arguments: list[str] | None = None) -> None:
    """``python -m go_agents.go.oneshot.weights CHECKPOINT``: ship a checkpoint's weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--families", nargs="+", default=list(TUNING))
    parser.add_argument("--command", default="", help="that made the checkpoint")
    given = parser.parse_args(arguments)
    export(given.checkpoint, given.folder, tuple(given.families), given.command)


if __name__ == "__main__":
    main()
