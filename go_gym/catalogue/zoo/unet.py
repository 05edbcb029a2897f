"""The U-Net of denoising diffusion (Ho et al. 2020, arXiv 2006.11239, appendix B).

The model for 256 × 256 images: 128 channels times 1, 1, 2, 2, 4, 4, two residual blocks a
resolution, self-attention at 16 × 16, group norms of 32. The batch is our choice; no dropout.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from go_gym.catalogue.zoo.attention import layer_by_number


@dataclass(frozen=True)
class Settings:
    """Sizes of a diffusion U-Net."""

    image: int = 256
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    blocks: int = 2
    attention_at: int = 16
    batch: int = 4


class Residual(nn.Module):
    """Two convolutions after group norm and SiLU, the time added in between."""

    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.last_norm = nn.GroupNorm(32, outputs)
        self.last = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        y = self.first(functional.silu(self.norm(x)))
        y = y + self.time(functional.silu(time))[:, :, None, None]
        return self.short(x) + self.last(functional.silu(self.last_norm(y)))


class Attention(nn.Module):
    """Single-head self-attention over the pixels, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pixels = self.query_key_value(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1)
        query, key, value = pixels.chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.squeeze(1).transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    """A residual block, with attention where asked for."""

    def __init__(self, inputs: int, outputs: int, time: int, attention: bool) -> None:
        super().__init__()
        self.residual = Residual(inputs, outputs, time)
        self.attention = Attention(outputs) if attention else nn.Identity()

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return self.attention(self.residual(x, time))


class Resample(nn.Module):
    """Half the resolution by a strided convolution, or twice by repetition and a convolution."""

    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.convolution = nn.Conv2d(channels, channels, 3, 1 if up else 2, 1)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return self.convolution(functional.interpolate(x, scale_factor=2.0) if self.up else x)


class UNet(nn.Module):
    """Noisy images and their time to the mean squared error of the noise."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        base, time = settings.channels, 4 * settings.channels
        levels = [base * multiplier for multiplier in settings.multipliers]
        attends = [settings.image >> level == settings.attention_at for level in range(len(levels))]
        self.time = nn.Sequential(nn.Linear(base, time), nn.SiLU(), nn.Linear(time, time))
        self.first = nn.Conv2d(3, base, 3, padding=1)
        down: list[nn.Module] = []
        kept, width = [base], base  # channels of what the way up gets
        for level, channels in enumerate(levels):
            for _ in range(settings.blocks):
                down.append(Block(width, channels, time, attends[level]))
                width = channels
                kept.append(width)
            if level < len(levels) - 1:
                down.append(Resample(width, up=False))
                kept.append(width)
        self.down = nn.ModuleList(down)
        self.middle = nn.ModuleList(Block(width, width, time, first) for first in (True, False))
        up: list[nn.Module] = []
        for level, channels in reversed(list(enumerate(levels))):
            for _ in range(settings.blocks + 1):
                up.append(Block(width + kept.pop(), channels, time, attends[level]))
                width = channels
            if level > 0:
                up.append(Resample(width, up=True))
        self.up = nn.ModuleList(up)
        self.norm = nn.GroupNorm(32, width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def embedded(self, time: torch.Tensor) -> torch.Tensor:
        """Sinusoids of the time step, (batch, channels)."""
        half = self.settings.channels // 2
        rate = torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
        angle = time[:, None].float() * rate
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    def forward(
        self, images: torch.Tensor, time: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """``images`` and ``noise``: (batch, 3, side, side); ``time``: (batch,) int64."""
        embedding = self.time(self.embedded(time))
        x = self.first(images)
        kept = [x]
        for part in self.down:
            x = part(x, embedding)
            kept.append(x)
        for part in self.middle:
            x = part(x, embedding)
        for part in self.up:
            x = part(torch.cat([x, kept.pop()], dim=1) if isinstance(part, Block) else x, embedding)
        return functional.mse_loss(self.last(functional.silu(self.norm(x))), noise)


def build(settings: Settings) -> UNet:
    """The model."""
    return UNet(settings)


def inputs(settings: Settings) -> list[torch.Tensor]:
    """Noisy images, time steps and the noise in them."""
    images = torch.zeros(settings.batch, 3, settings.image, settings.image)
    return [images, torch.zeros(settings.batch, dtype=torch.int64), images.clone()]


def layer_of(path: str) -> str | None:
    """``stem``, ``down.0``, …, ``middle.0``, …, ``up.0``, …, ``head``."""
    around = {"time": "stem", "first": "stem", "norm": "head", "last": "head"}
    for listed in ("down", "middle", "up"):
        found = layer_by_number(path, listed, around)
        if found:
            return found
    return None
