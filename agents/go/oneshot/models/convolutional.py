"""Convolutional models: residual, dense, multi-resolution, encoder and decoder with skips."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Sampled = tuple[nn.Module, list[torch.Tensor]]


def convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """A bottleneck block (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = outputs // 4
        self.body = nn.Sequential(
            convolution(inputs, inner, 1),
            convolution(inner, inner, 3, stride),
            convolution(inner, outputs, 1),
        )
        self.short = (
            None if inputs == outputs and stride == 1 else convolution(inputs, outputs, 1, stride)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + (x if self.short is None else self.short(x)))


class Classifier(nn.Module):
    """Blocks, the mean over places, classes; gives the loss."""

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(channels, 1000)

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self.head(self.body(images).mean((2, 3))), targets)


class Dense(nn.Module):
    """A dense block (Huang et al. 2017): each layer takes all before it."""

    def __init__(self, inputs: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                convolution(inputs + n * growth, 4 * growth, 1), convolution(4 * growth, growth)
            )
            for n in range(layers)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class ConvNeXt(nn.Module):
    """Depthwise convolution, norm, wide and narrow (Liu et al. 2022)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.GroupNorm(1, channels)
        self.wide, self.narrow = (
            nn.Conv2d(channels, 4 * channels, 1),
            nn.Conv2d(4 * channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(functional.gelu(self.wide(self.norm(self.mix(x)))))


class Segmenter(nn.Module):
    """U-Net (Ronneberger et al. 2015): down, up, skips between."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        sizes = [channels * 2**n for n in range(depth + 1)]
        self.first = nn.Sequential(convolution(3, channels), convolution(channels, channels))
        self.down = nn.ModuleList(
            nn.Sequential(convolution(a, b), convolution(b, b))
            for a, b in itertools.pairwise(sizes)
        )
        self.shrink = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2) for a, b in itertools.pairwise(sizes)
        )
        self.up = nn.ModuleList(
            nn.Sequential(convolution(2 * a, a), convolution(a, a)) for a in sizes[:-1]
        )
        self.head = nn.Conv2d(channels, 2, 1)

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x, kept = self.first(images), []
        for down in self.down:
            kept.append(x)
            x = down(functional.max_pool2d(x, 2))
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat([self.shrink[level](x), kept[level]], 1))
        return functional.cross_entropy(self.head(x), targets)


class Resolutions(nn.Module):
    """Parallel branches of falling resolution that exchange again and again (Wang et al. 2020)."""

    def __init__(self, branches: int, stages: int, channels: int) -> None:
        super().__init__()
        self.count = branches
        self.stem = convolution(3, channels, 3, 2)
        self.split = nn.ModuleList(
            convolution(channels, channels * 2**n, 3, 2**n) for n in range(branches)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(
                    convolution(channels * 2**n, channels * 2**n),
                    convolution(channels * 2**n, channels * 2**n),
                )
                for n in range(branches)
            )
            for _ in range(stages)
        )
        self.mix = nn.ModuleList(
            nn.ModuleDict(
                {
                    f"{a}to{b}": nn.Conv2d(channels * 2**a, channels * 2**b, 1)
                    for a, b in itertools.permutations(range(branches), 2)
                }
            )
            for _ in range(stages)
        )
        self.head = nn.Linear(sum(channels * 2**n for n in range(branches)), 1000)

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)
        streams = [split(x) for split in self.split]
        stages: Any = zip(self.blocks, self.mix, strict=True)
        for blocks, mix in stages:
            streams = [y + block(y) for y, block in zip(streams, blocks, strict=True)]
            mixed = []
            for b in range(self.count):
                total = streams[b]
                for a in range(self.count):
                    if a != b:
                        y = mix[f"{a}to{b}"](streams[a])
                        total = total + functional.interpolate(y, size=streams[b].shape[2:])
                mixed.append(torch.relu(total))
            streams = mixed
        pooled = torch.cat([y.mean((2, 3)) for y in streams], 1)
        return functional.cross_entropy(self.head(pooled), targets)


