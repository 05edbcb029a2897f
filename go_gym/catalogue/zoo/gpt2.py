"""GPT-2 (Radford et al. 2019): a causal Transformer, layer norm first, embeddings tied.

Width, heads and layers are those of its small model (124 M parameters), 1,024 tokens; the batch is
our choice. Dropout is left out, as today's training does.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import PreNormBlock, layer_by_number


@dataclass(frozen=True)
class Settings:
    """Sizes of a GPT-2."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    vocabulary: int = 50_257
    tokens: int = 1024
    batch: int = 8


class Embedding(nn.Module):
    """Words and their positions."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.words = nn.Embedding(settings.vocabulary, settings.width)
        self.positions = nn.Embedding(settings.tokens, settings.width)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.words(words) + self.positions.weight[: words.shape[1]]


class GPT2(nn.Module):
    """Words and the words that follow them to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.embedding = Embedding(settings)
        self.layers = nn.ModuleList(
            PreNormBlock(settings.width, settings.heads, causal=True)
            for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, settings.vocabulary, bias=False)
        self.head.weight = self.embedding.words.weight

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``words`` and ``targets``: (batch, tokens) int64."""
        x = self.embedding(words)
        for layer in self.layers:
            x = layer(x)
        logits = self.head(self.norm(x))
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def build(settings: Settings) -> GPT2:
    """The model."""
    return GPT2(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words and the words that follow them."""
    shape = (settings.batch, settings.tokens)
    return [torch.zeros(shape, dtype=torch.int64) for _ in range(2)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``layers.0``, …, ``head``; the loss belongs to the head."""
    around = {"embedding": "embedding", "norm": "head", "head": "head", "": "head"}
    return layer_by_number(path, "layers", around)
