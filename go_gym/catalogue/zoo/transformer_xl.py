"""Transformer-XL (Dai et al. 2019, arXiv 1901.02860): a language model with recurrence.

Width 1,024, 16 heads and inner width 4,096 as its large WikiText-103 model; pre-computed
sinusoids, relative attention with the two learned biases, layer norm after each residual. Several
segments make a step, the hidden states of each being the next one's memory (without gradient).
Segments of 128 tokens, batch 16, eight segments and a plain softmax over 32,000 words are our
choice; 2, 4 and 8 layers are those of GO (NeurIPS 2020).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Settings:
    """Sizes of a Transformer-XL."""

    layers: int
    width: int = 1024
    heads: int = 16
    inner: int = 4096
    vocabulary: int = 32_000
    tokens: int = 128
    segments: int = 8
    batch: int = 16


class RelativeAttention(nn.Module):
    """Causal attention over memory and segment, by relative position (section 3.3)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, self.heads = settings.width, settings.heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.position = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(settings.heads, 1, width // settings.heads))
        self.position_bias = nn.Parameter(torch.zeros(settings.heads, 1, width // settings.heads))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width) to (batch, heads, tokens, width / heads)."""
        batch, tokens, width = x.shape
        return x.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor | None, distances: torch.Tensor
    ) -> torch.Tensor:
        context = x if memory is None else torch.cat([memory, x], dim=1)
        tokens, span = x.shape[1], context.shape[1]
        query = self.split(self.query(x))
        key, value = (self.split(part) for part in self.key_value(context).chunk(2, dim=2))
        position = self.split(self.position(distances).unsqueeze(0))
        content = torch.matmul(query + self.content_bias, key.transpose(2, 3))
        relative = torch.matmul(query + self.position_bias, position.transpose(2, 3))
        scores = (content + shifted(relative)) * (query.shape[-1] ** -0.5)
        future = torch.ones(tokens, span, dtype=torch.bool, device=x.device)
        scores = scores.masked_fill(future.triu(1 + span - tokens), float("-inf"))
        mixed = torch.matmul(functional.softmax(scores, dim=-1), value)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


def shifted(scores: torch.Tensor) -> torch.Tensor:
    """Row i moved left by (rows − 1 − i): from distance to key (appendix B)."""
    batch, heads, rows, columns = scores.shape
    padded = functional.pad(scores, (1, 0)).view(batch, heads, columns + 1, rows)
    return padded[:, :, 1:].reshape(batch, heads, rows, columns)


class Layer(nn.Module):
    """Attention and feed-forward, each with a residual and a layer norm after it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.attention = RelativeAttention(settings)
        self.norm = nn.LayerNorm(settings.width)
        self.wide = nn.Linear(settings.width, settings.inner)
        self.narrow = nn.Linear(settings.inner, settings.width)
        self.last_norm = nn.LayerNorm(settings.width)

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor | None, distances: torch.Tensor
    ) -> torch.Tensor:
        x = self.norm(x + self.attention(x, memory, distances))
        return self.last_norm(x + self.narrow(functional.relu(self.wide(x))))


class Sinusoids(nn.Module):
    """The encoding of distances span − 1 down to 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, span: int) -> torch.Tensor:
        """(span, width) float32."""
        distance = torch.arange(span - 1, -1, -1, dtype=torch.float32)
        even = torch.arange(0, self.width, 2, dtype=torch.float32)
        angle = distance[:, None] / 10_000 ** (even / self.width)
        return torch.cat([angle.sin(), angle.cos()], dim=1)


class TransformerXL(nn.Module):
    """Embedding, layers, softmax, over several segments; gives the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.vocabulary, settings.width)
        self.sinusoids = Sinusoids(settings.width)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.softmax = nn.Linear(settings.width, settings.vocabulary)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``words`` and ``targets``: (batch, segments × tokens) int64."""
        tokens = self.settings.tokens
        memories: list[torch.Tensor | None] = [None] * len(self.layers)
        loss: Any = 0.0  # the first tensor makes it one
        for segment in range(self.settings.segments):
            part = slice(segment * tokens, (segment + 1) * tokens)
            x = self.embedding(words[:, part])
            distances = self.sinusoids(tokens if segment == 0 else 2 * tokens)
            for number, layer in enumerate(self.layers):
                memory, memories[number] = memories[number], x.detach()
                x = layer(x, memory, distances)
            logits = self.softmax(x).flatten(0, 1)
            loss = loss + functional.cross_entropy(logits, targets[:, part].flatten())
        return loss / self.settings.segments


def build(settings: Settings) -> TransformerXL:
    """The model."""
    return TransformerXL(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words and the words that follow them."""
    shape = (settings.batch, settings.segments * settings.tokens)
    return [torch.zeros(shape, dtype=torch.int64) for _ in range(2)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``layers.0``, …, ``softmax``; the loss belongs to the softmax."""
    parts = path.split(".")
    if parts[0] == "layers":
        return ".".join(parts[:2])
    return {"sinusoids": "embedding", "": "softmax"}.get(parts[0], parts[0])
