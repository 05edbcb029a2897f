"""GraphSAGE with max-pool aggregation in both directions (GO, section 3.1)."""

from typing import Protocol

import torch
from torch import nn


class Neighbours(Protocol):
    """Edges between U units: of unit 0, 1, …, in CSR order.

    Attributes:
        producers, consumers: (e,) int64 neighbours of each unit.
        producer_lengths, consumer_lengths: (U,) int64, how many each has.
    """

    @property
    def producers(self) -> torch.Tensor:
        """(e,) int64: each row's producers, row after row."""

    @property
    def producer_lengths(self) -> torch.Tensor:
        """(R,) int64: how many producers each row has."""

    @property
    def consumers(self) -> torch.Tensor:
        """(e,) int64: each row's consumers, row after row."""

    @property
    def consumer_lengths(self) -> torch.Tensor:
        """(R,) int64: how many consumers each row has."""


class PoolAggregator(nn.Module):
    """h_N(v) = max over u in N(v) of sigmoid(W h_u + b); zero where v has no neighbour."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transform = nn.Linear(width, width)

    def forward(
        self, rows: torch.Tensor, neighbours: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """(U, width) → (U, width); ``neighbours`` (e,) of unit 0, 1, …, ``lengths`` (U,) each."""
        sent = torch.sigmoid(self.transform(rows)).float()
        gathered = sent.index_select(0, neighbours)
        return torch.segment_reduce(gathered, "max", lengths=lengths, initial=0.0)


class SageLayer(nn.Module):
    """h_v' = ReLU(W concat(h_v, h_in(v), h_out(v))): the two aggregators that the paper draws."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.producers = PoolAggregator(width)
        self.consumers = PoolAggregator(width)
        self.combine = nn.Linear(3 * width, width)

    def forward(self, rows: torch.Tensor, inputs: Neighbours) -> torch.Tensor:
        """(U, width) → (U, width)."""
        before = self.producers(rows, inputs.producers, inputs.producer_lengths)
        after = self.consumers(rows, inputs.consumers, inputs.consumer_lengths)
        return torch.relu(self.combine(torch.cat([rows, before, after], dim=1)))
