"""Placeto: Learning Generalizable Device Placement (Addanki et al., NeurIPS 2019)."""

from pathlib import Path

from go_gym.problem import Problem

from ..common.learning import LearningAgent
from .training import PlacetoConfig, PlacetoLearner


class Placeto(LearningAgent):
    """x

    Args:
        config: the figures of the training.
        checkpoint: see :class:`LearningAgent`.
    """

    CHECKPOINT_EVERY = 1

    def __init__(
        self, config: PlacetoConfig | None = None, checkpoint: str | Path | None = None
    ) -> None:
        super().__init__(checkpoint)
        self.config = config or PlacetoConfig()

    def learner_for(self, problem: Problem, calls: int, seed: int) -> PlacetoLearner:
        return PlacetoLearner(problem, calls, seed, self.config)
