"""HDP: A Hierarchical Model for Device Placement (Mirhoseini et al., ICLR 2018)."""

from pathlib import Path

from go_gym.problem import Problem

from ..common.learning import LearningAgent
from .training import HdpConfig, HdpLearner


class Hdp(LearningAgent):
    """A grouper assigns ops to groups, a sequence-to-sequence placer assigns groups to devices.

    Both are trained together by REINFORCE on the graph itself; the answer is the best placement
    sampled. As published, but for these departures:

    - **Learning rate** 0.001 instead of 0.1: at 0.1, and at 0.01 still, both softmaxes saturate
      within the first tens of updates, here always at one device for all ops.
    - **Units**: the paper samples a group for every op by itself. Here a co-location group, and
      a view or parameter with what it belongs to (:func:`go_gym.grouping.attached_groups`), is
      sampled once, and its first op that costs anything is what the grouper sees: placements
      keep co-location, which the paper leaves to the framework.
    - **Shapes**: graphs keep the shape of an op's first output; further outputs are shown as one
      dimension, their number of 4-byte elements.
    - **Scales**: sizes and counts are shown as logarithms, breadth-first numbers as fractions
      (the paper does not say; plain ones saturate the first layer).
    - **Attention** scores are bilinear (Luong et al. 2015) and not a layer of tanh (Bahdanau et
      al. 2015), which would take most of an update's time. What the authors released
      (TensorFlow's ``grappler/hierarchical_controller.py``) is followed where the paper is
      silent: the context goes into the logits and not into the next step's input, which is the
      last decision's device alone, and each direction of the encoder has half the width.
    - **Reward**: −sqrt(step time) with the step time in units of all work on one device instead
      of seconds, so that −10 is as far off on every graph.
    - **Baseline**: the moving average (decay 0.9, our choice) of the rewards learned from.
    - **Small graphs** with fewer units than 256 have a group a unit.
    - **Workers**: one, where the paper averages several; the schedules count updates, so that a
      budget of 4,000 calls is the paper's 1,000 updates.

    To reproduce its rows: ``go-gym run -a hdp -g rnnlm-2 -c p100x2 --budget 4000``.

    Args:
        config: the figures of the training.
        checkpoint: see :class:`LearningAgent`.
    """

    def __init__(
        self, config: HdpConfig | None = None, checkpoint: str | Path | None = None
    ) -> None:
        super().__init__(checkpoint)
        self.config = config or HdpConfig()

    def learner_for(self, problem: Problem, calls: int, seed: int) -> HdpLearner:
        return HdpLearner(problem, calls, seed, self.config)
