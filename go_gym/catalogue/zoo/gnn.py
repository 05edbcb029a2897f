"""A graph neural network (GraphSAGE, Hamilton et al. 2017, arXiv 1706.02216), whole-graph training.

Three layers of mean aggregation, as the Open Graph Benchmark's baseline for ogbn-arxiv (Hu et al.
2020, arXiv 2005.00687): 169,343 nodes, 1,166,243 edges, 128 features, 40 classes, width 256. The
nodes are split into parts (our choice: four) whose work is apart, so that it can be placed apart.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Settings:
    """Sizes of a GraphSAGE network and its graph."""

    layers: int = 3
    width: int = 256
    features: int = 128
    classes: int = 40
    nodes: int = 169_343
    edges: int = 1_166_243
    parts: int = 4

    @property
    def part_nodes(self) -> int:
        """Nodes of a part, the last one padded."""
        return -(-self.nodes // self.parts)

    @property
    def part_edges(self) -> int:
        """Edges that end in a part, padded."""
        return -(-self.edges // self.parts)


class Layer(nn.Module):
    """A part's nodes from themselves and the mean of their neighbours, which lie anywhere."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.neighbours = nn.Linear(inputs, outputs, bias=False)

    def forward(
        self, part: torch.Tensor, whole: torch.Tensor, source: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """``source`` (edges,) numbers nodes of the whole, ``target`` (edges,) those of the part."""
        messages = whole.index_select(0, source)
        total = torch.zeros_like(part).index_add(0, target, messages)
        ones = torch.ones_like(target, dtype=part.dtype)
        count = part.new_zeros(part.shape[0]).index_add(0, target, ones)
        return self.own(part) + self.neighbours(total / count.clamp(min=1).unsqueeze(1))


class GraphSAGE(nn.Module):
    """Features and edges of each part, and labels, to the mean loss."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.parts = settings.parts
        widths = [settings.features, *[settings.width] * (settings.layers - 1), settings.classes]
        self.layers = nn.ModuleList(
            Layer(inputs, outputs) for inputs, outputs in itertools.pairwise(widths)
        )

    def forward(
        self,
        features: torch.Tensor,
        source: torch.Tensor,
        target: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """``features``: (parts, nodes, features); ``source``, ``target``: (parts, edges) int64;
        ``labels``: (parts, nodes) int64."""
        parts = list(features.unbind())
        for number, layer in enumerate(self.layers):
            whole = torch.cat(parts)
            parts = [
                layer(part, whole, source[index], target[index]) for index, part in enumerate(parts)
            ]
            if number < len(self.layers) - 1:
                parts = [functional.relu(part) for part in parts]
        losses = [functional.cross_entropy(part, labels[i]) for i, part in enumerate(parts)]
        return torch.stack(losses).mean()


def build(settings: Settings) -> GraphSAGE:
    """The model."""
    return GraphSAGE(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Features, edges and labels, part by part."""
    edges = torch.zeros(settings.parts, settings.part_edges, dtype=torch.int64)
    features = torch.zeros(settings.parts, settings.part_nodes, settings.features)
    labels = torch.zeros(settings.parts, settings.part_nodes, dtype=torch.int64)
    return [features, edges, edges.clone(), labels]


def layer_of(path: str) -> str | None:
    """``layers.0``, …; the loss belongs to the last layer."""
    parts = path.split(".")
    return ".".join(parts[:2]) if parts[0] == "layers" and len(parts) > 1 else None
