"""Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929): ViT-B/16 and ViT-L/16.

224 × 224 images in patches of 16 × 16, a class token, layer norm first; batches are our choice.
Trained, and served (inference gives the logits).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import PreNormBlock, layer_by_number


@dataclass(frozen=True)
class Settings:
    """Sizes of a Vision Transformer; the defaults are ViT-B/16's."""

    batch: int
    layers: int = 12
    width: int = 768
    heads: int = 12
    patch: int = 16
    image: int = 224
    classes: int = 1000


class Patches(nn.Module):
    """Images to their patches after the class token, each with its position."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, patch = settings.width, settings.patch
        self.project = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        count = (settings.image // patch) ** 2 + 1
        self.positions = nn.Parameter(torch.zeros(1, count, width))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.project(images).flatten(2).transpose(1, 2)
        return torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.positions


class ViT(nn.Module):
    """Images to logits; with labels, to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.patches = Patches(settings)
        self.layers = nn.ModuleList(
            PreNormBlock(width, settings.heads, causal=False) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, settings.classes)

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """``images``: (batch, 3, side, side); ``labels``: (batch,) int64."""
        x = self.patches(images)
        for layer in self.layers:
            x = layer(x)
        logits = self.head(self.norm(x[:, 0]))
        return logits if labels is None else functional.cross_entropy(logits, labels)


def build(settings: Settings) -> ViT:
    """The model."""
    return ViT(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Images and labels."""
    return [*queries(settings), torch.zeros(settings.batch, dtype=torch.int64)]


def queries(settings: Settings) -> list[torch.Tensor]:
    """Images alone, as a server gets them."""
    return [torch.zeros(settings.batch, 3, settings.image, settings.image)]


def layer_of(path: str) -> str | None:
    """``patches``, ``layers.0``, …, ``head``; the loss belongs to the head."""
    around = {"patches": "patches", "norm": "head", "head": "head"}
    return layer_by_number(path, "layers", around)
