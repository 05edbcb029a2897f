"""What a search knows: its best decision, the one that it goes on from, and when it began anew."""

from collections.abc import Sequence

import numpy as np

from ..search.cooling import Acceptance
from .scales import INVALID


class SearchState:
    """The decisions of a search, as genomes.

    Attributes:
        best, best_reward: the best so far, None before a valid one.
        current, current_reward: the one that the next round goes on from.
        round: rounds since the last restart.
        restarts: how often it began anew, or again from the best; ``best_restarts``: that number
            when the best was found.
        acceptance: which worse decisions are gone on from.
    """

    def __init__(self) -> None:
        self.best: np.ndarray | None = None
        self.best_reward = INVALID
        self.restarts = self.best_restarts = 0
        self.acceptance = Acceptance()
        self.restart()

    def restart(self) -> None:
        """Begin with nothing again; the best decision so far stays known."""
        self.current: np.ndarray | None = None
        self.current_reward = INVALID
        self.round = 0
        self.restarts += 1

    def resume_best(self) -> None:
        """Go on from the best decision so far, whichever start it comes from."""
        self.current, self.current_reward = self.best, self.best_reward
        self.round = 0
        self.restarts += 1
        self.best_restarts = self.restarts

    def take(
        self,
        tried: Sequence[np.ndarray],
        reward: np.ndarray,
        random: np.random.Generator,
        temperature: float = 0.0,
    ) -> bool:
        """Go on from the best of ``tried`` if it is good enough; whether it is.

        Costs are negated rewards. Invalid decisions are never gone on from.

        Args:
            tried: genomes.
            reward: (B,) float64 of each, INVALID or negative.
            random: draws whether a worse one is taken.
            temperature: of the annealing, 0 to take none that is worse.
        """
        top = int(reward.argmax())
        value = float(reward[top])
        accepted = value > INVALID
        if self.current is not None and self.current_reward > INVALID:
            now = min(self.current_reward, -1e-9)
            rises = reward[reward > INVALID] / now - 1
            for rise in rises[rises > 0].tolist():
                self.acceptance.note(rise)
            accepted = accepted and self.acceptance.accepts(value / now - 1, temperature, random)
        if accepted:
            self.current, self.current_reward = tried[top], value
        if value > self.best_reward:
            self.best, self.best_reward = tried[top], value
            self.best_restarts = self.restarts
        return accepted
