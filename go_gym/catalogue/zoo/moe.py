"""Mixture of experts (GShard, Lepikhin et al. 2021, arXiv 2006.16668): top-2 routing.

Every second perceptron of a causal Transformer is one of several experts; a token goes to its two
best, each of which takes at most its capacity (section 2.2). Eight layers with eight experts,
width 1,024 and the batch are our choice; the rest is GShard's.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import Perceptron, SelfAttention, layer_by_number


@dataclass(frozen=True)
class Settings:
    """Sizes of a mixture of experts."""

    layers: int = 8
    experts: int = 8
    width: int = 1024
    heads: int = 16
    vocabulary: int = 32_000
    tokens: int = 512
    batch: int = 8
    capacity_factor: float = 2.0


class Experts(nn.Module):
    """Algorithm 1: gates, places within each expert's capacity, dispatch, experts, combination."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.count, self.factor = settings.experts, settings.capacity_factor
        self.gate = nn.Linear(settings.width, settings.experts, bias=False)
        self.experts = nn.ModuleList(
            Perceptron(settings.width, 4 * settings.width) for _ in range(settings.experts)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(0, 1)
        capacity = int(self.factor * tokens.shape[0] / self.count)
        weight = self.weights(tokens, capacity)  # (tokens, experts, capacity)
        sent = torch.einsum("tec,tw->ecw", (weight > 0).to(x.dtype), tokens)
        came = torch.stack([expert(sent[number]) for number, expert in enumerate(self.experts)])
        return torch.einsum("tec,ecw->tw", weight, came).view(x.shape)

    def weights(self, tokens: torch.Tensor, capacity: int) -> torch.Tensor:
        """How much of each token goes to each place of each expert: its two best, if there is
        room."""
        gates = functional.softmax(self.gate(tokens), dim=-1)
        best, chosen = gates.topk(2, dim=-1)
        best = best / best.sum(dim=-1, keepdim=True)
        taken = torch.zeros(self.count, dtype=torch.int64, device=tokens.device)
        total = torch.zeros(*gates.shape, capacity, dtype=tokens.dtype, device=tokens.device)
        for choice in range(2):
            expert = functional.one_hot(chosen[:, choice], self.count)
            place = expert.cumsum(dim=0) - 1 + taken
            taken = taken + expert.sum(dim=0)
            room = expert * (place < capacity)
            slot = functional.one_hot((place * room).sum(dim=-1), capacity)
            share = best[:, choice, None] * room.to(tokens.dtype)
            total = total + share[:, :, None] * slot[:, None, :].to(tokens.dtype)
        return total


class Layer(nn.Module):
    """Attention, then a perceptron or experts, each after a layer norm, each with a residual."""

    def __init__(self, settings: Settings, number: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.width)
        self.attention = SelfAttention(settings.width, settings.heads, causal=True)
        self.last_norm = nn.LayerNorm(settings.width)
        self.perceptron = (
            Experts(settings) if number % 2 else Perceptron(settings.width, 4 * settings.width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm(x))
        return x + self.perceptron(self.last_norm(x))


class MoE(nn.Module):
    """Words and the words that follow them to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.embedding = nn.Embedding(settings.vocabulary, settings.width)
        self.layers = nn.ModuleList(Layer(settings, number) for number in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, settings.vocabulary, bias=False)

    # From here as in mamba.py: each model is one file that can be read beside its paper.
    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``words`` and ``targets``: (batch, tokens) int64."""
        x = self.embedding(words)
        for layer in self.layers:
            x = layer(x)
        logits = self.head(self.norm(x)).flatten(0, 1)
        return functional.cross_entropy(logits, targets.flatten())


def build(settings: Settings) -> MoE:
    """The model."""
    return MoE(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words and the words that follow them."""
    shape = (settings.batch, settings.tokens)
    return [torch.zeros(shape, dtype=torch.int64) for _ in range(2)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``layers.0``, …, ``head``; the loss belongs to the head."""
    around = {"embedding": "embedding", "norm": "head", "head": "head", "": "head"}
    return layer_by_number(path, "layers", around)
