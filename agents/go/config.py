"""Every choice that GO leaves open, in two frozen dataclasses, with where each comes from."""

from dataclasses import dataclass


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
    device_affinity: bool = True  # what the previous decision puts where, seen by the device head


@dataclass(frozen=True)
class SearchConfig:
    """How a budget of simulator calls is spent. Nothing of this was published."""

    learning_rate: float = 3e-4
    epochs: int = 3  # passes over the samples of an update
    clip: float = 0.2  # PPO's (Schulman et al. 2017)
    entropy: float = 1e-2
    value_weight: float = 0.5
    first_round_policy: bool = True  # policy gradient in first rounds too; off: imitation alone
    imitation: float = 0.1  # weight of the best decision so far, as a target; ours
    gradient_clip: float = 1.0
    samples: int = 64  # simulator calls an update
    batch: int = 4  # simulator calls before a better decision becomes the state
    starts: int = 3  # times that a first round is begun with; the best of them goes on
    start: float = 0.12  # share of the budget that each start gets
    first_round: float = 0.03  # share of the budget, of it, spent without a previous decision
    first_round_clusters: int = 32  # finest level of a first round: finer ones scatter neighbours
    coarse: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256, 512, 1024)  # clusters a level
    changes: float = 1.0  # clusters that a sample of a later round changes, on average
    split: float = 0.8  # batches of later rounds that decide apart what was chosen apart
    halve: float = 0.3  # batches of later rounds that cut clusters in two at random
    most_units: int = 16_384  # units decided apart; larger graphs are coarsened to so many first
    most_rows: int = 1024  # rows that the network sees; the units of a row share an embedding
    refine: bool = True  # later rounds start from the previous decision; off: from nothing
    merge: bool = True  # changes that helped apart are tried together
    critical: bool = True  # half of the changes begin on the chain that the step time hangs on
    heat: float = 0.001  # how much worse a reward is taken, at first, as the next state
    rounds: int = 4  # T, while pre-training; GO-one's rounds end with its budget
    problems_per_update: int = 2  # while pre-training
    learn: bool = True  # off: an untrained network proposes (ablation)
