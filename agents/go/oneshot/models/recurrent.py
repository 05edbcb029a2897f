"""Recurrent models: taggers, sequence to sequence, convolutional LSTMs, linear recurrences."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Sampled = tuple[nn.Module, list[torch.Tensor]]


class GRUCell(nn.Module):
    """A gated recurrent unit (Cho et al. 2014) of two products."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.from_input, self.from_state = nn.Linear(inputs, 3 * width), nn.Linear(width, 3 * width)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        a, b = self.from_input(x).chunk(3, 1), self.from_state(h).chunk(3, 1)
        keep, reset = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
        return keep * h + (1 - keep) * torch.tanh(a[2] + reset * b[2])


class Tagger(nn.Module):
    """Bidirectional GRU layers, a label at each step (Huang et al. 2015)."""

    def __init__(self, layers: int, width: int, words: int, labels: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(words, width)
        self.forth = nn.ModuleList(
            GRUCell(width if n == 0 else 2 * width, width) for n in range(layers)
        )
        self.back = nn.ModuleList(
            GRUCell(width if n == 0 else 2 * width, width) for n in range(layers)
        )
        self.head = nn.Linear(2 * width, labels)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        steps = list(self.embedding(words).unbind(1))
        for forth, back in zip(self.forth, self.back, strict=True):
            there = _run(forth, steps, self.width)
            here = _run(back, steps[::-1], self.width)[::-1]
            steps = [torch.cat(pair, 1) for pair in zip(there, here, strict=True)]
        loss: Any = 0.0
        for step, x in enumerate(steps):
            loss = loss + functional.cross_entropy(self.head(x), targets[:, step])
        return loss / len(steps)


class Translator(nn.Module):
    """GRU encoder and decoder without attention (Cho et al. 2014), teacher forced."""

    def __init__(self, layers: int, width: int, words: int) -> None:
        super().__init__()
        self.width = width
        self.source, self.target = nn.Embedding(words, width), nn.Embedding(words, width)
        self.encoder = nn.ModuleList(GRUCell(width, width) for _ in range(layers))
        self.decoder = nn.ModuleList(
            GRUCell(2 * width if n == 0 else width, width) for n in range(layers)
        )
        self.head = nn.Linear(width, words)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        steps = list(self.source(words).unbind(1))
        for cell in self.encoder:
            steps = _run(cell, steps, self.width)
        context = steps[-1]
        steps = [torch.cat([x, context], 1) for x in self.target(targets).unbind(1)]
        for cell in self.decoder:
            steps = _run(cell, steps, self.width)
        logits = self.head(torch.stack(steps, 1))
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class ConvLSTM(nn.Module):
    """Stacked convolutional LSTMs over frames (Shi et al. 2015), the next frame predicted."""

    def __init__(self, layers: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.ModuleList(
            nn.Conv2d((3 if n == 0 else channels) + channels, 4 * channels, 3, padding=1)
            for n in range(layers)
        )
        self.head = nn.Conv2d(channels, 3, 1)

    def forward(self, frames: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        batch, steps, _, side, _ = frames.shape
        zero = frames.new_zeros(batch, self.channels, side, side)
        state = [(zero, zero) for _ in self.gates]
        loss: Any = 0.0
        for step in range(steps):
            x = frames[:, step]
            for layer, gates in enumerate(self.gates):
                h, c = state[layer]
                i, f, o, g = gates(torch.cat([x, h], 1)).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                x = torch.sigmoid(o) * torch.tanh(c)
                state[layer] = (x, c)
            loss = loss + functional.mse_loss(self.head(x), targets[:, step])
        return loss


class TimeMix(nn.Module):
    """RWKV's mixing over time as an unrolled linear recurrence (Peng et al. 2023), simplified."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.value, self.gate = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = nn.Linear(width, width, bias=False)
        self.decay = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        key, value, gate = torch.exp(self.key(x)), self.value(x), torch.sigmoid(self.gate(x))
        decay, found = torch.exp(-torch.exp(self.decay)), []
        above = below = torch.zeros_like(x[:, 0])
        for k, v in zip(key.unbind(1), value.unbind(1), strict=True):
            above, below = decay * above + k * v, decay * below + k
            found.append(above / below)
        return self.out(gate * torch.stack(found, 1))


class RWKV(nn.Module):
    """A language model of time mixing and channel mixing."""

    def __init__(self, layers: int, width: int, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.mixers = nn.ModuleList(TimeMix(width) for _ in range(layers))
        self.wide = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(layers))
        self.narrow = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(layers))
        self.head = nn.Linear(width, words)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.embedding(words)
        for n, mixer in enumerate(self.mixers):
            x = x + mixer(self.norms[2 * n](x))
            x = x + self.narrow[n](torch.relu(self.wide[n](self.norms[2 * n + 1](x))).square())
        return functional.cross_entropy(self.head(x).flatten(0, 1), targets.flatten())


class Pointer(nn.Module):
    """GRU layers with residuals that attend to their own past (Cheng et al. 2016)."""

    def __init__(self, layers: int, width: int, words: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(words, width)
        self.cells = nn.ModuleList(GRUCell(width, width) for _ in range(layers))
        self.query, self.head = nn.Linear(width, width), nn.Linear(2 * width, words)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        state = [
            words.new_zeros(words.shape[0], self.width, dtype=torch.float32) for _ in self.cells
        ]
        past: list[torch.Tensor] = []
        loss: Any = 0.0
        for step in range(words.shape[1]):
            x = self.embedding(words[:, step])
            for layer, cell in enumerate(self.cells):
                state[layer] = cell(x, state[layer])
                x = x + state[layer]
            past.append(x)
            memory = torch.stack(past, 1)
            weight = torch.softmax((memory * self.query(x)[:, None]).sum(2), 1)
            context = (weight[..., None] * memory).sum(1)
            loss = loss + functional.cross_entropy(
                self.head(torch.cat([x, context], 1)), targets[:, step]
            )
        return loss


def _run(cell: nn.Module, steps: list[torch.Tensor], width: int) -> list[torch.Tensor]:
    h = steps[0].new_zeros(steps[0].shape[0], width)
    found = []
    for x in steps:
        h = cell(x, h)
        found.append(h)
    return found


def _words(batch: int, steps: int) -> list[torch.Tensor]:
    return [torch.zeros((batch, steps), dtype=torch.int64) for _ in range(2)]


def _one(random: np.random.Generator, *values: int) -> int:
    return int(random.choice(values))


def tagger(random: np.random.Generator) -> Sampled:
    """A tagger of drawn sizes and its inputs."""
    layers, width, steps = (
        _one(random, 1, 2, 3),
        _one(random, 256, 512, 1024),
        int(random.integers(6, 24)),
    )
    return Tagger(layers, width, 10_000, 50), _words(_one(random, 32, 64, 128), steps)


def translator(random: np.random.Generator) -> Sampled:
    """A translator of drawn sizes and its inputs."""
    layers, width, steps = (
        _one(random, 1, 2, 3, 4),
        _one(random, 256, 512, 1024),
        int(random.integers(5, 16)),
    )
    return Translator(layers, width, 16_000), _words(_one(random, 32, 64, 128), steps)


def conv_lstm(random: np.random.Generator) -> Sampled:
    """A convolutional LSTM of drawn sizes and its inputs."""
    layers, channels, steps = (
        _one(random, 2, 3, 4),
        _one(random, 32, 64, 128),
        int(random.integers(5, 16)),
    )
    shape = (_one(random, 8, 16, 32), steps, 3, 32, 32)
    return ConvLSTM(layers, channels), [torch.zeros(shape) for _ in range(2)]


def rwkv(random: np.random.Generator) -> Sampled:
    """An RWKV of drawn sizes and its inputs."""
    layers, width, steps = (
        _one(random, 3, 4, 6),
        _one(random, 256, 512, 768),
        int(random.integers(8, 24)),
    )
    return RWKV(layers, width, 16_000), _words(_one(random, 16, 64, 256), steps)


def pointer(random: np.random.Generator) -> Sampled:
    """A pointer model of drawn sizes and its inputs."""
    layers, width, steps = (
        _one(random, 2, 3, 4),
        _one(random, 256, 512, 1024),
        int(random.integers(6, 16)),
    )
    return Pointer(layers, width, 10_000), _words(_one(random, 32, 64, 128), steps)
