"""WaveNet (van den Oord et al. 2016, arXiv 1609.03499): dilated causal convolutions over sound.

The paper's layer: gated activation, residual and skip connections, 256 μ-law classes; dilation
doubles within a stack and starts at 1 in each. 2 stacks with 18 layers and 4 with 36 are GO's
(NeurIPS 2020), nine layers a stack. 256 channels, 16,000 samples (one second) and batch 4 are our
choice.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Settings:
    """Sizes of a WaveNet; ``layers`` in all."""

    stacks: int
    layers: int
    channels: int = 256
    skip: int = 256
    classes: int = 256
    samples: int = 16_000
    batch: int = 4


class Causal(nn.Module):
    """A convolution of width 2 that sees no future sample."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.convolution = nn.Conv1d(inputs, outputs, 2, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(functional.pad(x, (self.dilation, 0)))


class Layer(nn.Module):
    """Figure 4: tanh times sigmoid, a residual output, and a skip output added to the others'.

    The last layer has no residual output, since nobody would read it.
    """

    def __init__(self, settings: Settings, dilation: int, last: bool) -> None:
        super().__init__()
        channels = settings.channels
        self.filter = Causal(channels, channels, dilation)
        self.gate = Causal(channels, channels, dilation)
        self.residual = None if last else nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, settings.skip, 1)

    def forward(
        self, x: torch.Tensor, skips: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        gated = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        skip = self.skip(gated)
        skips = skip if skips is None else skips + skip
        return x if self.residual is None else x + self.residual(gated), skips


class WaveNet(nn.Module):
    """First convolution, layers, two convolutions on the sum of skips; gives the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        depth = settings.layers // settings.stacks
        self.first = Causal(settings.classes, settings.channels, 1)
        self.layers = nn.ModuleList(
            Layer(settings, 2 ** (number % depth), last=number + 1 == settings.layers)
            for number in range(settings.layers)
        )
        self.last = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(settings.skip, settings.skip, 1),
            nn.ReLU(),
            nn.Conv1d(settings.skip, settings.classes, 1),
        )

    def forward(self, samples: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``samples`` (batch, classes, samples) one-hot; ``targets`` (batch, samples) int64."""
        x = self.first(samples)
        skips = None
        for layer in self.layers:
            x, skips = layer(x, skips)
        return functional.cross_entropy(self.last(skips), targets)


def build(settings: Settings) -> WaveNet:
    """The model."""
    return WaveNet(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """One-hot samples and the classes of the samples that follow them."""
    shape = (settings.batch, settings.classes, settings.samples)
    return [
        torch.zeros(shape),
        torch.zeros((settings.batch, settings.samples), dtype=torch.int64),
    ]


def layer_of(path: str) -> str | None:
    """``first``, ``layers.0``, …, ``last``; the loss belongs to the last."""
    parts = path.split(".")
    if parts[0] == "layers":
        return ".".join(parts[:2])
    return parts[0] or "last"
