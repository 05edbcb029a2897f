"""Every figure of the published method, with where it comes from."""

from dataclasses import dataclass

from go_gym.agent import option


# Wide: a setting each, with where it is from
@dataclass(frozen=True)
class PaperSettings:
    """Network, decoding and PPO, as the options of ``go:paper``.

    "paper" is GO (Zhou et al., NeurIPS 2020); "not published; HDP's" and such say whose figure it
    is, and where nothing else is said it is our choice.

    Raises:
        ValueError: if ``heads`` do not divide ``width``.
    """

    # what is decided
    rounds: int = option(3, "T, rounds of non-autoregressive decoding; not published", least=1)
    priority_levels: int = option(
        8, 'priorities to choose from; "a few" in the paper, the number is not published', least=1
    )
    fusion_levels: int = option(
        20, "fusion ranks to choose from, 0 never; the number is not published", least=1
    )
    rows: int = option(
        128, "units of ops that are decided, at most; paper: every op (departure)", least=1
    )

    # graph embedding
    width: int = option(128, "of every layer; paper", least=1)
    sage_layers: int = option(2, "of GraphSAGE; not published", least=0)
    type_buckets: int = option(
        256, "embeddings that op types are hashed to; not published", least=1
    )
    type_width: int = option(32, "of these; not published", least=1)
    neighbours: int = option(
        6, "producers and consumers that an op's input names; not published; HDP's", least=0
    )

    # decision network
    attention_layers: int = option(2, "of the trunk; paper: its figure shows two and dots", least=0)
    heads: int = option(4, "of attention; not published", least=1)
    segment: int = option(
        64, "rows that attend to each other and to the segment before; not published", least=1
    )
    head_gain: float = option(1.0, "of the last layers' initial weights; not published", least=0)

    # PPO
    learning_rate: float = option(1e-3, "Adam's; not published", least=0)
    episodes: int = option(8, "decoded side by side in a rollout; not published", least=1)
    minibatch: int = option(16, "m, decisions; not published", least=1)
    epochs: int = option(2, "passes over a rollout; not published", least=1)
    clip: float = option(0.2, "of the ratio; not published; Schulman et al. 2017", least=0)
    discount: float = option(0.5, "of later rounds; not published", least=0)
    gae: float = option(
        0.95, "lambda of generalised advantages; not published; Schulman et al. 2017", least=0
    )
    entropy: float = option(
        0.003, "weight of the bonus, which falls to 0 with the budget; not published", least=0
    )
    value_weight: float = option(
        0.5, "of the value's loss; not published; Schulman et al. 2017", least=0
    )
    gradient_clip: float = option(0.5, "longest gradient; not published", least=0)
    invalid: float = option(-10.0, "reward of an invalid decision; paper")

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"heads is {self.heads}, expected a divisor of width {self.width}")
