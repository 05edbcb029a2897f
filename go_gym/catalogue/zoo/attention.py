"""What the modern Transformers of the zoo share: self-attention and the two-layer perceptron."""

import torch
from torch import nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) by one fused scaled-dot-product op."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width), both in and out."""
        query, key, value = (
            split_heads(part, self.heads) for part in self.query_key_value(x).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(batch, tokens, heads × depth) to (batch, heads, tokens, depth)."""
    batch, tokens, width = x.shape
    return x.view(batch, tokens, heads, width // heads).transpose(1, 2)


class Perceptron(nn.Module):
    """Wide, GELU, narrow."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.wide = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.narrow(functional.gelu(self.wide(x)))


class PreNormBlock(nn.Module):
    """Attention and perceptron, each after a layer norm, each with a residual."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, causal)
        self.last_norm = nn.LayerNorm(width)
        self.perceptron = Perceptron(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm(x))
        return x + self.perceptron(self.last_norm(x))


def layer_by_number(path: str, listed: str, around: dict[str, str]) -> str | None:
    """``<listed>.<number>`` for a module in the list of that name, else as ``around`` says."""
    parts = path.split(".")
    if parts[0] == listed:
        return ".".join(parts[:2])
    return around.get(parts[0])
