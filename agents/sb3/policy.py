"""A policy for decisions per unit: one batched Categorical instead of a list of them.

SB3's own policy for ``MultiDiscrete`` pools the observation into one vector, maps it to all units'
logits with one dense layer and makes a ``Categorical`` object a unit: at 80,000 ops that layer
alone has tens of millions of weights, and a pass over the list takes seconds.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn
from torch.distributions import Categorical

from .encoder import Observation, UnitFeatures, pooled


class UnitCategorical(Distribution):
    """Independent choices, one a unit, of which the padding's count for nothing."""

    def proba_distribution_net(self, latent_dim: int, choices: int) -> nn.Module:
        """The layer from a unit's embedding to its logits."""
        return nn.Linear(latent_dim, choices)

    def proba_distribution(self, logits: torch.Tensor, mask: torch.Tensor) -> "UnitCategorical":
        """From logits (b, o, k) and the mask of the units that there are (b, o)."""
        self.choice = Categorical(logits=logits, validate_args=False)
        self.mask = mask
        return self

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """(b,) of actions (b, o)."""
        return (self.choice.log_prob(actions) * self.mask).sum(dim=1)

    def entropy(self) -> torch.Tensor:
        """(b,): summed over the units."""
        return (self.choice.entropy() * self.mask).sum(dim=1)

    def sample(self) -> torch.Tensor:
        """(b, o) int64, by the Gumbel trick: a third of the time of ``multinomial``."""
        logits = self.choice.logits
        return (logits - torch.log(-torch.log(torch.rand_like(logits)))).argmax(dim=-1)

    def mode(self) -> torch.Tensor:
        """(b, o) int64."""
        return self.choice.logits.argmax(dim=-1)

    def actions_from_params(
        self, logits: torch.Tensor, mask: torch.Tensor, deterministic: bool = False
    ) -> torch.Tensor:
        """Actions (b, o) of the distribution with these parameters."""
        return self.proba_distribution(logits, mask).get_actions(deterministic)

    def log_prob_from_params(
        self, logits: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sampled actions (b, o) and their log-probability (b,)."""
        actions = self.actions_from_params(logits, mask)
        return actions, self.log_prob(actions)


class UnitPolicy(ActorCriticPolicy):
    """Actor and critic on one :class:`GraphEncoder`: logits from units, value from their pool.

    Args:
        observation_space: that of a one-shot go_gym environment.
        action_space: its ``MultiDiscrete``, equally many choices a unit.
        lr_schedule: SB3's.
        apart: how many times faster than the network's a table of logits is learned that is added
            to them, a row a unit; 0 for none. The network's weights serve all units, so that one
            update moves all logits alike, and on one graph that ends with all ops on one device;
            the table lets units part (our choice). Rows mean nothing on another graph.
        **rest: of ``ActorCriticPolicy``; ``features_extractor_kwargs`` go to the encoder.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        apart: float = 0.0,
        **rest: Any,
    ) -> None:
        self.apart, self.units = apart, len(action_space.nvec)
        self.choices = int(action_space.nvec[0])
        rows = spaces.flatdim(observation_space["op_mask"])
        if (action_space.nvec != self.choices).any() or rows != self.units:
            raise ValueError(
                f"{action_space}: expected one column of equally many choices for {rows} units"
            )
        rest.setdefault("features_extractor_class", UnitFeatures)
        super().__init__(observation_space, action_space, lr_schedule, **rest)

    def _build(self, lr_schedule: Schedule) -> None:
        width = self.features_dim
        self.action_dist = UnitCategorical()  # type: ignore[assignment]  # not in SB3's union
        self.from_unit = nn.Linear(width, width)
        self.from_graph = nn.Linear(2 * width, width, bias=False)
        self.action_net = self.action_dist.proba_distribution_net(width, self.choices)
        self.judge = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))
        # Adam's steps are as long as its rate, so a factor is a faster rate
        self.own = nn.Parameter(torch.zeros(self.units, self.choices))
        for module in (self.from_unit, self.from_graph, self.judge):
            module.apply(partial(self.init_weights, gain=np.sqrt(2)))
        self.action_net.apply(partial(self.init_weights, gain=0.01))  # begin near uniform
        options: dict[str, Any] = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(self.parameters(), **options)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "apart": self.apart}

    def forward(
        self, obs: Any, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Actions (b, o), values (b, 1), log-probabilities (b,)."""
        distribution, values = self._act_and_judge(obs)
        actions = distribution.get_actions(deterministic)
        return actions, values, distribution.log_prob(actions)

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Values (b, 1), log-probabilities (b,) and entropies (b,) of actions (b, o)."""
        distribution, values = self._act_and_judge(obs)
        return values, distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: Any) -> UnitCategorical:
        """The distribution of actions."""
        return self._act_and_judge(obs)[0]

    def predict_values(self, obs: Any) -> torch.Tensor:
        """Values (b, 1)."""
        return self._act_and_judge(obs)[1]

    def _act_and_judge(self, obs: Observation) -> tuple[UnitCategorical, torch.Tensor]:
        units, mask = self.extract_features(obs)
        summary = pooled(units, mask)
        context = self.from_graph(summary).unsqueeze(1)
        logits = self.action_net(torch.tanh(self.from_unit(units) + context))
        logits = logits + self.apart * self.own
        return UnitCategorical().proba_distribution(logits, mask), self.judge(summary)
