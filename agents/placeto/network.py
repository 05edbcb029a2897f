"""Placeto's policy: message passing, pooled ancestors, descendants and parallel groups, devices."""

import torch
from torch import Tensor, nn

from .features import FIXED_COLUMNS, GroupGraph


def perceptron(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    """One hidden layer of ReLUs."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class MessagePassing(nn.Module):
    """Rounds of x ← x + g(Σ f(neighbours)) in one direction; f and g are the same in all.

    Args:
        width: of an embedding.
        rounds: how many.
    """

    def __init__(self, width: int, rounds: int) -> None:
        super().__init__()
        self.message = perceptron(width, width, width)
        self.receive = perceptron(width, width, width)
        self.rounds = rounds

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """(B, G, width) embeddings; ``neighbours`` (G, G) is 1 at [v, u] where v hears u."""
        for _ in range(self.rounds):
            x = x + self.receive(neighbours @ self.message(x))
        return x


class Pool(nn.Module):
    """Summary of a set of groups: g(Σ f(members)); an empty set's sum is zero."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.member = perceptron(inputs, width, width)
        self.summary = perceptron(width, width, width)

    def forward(self, x: Tensor, members: Tensor) -> Tensor:
        """(B, width): ``x`` (B, G, inputs) pooled over ``members`` (B, G) float, 1 for members."""
        pooled = members.unsqueeze(1) @ self.member(x)
        summary: Tensor = self.summary(pooled.squeeze(1))
        return summary


class PlacetoPolicy(nn.Module):
    """Logits over the devices for the current group of each of B states.

    Args:
        graph: the groups, whose structure the policy keeps as buffers.
        devices: how many there are.
        width: of an embedding in one direction.
        rounds: of message passing in each direction.
    """

    parents: Tensor
    consumers: Tensor
    sets: Tensor

    def __init__(self, graph: GroupGraph, devices: int, width: int, rounds: int) -> None:
        super().__init__()
        self.embed = perceptron(len(FIXED_COLUMNS) + devices, width, width)
        self.down = MessagePassing(width, rounds)
        self.up = MessagePassing(width, rounds)
        self.pools = nn.ModuleList(Pool(2 * width, width) for _ in range(3))
        self.head = perceptron(2 * width + 3 * width, devices, 2 * width)
        parents = torch.from_numpy(graph.parents)
        masks = (graph.ancestors, graph.descendants, graph.parallel)
        sets = torch.stack([torch.from_numpy(mask).float() for mask in masks])
        # known from the graph: not part of the weights
        self.register_buffer("parents", parents, persistent=False)
        self.register_buffer("consumers", parents.T.contiguous(), persistent=False)
        self.register_buffer("sets", sets, persistent=False)

    def forward(self, features: Tensor, current: Tensor) -> Tensor:
        """(B, devices) logits, given (B, G, columns) features and the (B,) current groups."""
        x = self.embed(features)
        x = torch.cat([self.down(x, self.parents), self.up(x, self.consumers)], dim=-1)
        own = x[torch.arange(len(x)), current]
        pooled = [pool(x, self.sets[kind, current]) for kind, pool in enumerate(self.pools)]
        logits: Tensor = self.head(torch.cat([own, *pooled], dim=-1))
        return logits
