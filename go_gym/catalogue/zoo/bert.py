"""BERT (Devlin et al. 2019, arXiv 1810.04805): masked language modelling.

Width, heads and layers of its large model (335 M parameters), layer norm after each residual;
512 tokens of which 76 are predicted (15 %), batch our choice. Without next-sentence prediction,
which RoBERTa (arXiv 1907.11692) showed to be of no use, and without dropout.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import Perceptron, SelfAttention, layer_by_number


@dataclass(frozen=True)
class Settings:
    """Sizes of a BERT."""

    layers: int = 24
    width: int = 1024
    heads: int = 16
    vocabulary: int = 30_522
    tokens: int = 512
    masked: int = 76
    batch: int = 16


class Layer(nn.Module):
    """Attention and perceptron, each with a residual and a layer norm after it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.attention = SelfAttention(settings.width, settings.heads)
        self.norm = nn.LayerNorm(settings.width)
        self.perceptron = Perceptron(settings.width, 4 * settings.width)
        self.last_norm = nn.LayerNorm(settings.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x + self.attention(x))
        return self.last_norm(x + self.perceptron(x))


class Embedding(nn.Module):
    """Words, positions and segments."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.words = nn.Embedding(settings.vocabulary, settings.width)
        self.positions = nn.Embedding(settings.tokens, settings.width)
        self.segments = nn.Embedding(2, settings.width)
        self.norm = nn.LayerNorm(settings.width)

    def forward(self, words: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        return self.norm(self.words(words) + self.positions.weight + self.segments(segments))


class BERT(nn.Module):
    """Words, which of them are masked, and what stood there, to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.embedding = Embedding(settings)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.transform = nn.Linear(settings.width, settings.width)
        self.head_norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, settings.vocabulary)
        self.head.weight = self.embedding.words.weight

    def forward(
        self,
        words: torch.Tensor,
        segments: torch.Tensor,
        masked: torch.Tensor,
        expected: torch.Tensor,
    ) -> torch.Tensor:
        """``words``, ``segments``: (batch, tokens); ``masked`` positions, ``expected`` words:
        (batch, masked); all int64."""
        x = self.embedding(words, segments)
        for layer in self.layers:
            x = layer(x)
        picked = x.gather(1, masked.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        logits = self.head(self.head_norm(functional.gelu(self.transform(picked))))
        return functional.cross_entropy(logits.flatten(0, 1), expected.flatten())


def build(settings: Settings) -> BERT:
    """The model."""
    return BERT(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words, segments, masked positions and the words that stood there."""
    whole, part = (settings.batch, settings.tokens), (settings.batch, settings.masked)
    return [torch.zeros(shape, dtype=torch.int64) for shape in (whole, whole, part, part)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``layers.0``, …, ``head``; the loss belongs to the head."""
    around = dict.fromkeys(("transform", "head_norm", "head", ""), "head")
    around["embedding"] = "embedding"
    return layer_by_number(path, "layers", around)
