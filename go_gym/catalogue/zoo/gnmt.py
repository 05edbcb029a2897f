"""GNMT: the LSTM translation model of Wu et al. 2016 (arXiv 1609.08144), unrolled.

1,024 hidden units, a bidirectional first encoder layer, residual connections from the third
layer on, additive attention queried by the first decoder layer and given to all of them, 32,000
word pieces, as in the paper. Batch 64 as in HDP (ICLR 2018); 80 steps on either side are our
choice, for op counts near those of HDP (28,044, 46,600 and 83,712 for 2, 4 and 8 layers).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.rnnlm import LSTMCell


@dataclass(frozen=True)
class Settings:
    """Sizes of a GNMT; ``layers`` in the encoder and as many in the decoder."""

    layers: int
    hidden: int = 1024
    vocabulary: int = 32_000
    steps: int = 80
    batch: int = 64


State = tuple[torch.Tensor, torch.Tensor]


class Encoder(nn.Module):
    """Stacked LSTM layers; the first reads in both directions."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        hidden = settings.hidden
        self.layers = nn.ModuleList([Bidirectional(hidden)])
        self.layers.append(Unrolled(2 * hidden, hidden, residual=False))
        for _ in range(2, settings.layers):
            self.layers.append(Unrolled(hidden, hidden, residual=True))

    def forward(self, words: list[torch.Tensor], zeros: torch.Tensor) -> list[torch.Tensor]:
        for layer in self.layers:
            words = layer(words, zeros)
        return words


class Unrolled(nn.Module):
    """One LSTM layer over all steps."""

    def __init__(self, inputs: int, hidden: int, residual: bool) -> None:
        super().__init__()
        self.cell = LSTMCell(hidden, inputs)
        self.residual = residual

    def forward(self, words: list[torch.Tensor], zeros: torch.Tensor) -> list[torch.Tensor]:
        state, outputs = (zeros, zeros), []
        for x in words:
            state = self.cell(x, *state)
            outputs.append(state[0] + x if self.residual else state[0])
        return outputs


class Bidirectional(nn.Module):
    """An LSTM layer in each direction, outputs side by side."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.right = Unrolled(hidden, hidden, residual=False)
        self.left = Unrolled(hidden, hidden, residual=False)

    def forward(self, words: list[torch.Tensor], zeros: torch.Tensor) -> list[torch.Tensor]:
        left = self.left(words[::-1], zeros)[::-1]
        pairs = zip(self.right(words, zeros), left, strict=True)
        return [torch.cat(pair, dim=1) for pair in pairs]


class Attention(nn.Module):
    """Additive attention (Bahdanau et al. 2015): softmax of v · tanh(W q + U k)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def keys(self, memory: torch.Tensor) -> torch.Tensor:
        """(batch, source steps, hidden), once a sentence."""
        return self.key(memory)

    def forward(
        self, query: torch.Tensor, keys: torch.Tensor | None, memory: torch.Tensor
    ) -> torch.Tensor:
        """The context (batch, hidden) of a query; with no keys, the keys of ``memory``."""
        if keys is None:
            return self.keys(memory)
        mixed = torch.tanh(self.query(query).unsqueeze(1) + keys)
        weights = functional.softmax(self.score(mixed), dim=1)
        return torch.bmm(weights.transpose(1, 2), memory).squeeze(1)


class DecoderLayer(nn.Module):
    """One LSTM layer of the decoder, a step at a time; it reads the context as well."""

    def __init__(self, hidden: int, residual: bool) -> None:
        super().__init__()
        self.cell = LSTMCell(hidden, 2 * hidden)
        self.residual = residual

    def forward(
        self, x: torch.Tensor, context: torch.Tensor, state: State
    ) -> tuple[torch.Tensor, State]:
        state = self.cell(torch.cat([x, context], dim=1), *state)
        return state[0] + x if self.residual else state[0], state


class GNMT(nn.Module):
    """Encoder, attention, decoder, softmax over word pieces; gives the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        hidden = settings.hidden
        self.source = nn.Embedding(settings.vocabulary, hidden)
        self.target = nn.Embedding(settings.vocabulary, hidden)
        self.encoder = Encoder(settings)
        self.attention = Attention(hidden)
        self.decoder = nn.ModuleList(
            DecoderLayer(hidden, residual=layer >= 2) for layer in range(settings.layers)
        )
        self.softmax = nn.Linear(hidden, settings.vocabulary)

    def forward(
        self, source: torch.Tensor, target: torch.Tensor, expected: torch.Tensor
    ) -> torch.Tensor:
        """All three (batch, steps) int64: what is read, what is written, what follows it."""
        settings = self.settings
        zeros = source.new_zeros(settings.batch, settings.hidden, dtype=torch.float32)
        words = [self.source(source[:, step]) for step in range(settings.steps)]
        memory = torch.stack(self.encoder(words, zeros), dim=1)
        keys = self.attention(memory, None, memory)
        context = zeros
        state = [(zeros, zeros) for _ in self.decoder]
        loss: Any = 0.0  # the first tensor makes it one
        for step in range(settings.steps):
            x = self.target(target[:, step])
            for number, layer in enumerate(self.decoder):
                x, state[number] = layer(x, context, state[number])
                if number == 0:
                    context = self.attention(x, keys, memory)
            loss = loss + functional.cross_entropy(self.softmax(x), expected[:, step])
        return loss / settings.steps


def build(settings: Settings) -> GNMT:
    """The model."""
    return GNMT(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Source words, target words and the target words that follow them."""
    shape = (settings.batch, settings.steps)
    return [torch.zeros(shape, dtype=torch.int64) for _ in range(3)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``encoder.0``, ``decoder.0``, …, ``attention``, ``softmax``."""
    parts = path.split(".")
    if parts[0] in ("source", "target"):
        return "embedding"
    if parts[0] == "encoder":
        return f"encoder.{parts[2]}" if len(parts) > 2 else "attention"
    if parts[0] == "decoder":
        return ".".join(parts[:2])
    return parts[0] or "softmax"
