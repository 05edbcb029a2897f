"""Every choice that GO leaves open, in two frozen dataclasses, with where each comes from."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ..search.cooling import Cooling


# Wide: a setting each, with where it is from
@dataclass(frozen=True)
class NetworkConfig:
    """The network. "Paper" is GO (Zhou et al., NeurIPS 2020); the rest is our choice.

    The switches turn a part off for ablation; all are on in the shipped agent.
    """

    width: int = 128  # paper
    sage_layers: int = 2  # not published
    attention_layers: int = 2  # "two layers and …" in the paper's figure
    heads: int = 4  # not published
    segment: int = 128  # not published
    type_buckets: int = 256  # op types are hashed, so that no vocabulary has to be kept
    type_width: int = 32
    score_width: int = 32  # hidden width of the head that scores devices
    levels: int = 8  # priority and fusion levels; "a few" in the paper

    graph_embedding: bool = True  # GraphSAGE; off: each op's own features alone
    attention: bool = True  # off: the attention layers keep their feed-forward part alone
    recurrence: bool = True  # the previous segment as context
    modulation: bool = True  # parameter superposition
    state: bool = True  # the previous round's decision
    task_layers: bool = True  # shared recurrent attention over the tasks
    move_head: bool = True  # what is known of each move on offer
    device_affinity: bool = True  # what the previous decision puts where, seen by the device head


# Wide: a setting each, with where it is from
@dataclass(frozen=True)
class SearchConfig:
    """How a budget of simulator calls is spent. Nothing of this was published."""

    learning_rate: float = 5e-4
    head_rate: float = 1e-2  # of the heads that see few features: they learn from few samples
    head_steps: int = 20  # steps an update of the head of moves, on what was tried so far
    memory: int = 2048  # moves that it learns from, the last ones
    epochs: int = 1  # passes over the samples of an update
    clip: float = 0.2  # PPO's (Schulman et al. 2017)
    entropy: float = 1e-2
    value_weight: float = 0.5
    odds: float = 1.0  # weight of saying whether a move helped (cross-entropy); ours
    first_round_policy: bool = True  # policy gradient in first rounds too; off: imitation alone
    imitation: float = 0.1  # weight of the best decision so far, as a target; ours
    gradient_clip: float = 1.0
    samples: int = 128  # simulator calls an update
    first_batch: int = 4  # whole decisions that are drawn at once
    offers: int = 8  # moves that the policy chooses one of
    sharpness: float = 1.0  # what the scores of moves are multiplied by
    starts: int = 3  # times that it begins from nothing; the best of them goes on
    start: float = 0.05  # share of the budget that each start gets
    first_round: float = 0.02  # share of the budget, of it, spent without a previous decision
    first_round_most: int = 20  # simulator calls of that, at most
    first_round_parts: int = 40  # finest level of a first round: finer ones scatter neighbours
    stretches: float = 0.5  # share of a first round with devices by stretches of the order
    parts: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256, 512, 1024)  # of levels for moves
    cooling: Cooling = field(default_factory=Cooling)  # as of simulated annealing
    trace_every: int = 8  # calls after which the next better step is traced
    most_units: int = 131_072  # units decided apart; larger graphs are coarsened to so many first
    most_rows: int = 256  # rows that the network sees; the units of a row share an embedding
    refine: bool = True  # later rounds start from the previous decision; off: from nothing
    critical: bool = True  # the step's trace is looked at; off: moves begin anywhere
    rounds: int = 4  # T, while pre-training; GO-one's rounds end with its budget
    problems_per_update: int = 2  # while pre-training
    learn: bool = True  # off: an untrained network proposes (ablation)

    def numbers(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {**asdict(self), "parts": list(self.parts)}
