"""Placeto: Learning Generalizable Device Placement (Addanki et al., NeurIPS 2019)."""

from pathlib import Path
from typing import ClassVar

from go_gym.problem import Problem

from ..common.learning import LearningAgent
from .training import PlacetoConfig, PlacetoLearner


class Placeto(LearningAgent):
    """A policy that walks the groups of ops and moves one at a time, each move simulated.

    Its state embedding (message passing along and against the edges, pooled ancestors,
    descendants and parallel groups) knows no graph by heart; here it is trained on the graph it
    is asked about, as the paper does first, and the answer is the best placement on any walk. As
    published, but for these departures:

    - **Groups**: the paper merges ops by co-location and by ColocRL's rule; here
      :func:`go_gym.partitions.bounded.bounded_partition` (views and parameters with what they
      belong to, co-location groups whole, then METIS) leaves at most 32. An episode takes a
      simulator call a group, and at a budget of 4,000 calls more episodes taught more than finer
      groups.
    - **Edges**: such groups hold forward and backward ops and nearly all wait for each other.
      They are visited in the topological order of their first costly ops, and edges back to a
      group visited earlier are left out of message passing and of the three sets.
    - **Start** of every episode: all on the fastest device that holds the graph. Every episode
      simulates it once more.
    - **Reward**: step times in units of all work on one device, memory over the limits in GB.
    - **Schedules** fall with the share of the budget that is spent, so that a shorter budget
      ends at the same rates; entropy bonus from 0.01 (our choice) to 0.
    - **Workers**: one, where the paper has 4 to 8 in parallel, again for more updates;
      the first update's baseline is the mean over its workers.
    - **Widths** of the networks (32) are our choice: the paper's main text gives none.
    - Trained on several graphs and asked about another, the paper's other mode, is left out.

    To reproduce its rows: ``go-gym run -a placeto -g rnnlm-2 -c p100x2 --budget 4000``.

    Args:
        options: the figures of the training.
        checkpoint: see :class:`LearningAgent`.
    """

    Options: ClassVar[type] = PlacetoConfig
    CHECKPOINT_EVERY = 1

    def __init__(
        self, options: PlacetoConfig | None = None, checkpoint: str | Path | None = None
    ) -> None:
        super().__init__(checkpoint)
        self.options = options or PlacetoConfig()

    def learner_for(self, problem: Problem, calls: int, seed: int) -> PlacetoLearner:
        """A learner that begins from Placeto's start."""
        return PlacetoLearner(problem, calls, seed, self.options)
