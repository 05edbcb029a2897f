"""Mamba (Gu and Dao 2023, arXiv 2312.00752): a language model of selective state spaces.

Width 768 and 24 layers are those of its 130M model; 512 tokens and batch 1 are our choice. The
scan runs in parallel, in log2(tokens) doubling steps (Hillis and Steele 1986), as plain ATen ops:
the paper's fused kernel is one op to a compiler, and would hide what is to be fused.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import layer_by_number
from go_gym.catalogue.zoo.llama import RMSNorm


@dataclass(frozen=True)
class Settings:
    """Sizes of a Mamba."""

    layers: int = 24
    width: int = 768
    expand: int = 2
    state: int = 16
    convolution: int = 4
    vocabulary: int = 50_280
    tokens: int = 512
    batch: int = 1


def scanned(decay: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """h of h[t] = decay[t] · h[t − 1] + added[t] along dimension 1, h[−1] = 0."""
    tokens, shift = decay.shape[1], 1
    while shift < tokens:
        earlier = functional.pad(added, (0, 0, 0, 0, shift, 0))[:, :tokens]
        added = added + decay * earlier
        before = functional.pad(decay, (0, 0, 0, 0, shift, 0), value=1.0)[:, :tokens]
        decay = decay * before
        shift *= 2
    return added


class Mixer(nn.Module):
    """Figure 3: convolution, selective scan, gate."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        inner = settings.expand * settings.width
        self.rank, self.state = math.ceil(settings.width / 16), settings.state
        self.inward = nn.Linear(settings.width, 2 * inner, bias=False)
        self.convolution = nn.Conv1d(
            inner, inner, settings.convolution, padding=settings.convolution - 1, groups=inner
        )
        self.select = nn.Linear(inner, self.rank + 2 * settings.state, bias=False)
        self.step = nn.Linear(self.rank, inner)
        states = torch.arange(1, settings.state + 1, dtype=torch.float32)
        self.log_rate = nn.Parameter(torch.log(states).repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.outward = nn.Linear(inner, settings.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width), both in and out."""
        x, gate = self.inward(x).chunk(2, dim=-1)
        x = self.convolution(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
        x = functional.silu(x)
        low, write, read = self.select(x).split([self.rank, self.state, self.state], dim=-1)
        step = functional.softplus(self.step(low))
        decay = torch.exp(step.unsqueeze(-1) * -torch.exp(self.log_rate))
        added = (step * x).unsqueeze(-1) * write.unsqueeze(2)
        states = scanned(decay, added)  # (batch, tokens, inner, state)
        y = (states * read.unsqueeze(2)).sum(dim=-1) + self.skip * x
        return self.outward(y * functional.silu(gate))


class Layer(nn.Module):
    """A mixer after a norm, with a residual."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.norm = RMSNorm(settings.width)
        self.mixer = Mixer(settings)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mixer(self.norm(x))


class Mamba(nn.Module):
    """Words and the words that follow them to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.embedding = nn.Embedding(settings.vocabulary, settings.width)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width)
        self.head = nn.Linear(settings.width, settings.vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    # From here as in moe.py: each model is one file that can be read beside its paper.
    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``words`` and ``targets``: (batch, tokens) int64."""
        x = self.embedding(words)
        for layer in self.layers:
            x = layer(x)
        logits = self.head(self.norm(x)).flatten(0, 1)
        return functional.cross_entropy(logits, targets.flatten())


def build(settings: Settings) -> Mamba:
    """The model."""
    return Mamba(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words and the words that follow them."""
    shape = (settings.batch, settings.tokens)
    return [torch.zeros(shape, dtype=torch.int64) for _ in range(2)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``layers.0``, …, ``head``; the loss belongs to the head."""
    around = {"embedding": "embedding", "norm": "head", "head": "head", "": "head"}
    return layer_by_number(path, "layers", around)
