"""DLRM (Naumov et al. 2019, arXiv 1906.00091): a recommender of clicks.

13 dense and 26 categorical features as in the Criteo sets, the perceptrons and width 128 of the
MLPerf training benchmark's model; 200,000 rows a table and batch 2,048 are our choice (the
benchmark's largest tables have 40 million). The tables hold almost all parameters: placement is
about memory.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Settings:
    """Sizes of a DLRM."""

    tables: int = 26
    rows: int = 200_000
    width: int = 128
    dense: int = 13
    bottom: tuple[int, ...] = (512, 256, 128)
    top: tuple[int, ...] = (1024, 1024, 512, 256, 1)
    batch: int = 2048


def perceptron(widths: list[int]) -> nn.Sequential:
    """Linear layers with ReLU after each but the last."""
    parts: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        parts.append(nn.Linear(inputs, outputs))
        if number < len(widths) - 2:
            parts.append(nn.ReLU())
    return nn.Sequential(*parts)


class DLRM(nn.Module):
    """Dense features, categories and clicks to the mean loss."""

    lower: torch.Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.bottom = perceptron([settings.dense, *settings.bottom])
        self.tables = nn.ModuleList(
            nn.Embedding(settings.rows, settings.width) for _ in range(settings.tables)
        )
        vectors = settings.tables + 1
        pairs = vectors * (vectors - 1) // 2
        self.top = perceptron([settings.width + pairs, *settings.top])
        lower = torch.tril_indices(vectors, vectors, offset=-1)
        self.register_buffer("lower", lower[0] * vectors + lower[1])

    def forward(
        self, dense: torch.Tensor, categories: torch.Tensor, clicks: torch.Tensor
    ) -> torch.Tensor:
        """(batch, dense) float32, (batch, tables) int64 and (batch,) float32."""
        x = functional.relu(self.bottom(dense))
        rows = [table(categories[:, number]) for number, table in enumerate(self.tables)]
        vectors = torch.stack([x, *rows], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        pairs = products.index_select(1, self.lower)
        click = self.top(torch.cat([x, pairs], dim=1)).squeeze(1)
        return functional.binary_cross_entropy_with_logits(click, clicks)


def build(settings: Settings) -> DLRM:
    """The model."""
    return DLRM(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Dense features, categories, clicks."""
    categories = torch.zeros(settings.batch, settings.tables, dtype=torch.int64)
    return [
        torch.zeros(settings.batch, settings.dense),
        categories,
        torch.zeros(settings.batch),
    ]


def layer_of(path: str) -> str | None:
    """``bottom``, ``tables.0``, …, ``top``; the interaction and the loss belong to the top."""
    parts = path.split(".")
    if parts[0] == "tables":
        return ".".join(parts[:2])
    return parts[0] or "top"
