"""Attention, mixers, graphs, recommenders: blocks of products, in rows and side by side."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Sampled = tuple[nn.Module, list[torch.Tensor]]


class Attention(nn.Module):
    """Multi-head attention with separate projections, of one sequence to another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            self._heads(self.query(x)),
            self._heads(self.key(memory)),
            self._heads(self.value(memory)),
        )
        weight = torch.softmax(q @ k.transpose(2, 3) / q.shape[3] ** 0.5, 3)
        return self.out((weight @ v).transpose(1, 2).reshape(x.shape))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class Block(nn.Module):
    """Attention to itself and, if asked, to a memory; then a gated perceptron."""

    def __init__(self, width: int, heads: int, crossing: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 + crossing))
        self.own = Attention(width, heads)
        self.other = Attention(width, heads) if crossing else None
        self.gate, self.wide = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        y = self.norms[0](x)
        x = x + self.own(y, y)
        if self.other is not None and memory is not None:
            x = x + self.other(self.norms[2](x), memory)
        y = self.norms[1](x)
        return x + self.narrow(functional.gelu(self.gate(y)) * self.wide(y))


class TextToText(nn.Module):
    """Encoder and decoder of attention blocks (Raffel et al. 2020)."""

    def __init__(self, layers: int, width: int, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.encoder = nn.ModuleList(Block(width, width // 64, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Block(width, width // 64, True) for _ in range(layers))
        self.head = nn.Linear(width, words)

    def forward(self, words: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        memory = self.embedding(words)
        for block in self.encoder:
            memory = block(memory)
        x = self.embedding(targets)
        for block in self.decoder:
            x = block(x, memory)
        return functional.cross_entropy(self.head(x).flatten(0, 1), targets.flatten())


class TwoTowers(nn.Module):
    """Images and words to one space, told apart within the batch (Radford et al. 2021)."""

    def __init__(self, layers: int, image_width: int, word_width: int) -> None:
        super().__init__()
        self.patches = nn.Linear(768, image_width)
        self.words = nn.Embedding(16_000, word_width)
        self.image = nn.ModuleList(Block(image_width, 8, False) for _ in range(layers))
        self.text = nn.ModuleList(Block(word_width, 8, False) for _ in range(layers))
        self.from_image, self.from_text = nn.Linear(image_width, 512), nn.Linear(word_width, 512)

    def forward(
        self, patches: torch.Tensor, words: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        x, y = self.patches(patches), self.words(words)
        for block in self.image:
            x = block(x)
        for block in self.text:
            y = block(y)
        alike = self.from_image(x.mean(1)) @ self.from_text(y.mean(1)).t()
        return functional.cross_entropy(alike, targets) + functional.cross_entropy(
            alike.t(), targets
        )


class Mixer(nn.Module):
    """Perceptrons over tokens and over channels in turn (Tolstikhin et al. 2021)."""

    def __init__(self, layers: int, tokens: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(768, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.over_tokens = nn.ModuleList(_perceptron(tokens, 2 * tokens) for _ in range(layers))
        self.over_channels = nn.ModuleList(_perceptron(width, 4 * width) for _ in range(layers))
        self.head = nn.Linear(width, 1000)

    def forward(self, patches: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.embed(patches)
        for n, (tokens, channels) in enumerate(
            zip(self.over_tokens, self.over_channels, strict=True)
        ):
            x = x + tokens(self.norms[2 * n](x).transpose(1, 2)).transpose(1, 2)
            x = x + channels(self.norms[2 * n + 1](x))
        return functional.cross_entropy(self.head(x.mean(1)), targets)


class Latents(nn.Module):
    """A few latents that look at a long input again and again (Jaegle et al. 2021)."""

    def __init__(self, rounds: int, inner: int, width: int, latents: int) -> None:
        super().__init__()
        self.rounds, self.embed = rounds, nn.Linear(64, width)
        self.latents = nn.Parameter(torch.zeros(latents, width))
        self.look, self.blocks = (
            Block(width, 8, True),
            nn.ModuleList(Block(width, 8, False) for _ in range(inner)),
        )
        self.head = nn.Linear(width, 1000)

    def forward(self, series: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        memory = self.embed(series)
        x = self.latents[None].expand(series.shape[0], -1, -1) + 0.0
        for _ in range(self.rounds):
            x = self.look(x, memory)
            for block in self.blocks:
                x = block(x)
        return functional.cross_entropy(self.head(x.mean(1)), targets)


class GraphConvolutions(nn.Module):
    """Graph convolutions over several relations (Schlichtkrull et al. 2018), all layers read."""

    def __init__(self, layers: int, relations: int, width: int) -> None:
        super().__init__()
        self.relations = relations
        self.weights = nn.ModuleList(
            nn.ModuleList(nn.Linear(128 if n == 0 else width, width) for _ in range(relations + 1))
            for n in range(layers)
        )
        self.head = nn.Linear(layers * width, 40)

    def forward(self, x: torch.Tensor, near: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        kept = []
        weights: Any
        for weights in self.weights:
            total = weights[-1](x)
            for relation in range(self.relations):
                total = total + near[relation] @ weights[relation](x)
            x = torch.relu(total)
            kept.append(x)
        return functional.cross_entropy(self.head(torch.cat(kept, 1)), targets)


class DeepAndCross(nn.Module):
    """Embeddings, cross layers and a deep stack side by side (Wang et al. 2017), several tasks."""

    def __init__(self, tables: int, rows: int, cross: int, deep: int, tasks: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, 64) for _ in range(tables))
        width = 64 * tables
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(cross))
        self.deep = nn.ModuleList(nn.Linear(width if n == 0 else 1024, 1024) for n in range(deep))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width + 1024, 256), nn.ReLU(), nn.Linear(256, 1))
            for _ in range(tasks)
        )

    def forward(self, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        first = torch.cat([table(features[:, n]) for n, table in enumerate(self.tables)], 1)
        x = y = first
        for layer in self.cross:
            x = first * layer(x) + x
        for layer in self.deep:
            y = torch.relu(layer(y))
        both = torch.cat([x, y], 1)
        loss = functional.mse_loss(self.heads[0](both)[:, 0], targets)
        for head in self.heads[1:]:
            loss = loss + functional.mse_loss(head(both)[:, 0], targets)
        return loss


def _perceptron(width: int, inner: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


def _one(random: np.random.Generator, *values: int) -> int:
    return int(random.choice(values))


def _classes(batch: int) -> torch.Tensor:
    return torch.zeros((batch,), dtype=torch.int64)


def text_to_text(random: np.random.Generator) -> Sampled:
    """An encoder and decoder of drawn sizes and its inputs."""
    shape = (_one(random, 4, 8, 16, 32), _one(random, 128, 256))
    model = TextToText(_one(random, 2, 3, 4, 6), _one(random, 256, 512, 768), 16_000)
    return model, [torch.zeros(shape, dtype=torch.int64) for _ in range(2)]


def two_towers(random: np.random.Generator) -> Sampled:
    """Two towers of drawn sizes and their inputs."""
    batch = _one(random, 16, 32, 64)
    model = TwoTowers(_one(random, 3, 4, 6), _one(random, 512, 768), _one(random, 256, 512))
    words = torch.zeros((batch, 77), dtype=torch.int64)
    return model, [torch.zeros((batch, 196, 768)), words, _classes(batch)]


def mixer(random: np.random.Generator) -> Sampled:
    """A mixer of drawn sizes and its inputs."""
    batch, tokens = _one(random, 16, 32, 64), _one(random, 64, 196)
    model = Mixer(_one(random, 4, 6, 8, 12), tokens, _one(random, 256, 512, 768))
    return model, [torch.zeros((batch, tokens, 768)), _classes(batch)]


def latents(random: np.random.Generator) -> Sampled:
    """Latents of drawn sizes and their inputs."""
    batch, inner = _one(random, 8, 16), _one(random, 1, 2, 3)
    model = Latents(_one(random, 2, 3, 4), inner, _one(random, 256, 512), 128)
    return model, [torch.zeros((batch, 1024, 64)), _classes(batch)]


def graph_convolutions(random: np.random.Generator) -> Sampled:
    """Graph convolutions of drawn sizes and their inputs."""
    nodes, relations = _one(random, 2048, 4096, 8192), _one(random, 2, 3, 4)
    model = GraphConvolutions(_one(random, 2, 3, 4), relations, _one(random, 256, 512))
    return model, [
        torch.zeros((nodes, 128)),
        torch.zeros((relations, nodes, nodes)),
        _classes(nodes),
    ]


def deep_and_cross(random: np.random.Generator) -> Sampled:
    """A recommender of drawn sizes and its inputs."""
    batch, tables = _one(random, 1024, 4096, 8192), _one(random, 8, 16, 24)
    model = DeepAndCross(
        tables,
        _one(random, 50_000, 200_000),
        _one(random, 2, 3),
        _one(random, 2, 3),
        _one(random, 1, 3, 6),
    )
    return model, [torch.zeros((batch, tables), dtype=torch.int64), torch.zeros((batch,))]
