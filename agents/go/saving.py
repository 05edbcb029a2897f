"""What a checkpoint holds of an episode."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..common.curves import Recorder
from ..search.cooling import Acceptance
from .episode import Episode
from .scales import Scales

NUMBERS = ("best_reward", "current_reward", "round", "restarts", "best_restarts")


def episode_tensors(episode: Episode, prefix: str) -> dict[str, torch.Tensor]:
    """Genomes, the levels' success and what was tried."""
    keys = np.array(sorted(episode.tried.keys), dtype=np.uint64)
    found = {
        f"{prefix}.success": torch.tensor(episode.refinement.neighbourhood.levels.success),
        f"{prefix}.keys": torch.tensor(keys.view(np.int64)),
        f"{prefix}.features": torch.tensor(episode.tried.features),
        f"{prefix}.gained": torch.tensor(episode.tried.gained),
    }
    for label, genome in (("best", episode.state.best), ("current", episode.state.current)):
        if genome is not None:
            found[f"{prefix}.{label}"] = torch.tensor(genome)
    return found


def episode_numbers(episode: Episode) -> dict[str, Any]:
    """The rest, as JSON."""
    return {
        **{name: getattr(episode.state, name) for name in NUMBERS},
        "rises": list(episode.state.acceptance.rises),
        "scales": vars(episode.scales),
        "record": episode.record.numbers(),
    }


def restore_episode(
    episode: Episode, prefix: str, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]
) -> None:
    """Put back what :func:`episode_tensors` and :func:`episode_numbers` gave."""
    levels, tried, state = episode.refinement.neighbourhood.levels, episode.tried, episode.state
    levels.success = tensors[f"{prefix}.success"].numpy().copy()
    tried.keys = set(tensors[f"{prefix}.keys"].numpy().view(np.uint64).tolist())
    tried.features = tensors[f"{prefix}.features"].numpy()
    tried.gained = tensors[f"{prefix}.gained"].numpy()
    for label in ("best", "current"):
        genome = tensors.get(f"{prefix}.{label}")
        setattr(state, label, None if genome is None else genome.numpy())
    for name in NUMBERS:
        setattr(state, name, numbers[name])
    state.acceptance = Acceptance(numbers["rises"])
    episode.scales = Scales(**numbers["scales"])
    episode.record = Recorder.of(numbers["record"])
