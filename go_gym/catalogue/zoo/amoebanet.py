"""AmoebaNet-A (Real et al. 2019, AAAI, arXiv 1802.01548, figure 5), for ImageNet.

Cells of five combinations, each the sum of two operations on earlier states; N normal cells thrice
with a reduction between. N = 4 and F = 50 with 224 × 224 images is the paper's mobile setting
(5.1 M weights, 555 M products an image, table 2); batch 128 is our choice. No auxiliary head, no
dropped paths, and no running statistics, which only inference uses.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

NORMAL = (
    ("avg 3", 0), ("max 3", 1),
    ("sep 3", 0), ("sep 5", 2),
    ("sep 3", 0), ("avg 3", 3),
    ("sep 3", 1), ("identity", 1),
    ("identity", 0), ("avg 3", 1),
)  # fmt: skip
"""Operation and the state it reads, in pairs: states 0 and 1 are the outputs of the last two cells,
2 to 6 the sums of the pairs."""
NORMAL_OUTPUT = (4, 5, 6)
REDUCTION = (
    ("avg 3", 0), ("sep 3", 1),
    ("max 3", 0), ("sep 7", 2),
    ("sep 7", 0), ("avg 3", 1),
    ("max 3", 0), ("max 3", 1),
    ("1 by 7", 0), ("sep 3", 5),
)  # fmt: skip
REDUCTION_OUTPUT = (3, 4, 6)


@dataclass(frozen=True)
class Settings:
    """Sizes of an AmoebaNet; ``cells`` is N, ``filters`` is F."""

    batch: int = 128
    cells: int = 4
    filters: int = 50
    image: int = 224
    classes: int = 1000


def norm(channels: int) -> nn.Module:
    """Batch normalisation by the batch's own statistics."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, batch normalisation."""
    made = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), made, norm(outputs))


def separable(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution, twice."""
    steps: list[nn.Module] = []
    for step in (stride, 1):
        deep = nn.Conv2d(channels, channels, kernel, step, kernel // 2, groups=channels, bias=False)
        steps += [nn.ReLU(), deep, nn.Conv2d(channels, channels, 1, bias=False), norm(channels)]
    return nn.Sequential(*steps)


def flat_and_tall(channels: int, stride: int) -> nn.Sequential:
    """1 × 7, then 7 × 1."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        norm(channels),
    )


class Halve(nn.Module):
    """Half the side without a bottleneck: two shifted 1 × 1 convolutions of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, 2, bias=False)
        self.norm = norm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(x)
        moved = functional.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))
        return self.norm(torch.cat([self.even(x), self.odd(moved)], dim=1))


def operation(what: str, channels: int, stride: int) -> nn.Module:
    """One of the operations of figure 5."""
    if what == "identity":
        return nn.Identity() if stride == 1 else Halve(channels, channels)
    if what == "1 by 7":
        return flat_and_tall(channels, stride)
    kind, size = what.split()
    if kind == "sep":
        return separable(channels, int(size), stride)
    if kind == "avg":
        return nn.AvgPool2d(int(size), stride, int(size) // 2, count_include_pad=False)
    return nn.MaxPool2d(int(size), stride, int(size) // 2)


class Cell(nn.Module):
    """Five pairwise combinations of the outputs of the last two cells."""

    def __init__(
        self, older: int, newer: int, channels: int, reduction: bool, after_reduction: bool
    ) -> None:
        super().__init__()
        self.older = Halve(older, channels) if after_reduction else conv(older, channels, 1)
        self.newer = conv(newer, channels, 1)
        genes, self.output = (REDUCTION, REDUCTION_OUTPUT) if reduction else (NORMAL, NORMAL_OUTPUT)
        self.sources = [source for _, source in genes]
        self.operations = nn.ModuleList(
            operation(what, channels, 2 if reduction and source < 2 else 1)
            for what, source in genes
        )

    def forward(self, older: torch.Tensor, newer: torch.Tensor) -> torch.Tensor:
        states = [self.older(older), self.newer(newer)]
        made = zip(self.operations, self.sources, strict=True)
        for (left, first), (right, second) in zip(made, made, strict=True):
            states.append(left(states[first]) + right(states[second]))
        return torch.cat([states[number] for number in self.output], dim=1)


class AmoebaNet(nn.Module):
    """Stem, cells, classifier; gives the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        channels = settings.filters
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, 2, 1, bias=False),
            norm(channels // 2),
            *conv(channels // 2, channels, 3, 2),
        )
        self.second_stem = conv(channels, channels, 3, 2)
        older = newer = channels
        cells, after = [], True
        for stage in range(3):
            for reduction in ([True] if stage else []) + [False] * settings.cells:
                channels *= 2 if reduction else 1
                cells.append(Cell(older, newer, channels, reduction, after))
                older, newer, after = newer, 3 * channels, reduction
        self.cells = nn.ModuleList(cells)
        self.classifier = nn.Linear(newer, settings.classes)

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``images`` (batch, 3, image, image) float32; ``targets`` (batch,) int64."""
        older = self.stem(images)
        newer = self.second_stem(older)
        for cell in self.cells:
            older, newer = newer, cell(older, newer)
        pooled = newer.mean(dim=(2, 3))
        return functional.cross_entropy(self.classifier(pooled), targets)


def build(settings: Settings) -> AmoebaNet:
    """The model."""
    return AmoebaNet(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Images and their classes."""
    return [
        torch.zeros(settings.batch, 3, settings.image, settings.image),
        torch.zeros(settings.batch, dtype=torch.int64),
    ]


def layer_of(path: str) -> str | None:
    """``stem``, ``cells.0``, …, ``classifier``; pooling and loss belong to the classifier."""
    parts = path.split(".")
    if parts[0] == "cells":
        return ".".join(parts[:2])
    return {"second_stem": "stem", "": "classifier"}.get(parts[0], parts[0])
