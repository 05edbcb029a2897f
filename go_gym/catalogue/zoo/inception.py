"""Inception-v3 (Szegedy et al. 2016, table 1 and figures 5 to 7), 299 × 299 images, 1,000 classes.

Without the auxiliary classifier, and without the running statistics that only inference uses.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Settings:
    """Sizes of an Inception-v3 training step."""

    batch: int
    classes: int = 1000
    image: int = 299


class Conv(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=0.001, track_running_stats=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.norm(self.convolution(x)))


class Block35(nn.Module):
    """Figure 5: 1×1, 5×5, two 3×3, pooled 1×1, on the 35 × 35 grid."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.one = Conv(inputs, 64, 1)
        self.five = nn.Sequential(Conv(inputs, 48, 1), Conv(48, 64, 5, padding=2))
        self.three = nn.Sequential(
            Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, padding=1)
        )
        self.pooled = Conv(inputs, pooled, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = functional.avg_pool2d(x, 3, 1, 1)
        return torch.cat([self.one(x), self.five(x), self.three(x), self.pooled(pool)], dim=1)


class Reduce35(nn.Module):
    """From the 35 × 35 to the 17 × 17 grid."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.three = Conv(inputs, 384, 3, 2)
        self.twice = nn.Sequential(
            Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, 2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = functional.max_pool2d(x, 3, 2)
        return torch.cat([self.three(x), self.twice(x), pool], dim=1)


class Block17(nn.Module):
    """Figure 6 with n = 7: products of 1×7 and 7×1 convolutions."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        across: tuple = ((1, 7), 1, (0, 3))
        down: tuple = ((7, 1), 1, (3, 0))
        self.one = Conv(inputs, 192, 1)
        self.seven = nn.Sequential(
            Conv(inputs, width, 1), Conv(width, width, *across), Conv(width, 192, *down)
        )
        self.twice = nn.Sequential(
            Conv(inputs, width, 1),
            Conv(width, width, *down),
            Conv(width, width, *across),
            Conv(width, width, *down),
            Conv(width, 192, *across),
        )
        self.pooled = Conv(inputs, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = functional.avg_pool2d(x, 3, 1, 1)
        return torch.cat([self.one(x), self.seven(x), self.twice(x), self.pooled(pool)], dim=1)


class Reduce17(nn.Module):
    """From the 17 × 17 to the 8 × 8 grid."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.three = nn.Sequential(Conv(inputs, 192, 1), Conv(192, 320, 3, 2))
        self.seven = nn.Sequential(
            Conv(inputs, 192, 1),
            Conv(192, 192, (1, 7), 1, (0, 3)),
            Conv(192, 192, (7, 1), 1, (3, 0)),
            Conv(192, 192, 3, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = functional.max_pool2d(x, 3, 2)
        return torch.cat([self.three(x), self.seven(x), pool], dim=1)


class Block8(nn.Module):
    """Figure 7: branches that fan out into 1×3 and 3×1 convolutions."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.one = Conv(inputs, 320, 1)
        self.three = Conv(inputs, 384, 1)
        self.twice = nn.Sequential(Conv(inputs, 448, 1), Conv(448, 384, 3, padding=1))
        self.across = nn.ModuleList(Conv(384, 384, (1, 3), 1, (0, 1)) for _ in range(2))
        self.down = nn.ModuleList(Conv(384, 384, (3, 1), 1, (1, 0)) for _ in range(2))
        self.pooled = Conv(inputs, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [self.one(x)]
        for number, branch in enumerate((self.three(x), self.twice(x))):
            branches += [self.across[number](branch), self.down[number](branch)]
        branches.append(self.pooled(functional.avg_pool2d(x, 3, 1, 1)))
        return torch.cat(branches, dim=1)


class InceptionV3(nn.Module):
    """Images and labels to the mean cross-entropy loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.stem_a = nn.Sequential(Conv(3, 32, 3, 2), Conv(32, 32, 3), Conv(32, 64, 3, padding=1))
        self.stem_b = nn.Sequential(Conv(64, 80, 1), Conv(80, 192, 3))
        self.cells = nn.ModuleList(
            [
                Block35(192, 32),
                Block35(256, 64),
                Block35(288, 64),
                Reduce35(288),
                Block17(768, 128),
                Block17(768, 160),
                Block17(768, 160),
                Block17(768, 192),
                Reduce17(768),
                Block8(1280),
                Block8(2048),
            ]
        )
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(2048, settings.classes)

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.stem_a(images), 3, 2)
        x = functional.max_pool2d(self.stem_b(x), 3, 2)
        for cell in self.cells:
            x = cell(x)
        x = functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1)
        return functional.cross_entropy(self.classifier(self.dropout(x)), labels)


def build(settings: Settings) -> InceptionV3:
    """The model."""
    return InceptionV3(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Images and labels."""
    images = torch.zeros(settings.batch, 3, settings.image, settings.image)
    return [images, torch.zeros(settings.batch, dtype=torch.int64)]


def layer_of(path: str) -> str | None:
    """``stem_a``, ``stem_b``, ``cells.0`` to ``cells.10``, ``classifier``; None in between."""
    parts = path.split(".")
    if parts[0] == "cells":
        return ".".join(parts[:2])
    return {"stem_a": "stem_a", "stem_b": "stem_b"}.get(parts[0]) or (
        "classifier" if parts[0] in ("classifier", "dropout") else None
    )
