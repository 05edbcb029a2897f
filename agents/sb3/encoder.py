"""A graph neural network (PyG) over the environments' flat Dict observations."""

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn
from torch_geometric.nn import GraphConv

from go_gym.envs.observations import DEVICE_FEATURES
from go_gym.graph.features import OP_FEATURES

Observation = dict[str, torch.Tensor]
PER_NODE = ("ops", "durations", "unit_state")
"""Entries of an observation that are tables of float32 with a row a unit."""


class GraphEncoder(nn.Module):
    """Embeddings of the units of a batch of observations.

    Layers of message passing along and against the edges, weighted by the edges' features, each
    with a residual connection and a layer norm (our choice; GO and Placeto aggregate from both
    sides as well).

    Args:
        space: observation space of a go_gym environment.
        width: of the embeddings.
        layers: how many hops a unit sees.
    """

    def __init__(self, space: spaces.Dict, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        length = {key: spaces.flatdim(part) for key, part in space.spaces.items()}
        self.units = length["ops"] // len(OP_FEATURES)
        self.devices = length["devices"] // len(DEVICE_FEATURES)
        self.tables = [key for key in PER_NODE if key in length]
        columns = sum(length[key] // self.units for key in self.tables)
        self.enter = nn.Linear(columns + self.devices, width)
        self.along = nn.ModuleList(GraphConv(width, width, aggr="mean") for _ in range(layers))
        self.against = nn.ModuleList(GraphConv(width, width, aggr="mean") for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.width = width

    def forward(self, observation: Observation) -> tuple[torch.Tensor, torch.Tensor]:
        """Units (b, o, width), and their mask (b, o) bool."""
        batch = len(observation["ops"])
        mask = observation["op_mask"] > 0
        rows = [observation[key].reshape(batch, self.units, -1) for key in self.tables]
        previous = observation["placement"].long()  # -1 before the first decision
        one_hot = torch.eye(self.devices, device=mask.device)[previous.clamp(min=0)]
        rows.append(one_hot * (previous >= 0).unsqueeze(-1))
        hidden = torch.relu(self.enter(torch.cat(rows, dim=-1))).flatten(0, 1)
        ends, weight = self._edges(observation, batch)
        back = ends.flip(0)
        for along, against, norm in zip(self.along, self.against, self.norms, strict=True):
            message = along(hidden, ends, weight) + against(hidden, back, weight)
            hidden = norm(hidden + torch.relu(message))
        return hidden.view(batch, self.units, self.width), mask

    def _edges(self, observation: Observation, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Edges (2, e) of all graphs of the batch side by side, and their weights (e,)."""
        kept = observation["edge_mask"] > 0
        ends = observation["edges"].long().view(batch, -1, 2)
        ends = ends + self.units * torch.arange(batch, device=ends.device).view(-1, 1, 1)
        return ends[kept].T.contiguous(), observation["edge_features"][kept]


def pooled(units: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(b, 2 · width): mean and greatest of the units (b, o, width) that ``mask`` (b, o) keeps."""
    kept = mask.unsqueeze(-1)
    mean = (units * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
    greatest = units.masked_fill(~kept, -torch.inf).amax(dim=1)
    return torch.cat([mean, greatest], dim=-1)


class UnitFeatures(BaseFeaturesExtractor):
    """A features extractor for policies per unit: embeddings (b, o, width), and their mask."""

    def __init__(self, observation_space: spaces.Dict, width: int = 64, layers: int = 3) -> None:
        super().__init__(observation_space, width)
        self.encoder = GraphEncoder(observation_space, width, layers)

    def forward(self, observations: Observation) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`GraphEncoder.forward`."""
        units: tuple[torch.Tensor, torch.Tensor] = self.encoder(observations)
        return units


class GraphFeatures(BaseFeaturesExtractor):
    """A features extractor for SB3's own policies: the graph as a whole, and the current unit.

    Args:
        observation_space: that of any go_gym environment; step-wise ones have a current unit.
        width, layers: see :class:`GraphEncoder`.
    """

    def __init__(self, observation_space: spaces.Dict, width: int = 64, layers: int = 3) -> None:
        self.has_current = "current" in observation_space.spaces
        super().__init__(observation_space, width * (3 if self.has_current else 2))
        self.encoder = GraphEncoder(observation_space, width, layers)

    def forward(self, observations: Observation) -> torch.Tensor:
        """(b, features_dim) float32."""
        units, mask = self.encoder(observations)
        summary = pooled(units, mask)
        if not self.has_current:
            return summary
        current = observations["current"].long().view(-1)
        chosen = units[torch.arange(len(units), device=units.device), current]
        return torch.cat([chosen, summary], dim=-1)
