"""Every figure of the published method, with where it comes from."""

from dataclasses import dataclass


# Wide: a setting each, with where it is from
@dataclass(frozen=True)
class PaperSettings:
    """Network, decoding and PPO.

    "paper" is GO (Zhou et al., NeurIPS 2020); everything else is "not published; our choice".
    """

    # what is decided
    rounds: int = 3  # T, rounds of non-autoregressive decoding; not published; our choice
    priority_levels: int = 8  # "a few" in the paper, the number is not published; our choice
    fusion_levels: int = 20  # likewise
    rows: int = 128  # units of ops that are decided, at most; paper: every op (departure)

    # graph embedding
    width: int = 128  # paper
    sage_layers: int = 2  # not published; our choice
    type_buckets: int = 256  # op types are hashed to so many embeddings; not published; our choice
    type_width: int = 32  # not published; our choice
    neighbours: int = 6  # producers and consumers an op's input names; not published; HDP's

    # decision network
    attention_layers: int = 2  # paper: its figure shows two and "…"
    heads: int = 4  # not published; our choice
    segment: int = 64  # rows that attend to each other and the segment before; not published; ours
    head_gain: float = 1.0  # of the last layers' initial weights; not published; our choice

    # PPO
    learning_rate: float = 1e-3  # not published; our choice
    episodes: int = 8  # decoded side by side in a rollout; not published; our choice
    minibatch: int = 16  # m decisions; not published; our choice
    epochs: int = 2  # passes over a rollout; not published; our choice
    clip: float = 0.2  # not published; Schulman et al. 2017
    discount: float = 0.5  # not published; our choice
    gae: float = 0.95  # lambda of generalised advantages; not published; Schulman et al. 2017
    entropy: float = 0.003  # bonus, falls to 0 with the budget; not published; our choice
    value_weight: float = 0.5  # not published; Schulman et al. 2017
    gradient_clip: float = 0.5  # not published; our choice
    invalid: float = -10.0  # reward of an invalid decision; paper
