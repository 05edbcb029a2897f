"""RNNLM: an LSTM language model (Zaremba et al. 2014; Jozefowicz et al. 2016), unrolled.

2,048 hidden units as in Jozefowicz et al.'s LSTM-2048; 10,000 words (Penn Treebank, Zaremba et
al.), batch 64 and 50 steps are our choice, for op counts near those of HDP (ICLR 2018).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Settings:
    """Sizes of an RNNLM."""

    layers: int
    hidden: int = 2048
    vocabulary: int = 10_000
    steps: int = 50
    batch: int = 64


class LSTMCell(nn.Module):
    """One step of an LSTM: a single product for the four gates, as TensorFlow's BasicLSTMCell."""

    def __init__(self, size: int, inputs: int | None = None) -> None:
        super().__init__()
        self.gates = nn.Linear((inputs or size) + size, 4 * size)

    def forward(
        self, x: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        products = self.gates(torch.cat([x, hidden], dim=1))
        write, candidate, keep, output = products.chunk(4, dim=1)
        cell = cell * torch.sigmoid(keep) + torch.sigmoid(write) * torch.tanh(candidate)
        return torch.tanh(cell) * torch.sigmoid(output), cell


class RNNLM(nn.Module):
    """Embedding, stacked LSTM layers, softmax over the vocabulary; gives the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.vocabulary, settings.hidden)
        self.lstm = nn.ModuleList(LSTMCell(settings.hidden) for _ in range(settings.layers))
        self.softmax = nn.Linear(settings.hidden, settings.vocabulary)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``words`` and ``targets``: (batch, steps) int64."""
        zeros = words.new_zeros(self.settings.batch, self.settings.hidden, dtype=torch.float32)
        state = [(zeros, zeros) for _ in self.lstm]
        loss: Any = 0.0  # the first tensor makes it one
        for step in range(self.settings.steps):
            x = self.embedding(words[:, step])
            for layer, cell in enumerate(self.lstm):
                state[layer] = cell(x, *state[layer])
                x = state[layer][0]
            loss = loss + functional.cross_entropy(self.softmax(x), targets[:, step])
        return loss / self.settings.steps


def build(settings: Settings) -> RNNLM:
    """The model."""
    return RNNLM(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Words and the words that follow them."""
    shape = (settings.batch, settings.steps)
    return [torch.zeros(shape, dtype=torch.int64) for _ in range(2)]


def layer_of(path: str) -> str | None:
    """``embedding``, ``lstm.0``, …, ``softmax``; what follows the softmax belongs to it."""
    parts = path.split(".")
    if parts[0] == "lstm":
        return ".".join(parts[:2])
    return parts[0] or "softmax"
