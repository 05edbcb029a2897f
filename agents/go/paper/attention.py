"""Segmented recurrent attention: Transformer-XL layers without positional embedding."""

import torch
from torch import nn
from torch.nn import functional as F


class SegmentedAttention(nn.Module):
    """Multi-head attention of each segment over itself and the segment before it.

    Rows come in topological order and are cut into segments of ``segment`` rows. A segment's
    context is its own rows and those of the previous segment at the same layer, with the gradient
    stopped at the border (Dai et al. 2019, as GO uses it). Since that context is what the layer
    below gave, and not what this layer gives, all segments are computed at once; cost and memory
    are linear in rows.

    Args:
        width: of a row.
        heads: must divide ``width``.
        segment: rows a segment.
        recurrence: False leaves out the previous segment.
    """

    def __init__(self, width: int, heads: int, segment: int, recurrence: bool = True) -> None:
        super().__init__()
        self.heads, self.segment, self.recurrence = heads, segment, recurrence
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(…, U, width) → (…, U, width); leading dimensions are sequences of their own."""
        shape = rows.shape
        count, width = shape[-2:]
        rows = rows.reshape(-1, count, width)
        length = min(self.segment, count)
        segments = -(-count // length)
        query = self._cut(self.query(rows), segments, length)
        key_value = self._cut(self.key_value(rows), segments, length)
        seen = torch.arange(segments * length, device=rows.device) < count
        seen = seen.view(segments, 1, 1, length).repeat(len(rows), 1, 1, 1)
        if self.recurrence and segments > 1:
            stopped = F.linear(rows.detach(), self.key_value.weight, self.key_value.bias)
            before = self._cut(stopped, segments, length).roll(1, dims=0)
            key_value = torch.cat([before, key_value], dim=2)
            there = torch.ones_like(seen)
            there[::segments] = False  # the first segment has none before it
            seen = torch.cat([there, seen], dim=3)
        key, value = key_value.chunk(2, dim=3)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        joined = mixed.transpose(1, 2).reshape(-1, segments * length, width)[:, :count]
        return self.out(joined.reshape(shape))

    def _cut(self, rows: torch.Tensor, segments: int, length: int) -> torch.Tensor:
        """(B, U, k · width) → (B · segments, heads, length, k · width / heads), zeros added."""
        padded = F.pad(rows, (0, 0, 0, segments * length - rows.shape[1]))
        return padded.view(len(rows) * segments, length, self.heads, -1).transpose(1, 2)


class AttentionLayer(nn.Module):
    """A pre-norm transformer layer: segmented attention, then affine–ReLU–affine, both residual.

    ``attention=False`` leaves the feed-forward part alone. Normalising first, and a hidden width
    of twice the row's, are our choice.
    """

    def __init__(
        self, width: int, heads: int, segment: int, recurrence: bool = True, attention: bool = True
    ) -> None:
        super().__init__()
        self.attend = SegmentedAttention(width, heads, segment, recurrence) if attention else None
        self.before_attention = nn.LayerNorm(width)
        self.before_forward = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(…, U, width) → (…, U, width)."""
        if self.attend is not None:
            rows = rows + self.attend(self.before_attention(rows))
        return rows + self.feed_forward(self.before_forward(rows))
