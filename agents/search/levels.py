"""Which level of a hierarchy the next moves act at."""

import numpy as np

LEAST = 0.1
"""Added to every level's weight, so that none is forgotten (our choice)."""
RATE = 0.03
"""At which a level's share of gains follows the last moves (our choice)."""
WIDTH = 0.15
"""How sharply a search goes from coarse levels to fine ones, as a share of all (our choice)."""


class LevelChooser:
    """From coarse to fine as a round goes on, and rather those that lately gained.

    Args:
        levels: how many there are.

    Attributes:
        success: (levels,) float64, recent share of moves that gained, at first a half.
    """

    def __init__(self, levels: int) -> None:
        self.position = np.arange(levels) / max(levels - 1, 1)
        self.success = np.full(levels, 0.5)

    def cumulative(self, progress: float) -> np.ndarray:
        """(levels,) float64: cumulative weights of the levels after a share of the round."""
        away = (self.position - progress) / WIDTH
        return np.cumsum((self.success + LEAST) * np.exp(-away * away))

    def note(self, level: int, gained: bool) -> None:
        """Tell whether a move at that level gained."""
        self.success[level] += RATE * (float(gained) - self.success[level])
