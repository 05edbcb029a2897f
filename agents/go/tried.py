"""What was tried: decisions, so that none is simulated twice, and which moves gained."""

from collections.abc import Sequence

import numpy as np

from ..search.description import WIDTH
from .chooser import Trial


class TriedMoves:
    """The memory that moves are chosen by and the move head learns from.

    Args:
        memory: moves that are remembered, the last ones.

    Attributes:
        keys: of the decisions that were simulated.
        features: (N, WIDTH) float32 of the last moves.
        gained: (N,) float32, 1 where they led to a better decision.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.keys: set[int] = set()
        self.features = np.empty((0, WIDTH), dtype=np.float32)
        self.gained = np.empty(0, dtype=np.float32)

    def unknown(self, keys: np.ndarray) -> np.ndarray:
        """(M,) bool: which of ``keys`` are of decisions that were not simulated; all if none is."""
        found = np.array([key not in self.keys for key in keys.tolist()])
        return found if found.any() else np.ones_like(found)

    def remember(self, trials: Sequence[Trial]) -> None:
        """Keep the features of moves that were tried, and whether they gained."""
        features = [trial.offer.features[trial.chosen] for trial in trials]
        gained = np.array([trial.gain > 0 for trial in trials], dtype=np.float32)
        self.features = np.concatenate([self.features, np.stack(features)])[-self.memory :]
        self.gained = np.concatenate([self.gained, gained])[-self.memory :]