class TemporalBlock(nn.Module):
    """Two dilated convolutions over time and a residual (Bai et al. 2018)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + torch.relu(self.second(torch.relu(self.first(x)))))


class Temporal(nn.Module):
    """Dilated residual blocks over a sequence; several streams of unlike dilation side by side."""

    def __init__(self, streams: int, blocks: int, channels: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(8, channels, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*(TemporalBlock(channels, (s + 1) * 2 ** (n % 6)) for n in range(blocks)))
            for s in range(streams)
        )
        self.head = nn.Conv1d(channels, 8, 1)

    def forward(self, series: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.embed(series)
        total = self.streams[0](x)
        for stream in self.streams[1:]:
            total = total + stream(x)
        return functional.mse_loss(self.head(total), targets)


def _images(random: np.random.Generator, side: int, dense: bool = False) -> list[torch.Tensor]:
    batch = int(random.choice([8, 16, 32, 64]))
    targets = (batch, side, side) if dense else (batch,)
    return [torch.zeros((batch, 3, side, side)), torch.zeros(targets, dtype=torch.int64)]


def _one(random: np.random.Generator, *values: int) -> int:
    return int(random.choice(values))


def residual(random: np.random.Generator) -> Sampled:
    """A residual network of drawn sizes and its inputs."""
    channels, blocks = _one(random, 64, 128), []
    last = channels
    for stage in range(_one(random, 2, 3, 4)):
        for number in range(_one(random, 2, 3, 4)):
            blocks.append(Residual(last, channels * 2**stage, 2 if stage and number == 0 else 1))
            last = channels * 2**stage
    body = nn.Sequential(convolution(3, channels, 7, 2), nn.MaxPool2d(2), *blocks)
    return Classifier(body, last), _images(random, 224)


def dense(random: np.random.Generator) -> Sampled:
    """A densely connected network of drawn sizes and its inputs."""
    channels, growth, body = (
        64,
        _one(random, 16, 32, 48),
        [convolution(3, 64, 7, 2), nn.MaxPool2d(2)],
    )
    for stage in range(_one(random, 2, 3)):
        layers = _one(random, 4, 6, 8)
        if stage:
            body += [convolution(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
        body.append(Dense(channels, growth, layers))
        channels += layers * growth
    return Classifier(nn.Sequential(*body), channels), _images(random, 128)


def convnext(random: np.random.Generator) -> Sampled:
    """A ConvNeXt of drawn sizes and its inputs."""
    channels = _one(random, 64, 96, 128)
    body: list[nn.Module] = [nn.Conv2d(3, channels, 4, 4)]
    for stage in range(_one(random, 2, 3)):
        if stage:
            body.append(nn.Conv2d(channels, 2 * channels, 2, 2))
            channels *= 2
        body += [ConvNeXt(channels) for _ in range(_one(random, 3, 4, 6))]
    return Classifier(nn.Sequential(*body), channels), _images(random, 224)


def segmenter(random: np.random.Generator) -> Sampled:
    """A U-Net of drawn sizes and its inputs."""
    return Segmenter(_one(random, 3, 4), _one(random, 32, 48, 64)), _images(random, 256, dense=True)


def resolutions(random: np.random.Generator) -> Sampled:
    """A multi-resolution network of drawn sizes and its inputs."""
    return Resolutions(_one(random, 3, 4), _one(random, 3, 4, 6), _one(random, 32, 48)), _images(
        random, 224
    )


def temporal(random: np.random.Generator) -> Sampled:
    """A temporal convolutional network of drawn sizes and its inputs."""
    model = Temporal(_one(random, 1, 2, 3, 4), _one(random, 6, 8, 12), _one(random, 128, 256, 512))
    batch = _one(random, 16, 32, 64)
    return model, [torch.zeros((batch, 8, 512)) for _ in range(2)]
