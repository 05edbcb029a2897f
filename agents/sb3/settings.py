"""What each algorithm of Stable-Baselines3 runs on and with: our choices, found on rnnlm-2."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from go_gym.agent import option
from go_gym.errors import AgentError

ALGORITHMS: Mapping[str, type[BaseAlgorithm]] = MappingProxyType(
    {"ppo": PPO, "a2c": A2C, "dqn": DQN}
)


@dataclass(frozen=True)
class SB3Settings:
    """How to train.

    Attributes:
        algorithm: one of ``ALGORITHMS``.
        env: an id: placement all at once, or a unit a step (the one that suits DQN).
        groups: at most how many groups of ops are decided about; None for ops. Fewer are learned
            faster, since all share one reward.
        num_envs: episodes side by side, simulated in one call a step.
        width, layers: of the graph network.
        apart: of :class:`UnitPolicy`, all at once; the policy is trained on one graph.
        options: arguments of the algorithm's class. PPO's default here: a rollout holds an
            episode of each environment and is learned from in two batches, or, all at once, one.
    """

    algorithm: str
    env: str = "GO-Placement-v0"
    groups: int | None = 16
    num_envs: int = 16
    width: int = 32
    layers: int = 2
    apart: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stepwise(self) -> bool:
        """Does it place one group a step?"""
        return self.env == "GO-PlacementSteps-v0"


PPO_PLACEMENT = SB3Settings(
    "ppo",
    groups=32,
    apart=60.0,
    options={
        "n_steps": 4,
        "n_epochs": 4,
        "learning_rate": 3e-4,
        "ent_coef": 1e-2,
        "gamma": 1.0,
    },
)
"""One-shot episodes: a rollout of 64 decisions, all in one batch.

Without the table of logits it settles on one device of rnnlm-2 on p100x2, and with a tenth of the
entropy bonus so do some seeds. What it gives there: ``make train-sb3``."""
A2C_PLACEMENT = SB3Settings(
    "a2c",
    apart=20.0,
    options={"n_steps": 4, "learning_rate": 2e-3, "gamma": 1.0, "use_rms_prop": False},
)
"""Adam instead of RMSprop, whose state SB3 does not keep as tensors."""
DQN_STEPS = SB3Settings(
    "dqn",
    "GO-PlacementSteps-v0",
    options={
        "learning_rate": 1e-3,
        "buffer_size": 10_000,
        "batch_size": 64,
        "learning_starts": 500,
        "train_freq": 4,
        "gradient_steps": 8,
        "target_update_interval": 500,
        "exploration_fraction": 0.5,
        "gamma": 1.0,
    },
)
PPO_STEPS = SB3Settings(
    "ppo", "GO-PlacementSteps-v0", options={"learning_rate": 1e-3, "n_epochs": 4, "gamma": 1.0}
)
A2C_STEPS = SB3Settings(
    "a2c",
    "GO-PlacementSteps-v0",
    options={"n_steps": 4, "learning_rate": 3e-3, "gamma": 1.0, "use_rms_prop": False},
)


@dataclass(frozen=True)
class SB3Options:
    """Options of the agents of Stable-Baselines3; all else is in the settings that they choose."""

    algorithm: Literal["ppo", "a2c", "dqn"] = option("ppo", "of Stable-Baselines3")
    stepwise: bool = option(False, "decide a group a step, not all at once; DQN always does")
    groups: int = option(0, "at most so many groups of ops; 0: what suits the algorithm", least=0)

    def __post_init__(self) -> None:
        if self.algorithm == "dqn" and self.stepwise:
            raise AgentError("stepwise=yes: dqn decides a group a step anyway; leave it out")

    @property
    def settings(self) -> SB3Settings:
        """What to run for them."""
        if self.algorithm == "dqn":
            settings = DQN_STEPS
        elif self.algorithm == "a2c":
            settings = A2C_STEPS if self.stepwise else A2C_PLACEMENT
        else:
            settings = PPO_STEPS if self.stepwise else PPO_PLACEMENT
        return replace(settings, groups=self.groups) if self.groups else settings
