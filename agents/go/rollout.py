"""What an update learns from."""

from dataclasses import dataclass

import numpy as np
import torch

from .chooser import Trials
from .features import GraphInputs, State
from .policy import Actions


@dataclass(frozen=True, eq=False)
class Batch:
    """B simulated samples of a first round: actions by decision, and advantages (B,) float32."""

    actions: dict[str, Actions]
    advantage: torch.Tensor


@dataclass(frozen=True, eq=False)
class Rollout:
    """Samples drawn in one state of one problem.

    Attributes:
        columns: what is decided, in the order of a genome's rows.
        batches: of a first round.
        trials: moves of a later round, None in a first one; ``advantage`` (B,) float32 of each.
        target: (columns, U) the best genome known, for imitation; None before a valid one.
    """

    inputs: GraphInputs
    state: State
    columns: tuple[str, ...]
    batches: list[Batch]
    trials: Trials | None
    advantage: torch.Tensor
    target: np.ndarray | None
