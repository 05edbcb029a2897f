"""What results are worth: rewards, and how much of one is much, learned from each problem."""

from dataclasses import dataclass

import numpy as np

from go_gym.envs.rewards import INVALID, go_reward
from go_gym.simulator import BatchResult

WORST = -3.0
"""Least advantage, in spreads: an invalid decision is bad, but not more than that (ours)."""


@dataclass
class Scales:
    """Rewards of one problem, and their units, which its own results set.

    Attributes:
        baseline: ns that a reward of -1 stands for.
        mean, spread: of the rewards of first rounds, over ``seen`` of them.
        gain: what a move that gains usually gains.
    """

    baseline: float
    mean: float = 0.0
    spread: float = 0.0
    gain: float = 0.0
    seen: int = 0

    def rewards(self, results: BatchResult) -> np.ndarray:
        """(B,) float64: -sqrt(step time / baseline), -10 if invalid (GO, section 4)."""
        return go_reward(results.step_time_ns, results.valid, self.baseline)

    def advantage(self, reward: np.ndarray) -> np.ndarray:
        """(B,) float64: of a first round, ``reward`` (B,) against the mean, in spreads."""
        for value in reward[reward > INVALID].tolist():
            self.seen += 1
            rate = max(1 / self.seen, 0.01)
            self.mean += rate * (value - self.mean)
            self.spread += rate * (abs(value - self.mean) - self.spread)
        scaled = (reward - self.mean) / max(self.spread, 1e-6)
        return np.clip(scaled, WORST, -WORST)

    def gain_advantage(self, gains: np.ndarray) -> np.ndarray:
        """(B,) float64: of moves, ``gains`` (B,) in units of the usual one; nothing for losses.

        The best decision counts, not the mean one: a policy that is punished for losses learns
        to move next to nothing (our choice).
        """
        for gain in gains[gains > 0].tolist():
            self.gain += 0.1 * (gain - self.gain) if self.gain else gain
        return np.clip(gains / max(self.gain, 1e-9), 0, -WORST)
