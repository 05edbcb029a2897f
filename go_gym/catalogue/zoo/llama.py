"""Llama (Touvron et al. 2023, arXiv 2302.13971): RMS norm first, rotary positions, SwiGLU.

The sizes are those of its 7B model (6.7 G parameters) in bfloat16, Adam's moments too; 2,048
tokens as it was trained with, batches our choice. Trained, and served: *prefill* reads a prompt,
keeps keys and values for the words to come, and gives the logits of the first.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import layer_by_number, split_heads


@dataclass(frozen=True)
class Settings:
    """Sizes of a Llama."""

    batch: int
    layers: int = 32
    width: int = 4096
    heads: int = 32
    inner: int = 11_008
    vocabulary: int = 32_000
    tokens: int = 2048


class RMSNorm(nn.Module):
    """x over its root mean square, scaled (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.scale, 1e-6)


def rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021): each pair of halves turned by its angle."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class Attention(nn.Module):
    """Causal attention of rotated queries and keys; keys and values are handed back."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.query, self.key, self.value, self.out = (
            nn.Linear(settings.width, settings.width, bias=False) for _ in range(4)
        )

    def forward(
        self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        query = rotated(split_heads(self.query(x), self.heads), cosine, sine)
        key = rotated(split_heads(self.key(x), self.heads), cosine, sine)
        value = split_heads(self.value(x), self.heads)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(x.shape)), key, value


class SwiGLU(nn.Module):
    """A gated perceptron (Shazeer 2020)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Layer(nn.Module):
    """Attention and gated perceptron, each after a norm, each with a residual."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.norm = RMSNorm(settings.width)
        self.attention = Attention(settings)
        self.last_norm = RMSNorm(settings.width)
        self.perceptron = SwiGLU(settings.width, settings.inner)

    def forward(
        self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mixed, key, value = self.attention(self.norm(x), cosine, sine)
        x = x + mixed
        return x + self.perceptron(self.last_norm(x)), key, value


class Llama(nn.Module):
    """Words to logits, keys and values; with targets, to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.depth = settings.width // settings.heads
        self.embedding = nn.Embedding(settings.vocabulary, settings.width)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width)
        self.head = nn.Linear(settings.width, settings.vocabulary, bias=False)

    def angles(self, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosine and sine of each position's angles, (tokens, depth / 2)."""
        pair = torch.arange(0, self.depth, 2, dtype=torch.float32)
        position = torch.arange(tokens, dtype=torch.float32)
        angle = position[:, None] / 10_000 ** (pair / self.depth)
        dtype = self.head.weight.dtype
        return angle.cos().to(dtype), angle.sin().to(dtype)

    def forward(
        self, words: torch.Tensor, targets: torch.Tensor | None = None
    ) -> torch.Tensor | list[torch.Tensor]:
        """``words`` and ``targets``: (batch, tokens) int64."""
        x = self.embedding(words)
        cosine, sine = self.angles(words.shape[1])
        kept: list[torch.Tensor] = []
        for layer in self.layers:
            x, key, value = layer(x, cosine, sine)
            kept += [key, value]
        if targets is None:
            return [self.head(self.norm(x[:, -1])), *kept]
        logits = self.head(self.norm(x)).flatten(0, 1)
        return functional.cross_entropy(logits.float(), targets.flatten())


def build(settings: Settings) -> Llama:
    """The model, in bfloat16."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        return Llama(settings)
    finally:
        torch.set_default_dtype(usual)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words and the words that follow them."""
    return [*queries(settings), *queries(settings)]


def queries(settings: Settings) -> list[torch.Tensor]:
    """Words alone, as a server gets them."""
    return [torch.zeros((settings.batch, settings.tokens), dtype=torch.int64)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``layers.0``, …, ``head``; the loss belongs to the head."""
    around = {"embedding": "embedding", "norm": "head", "head": "head"}
    return layer_by_number(path, "layers", around)
