"""HDP: A Hierarchical Model for Device Placement (Mirhoseini et al., ICLR 2018)."""

from pathlib import Path
from typing import ClassVar

from go_gym.problem import Problem

from ..common.learning import LearningAgent
from .training import HdpConfig, HdpLearner


class Hdp(LearningAgent):
    """A grouper assigns ops to groups, a sequence-to-sequence placer assigns groups to devices.

    Both are trained together by REINFORCE on the graph itself; the answer is the best placement
    sampled. As published, but for these departures:

    - **Start**: an untrained grouper scatters neighbours over the groups and an untrained placer
      the groups over the devices, and 1,000 updates do not undo it. The authors' released
      grouper multiplies plain topological numbers by random weights and so begins with stretches
      of the order; here each unit begins at home in a group of :func:`bounded_partition` (METIS's
      parts of each layer), its logits raised by a constant, and may move. The groups reach the
      placer in the order of their layers, and each leans to the device of the one before it:
      little from layer to layer, and inside layers so that a sample has 0.4 changes of device
      there on average. How far is learned on.
    - **Aligned attention**: the logits also see the encoder's output for the group at hand.
      Attention by content alone has to learn first where it stands.
    - **Groups**: at most 20 for each device, as in the authors' release, and at most 256.
    - **Learning rate** 0.001 instead of 0.1: at 0.1, and at 0.01 still, both softmaxes saturate
      within the first tens of updates, at one device for all ops (found before the start above).
    - **Samples**: 8 placements a grouping instead of 4, and so half as many updates, in less
      time.
    - **Units**: the paper samples a group for every op by itself. Here a co-location group, and
      a view or parameter with what it belongs to
      (:func:`go_gym.partitions.attached_partition`), is sampled once, in
      larger graphs the finest 2,048 parts of such; the first op of each that
      costs anything is what the grouper sees. Placements keep co-location, which the paper
      leaves to the framework.
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
      of seconds, so that −10 is as far off on every graph. Advantages are in units of the valid
      rewards' moving spread and at most 3 of them: else, where most placements run out of
      memory, the −10 drown all else.
    - **Baseline**: the moving average (decay 0.9) of the valid rewards.
    - **Entropy bonus** of the placer, 0.01; the paper has none.
    - **Small graphs** with fewer units than groups have a group a unit.
    - **Workers**: one, where the paper averages several; the schedules count updates, so that a
      budget of 4,000 calls is the paper's 1,000 updates of 4.

    On gnmt-8, Inception and the smaller WaveNet the mean of the samples hardly falls (the curves
    of ``go-gym reproduce table2`` show it): there the best owes more to the start than to
    learning. The settings were
    chosen on rnnlm-2, rnnlm-8, gnmt-4, transformer-xl-4, inception-b32 and amoebanet, which
    Table 2 holds too, nearly always with seed 0.

    To reproduce its rows: ``go-gym run -a hdp -g rnnlm-2 -c p100x2 --budget 4000``.

    Args:
        options: the figures of the training.
        checkpoint: see :class:`LearningAgent`.
    """

    version = "2"
    Options: ClassVar[type] = HdpConfig

    def __init__(
        self, options: HdpConfig | None = None, checkpoint: str | Path | None = None
    ) -> None:
        super().__init__(checkpoint)
        self.options = options or HdpConfig()

    def learner_for(self, problem: Problem, calls: int, seed: int) -> HdpLearner:
        """A learner that begins from HDP's start."""
        return HdpLearner(problem, calls, seed, self.options)
