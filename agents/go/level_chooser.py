"""Which level of a hierarchy the next moves begin at."""

import numpy as np


class LevelChooser:
    """From coarse to fine, and those that lately gained.

    Args:
        levels: how many there are.

    Attributes:
        success: (levels,) float64, recent share of moves that gained, at first a half.
    """

    LEAST = 0.1
    """Added to every level's share, so that none is forgotten."""
    RATE = 0.03
    WIDTH = 0.15
    """How sharply the search goes from coarse to fine, as a share of the levels."""

    def __init__(self, levels: int) -> None:
        self.position = np.arange(levels) / max(levels - 1, 1)
        self.success = np.full(levels, 0.5)

    def choose(self, count: int, progress: float, random: np.random.Generator) -> np.ndarray:
        """(count,) int64 levels, for moves."""
        away = (self.position - progress) / self.WIDTH
        weight = np.cumsum((self.success + self.LEAST) * np.exp(-away * away))
        return np.searchsorted(weight, random.random(count) * weight[-1])

    def note(self, level: int, gained: bool) -> None:
        """Tell whether a move at that level gained."""
        self.success[level] += self.RATE * (float(gained) - self.success[level])
