"""The network: reads a problem once, then completes partly shown placements, many at a time.

- **Encoder**, once a problem: rows attend to each other, biased by what is known of each pair of
  them, and exchange messages along tensors. No device is in it.
- **Decoder**, once a round: every (row, device) pair looks at what lies on that device, through
  fixed sums and learned ones, the devices at each other, and rows at rows. Its guesses of what is
  not shown enter a second step like what is shown (mean field).
- **Critic**: a score of a whole placement from the same decoder, lower is faster.

Devices are scored one by one with the same weights: a permutation of the devices permutes the
scores. All of it is our choice; GO's (Zhou et al. 2020) rounds are here as masked completion
(Ghazvininejad et al. 2019), its graph network and attention as the encoder.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .batches import Batch
from .features import DEVICE_FEATURES, GATHERED, PAIR_FEATURES, ROW_FEATURES, WINDOWS

MESSAGES = (0, 1, 4)
"""Of the gathered sums, those along tensors: from producers, to consumers, users of the same."""
SUMMED = 5
"""Sums of each device: its load, that over the mean, memory, whether it is empty, work shown."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network; our choice."""

    width: int = 64
    heads: int = 4
    layers: int = 3
    pair_width: int = 32
    gates: int = 8
    steps: int = 2


@dataclass
class Encoded:
    """What the decoder needs of B problems: (B, R, width) rows, (B, GATHERED + gates, R, R) sums,
    and (B, heads, R, R) attention."""

    rows: Tensor
    sums: Tensor
    attention: Tensor


class Layer(nn.Module):
    """Attention with biases by pair, messages along tensors, a perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.message = nn.Linear(len(MESSAGES) * width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, z: Tensor, bias: Tensor, along: Tensor) -> Tensor:
        """(B, R, width); ``bias`` (B, heads, R, R), ``along`` (B, MESSAGES, R, R)."""
        batch, count, _ = z.shape
        x = self.norm(z)
        parts = self.query_key_value(x).view(batch, count, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        messages = (along @ x[:, None]).permute(0, 2, 1, 3).reshape(batch, count, -1)
        z = z + self.out(mixed.transpose(1, 2).reshape(z.shape)) + self.message(messages)
        return z + self.perceptron(self.last_norm(z))


# Wide: a module each
class Network(nn.Module):
    """See the module's text."""

    def __init__(self, sizes: Sizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes = sizes or Sizes()
        width, heads, gates, narrow = sizes.width, sizes.heads, sizes.gates, sizes.pair_width
        self.embed = nn.Sequential(
            nn.Linear(ROW_FEATURES, width), nn.GELU(), nn.Linear(width, width)
        )
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(sizes.layers))
        self.pair = nn.Linear(PAIR_FEATURES, (sizes.layers + 1) * heads + gates)
        self.norm = nn.LayerNorm(width)
        self.query, self.key = (nn.Linear(width, 12 * (gates + heads)) for _ in range(2))
        self.row = nn.Linear(width, narrow)
        known = GATHERED + gates
        self.look = nn.Linear(3 * known + SUMMED + DEVICE_FEATURES + 2, narrow)
        self.again = nn.Linear(narrow, narrow)
        self.devices = nn.Sequential(
            nn.Linear(3 * narrow, 2 * narrow), nn.GELU(), nn.Linear(2 * narrow, narrow)
        )
        self.value = nn.Linear(narrow, narrow)
        self.rows = nn.Sequential(
            nn.Linear(4 * narrow, 2 * narrow), nn.GELU(), nn.Linear(2 * narrow, narrow)
        )
        self.last = nn.LayerNorm(narrow)
        self.score = nn.Linear(narrow, 1)
        self.critic = nn.Sequential(
            nn.Linear(2 * width + 2 * narrow + 2 * WINDOWS + 6, 96), nn.GELU(), nn.Linear(96, 1)
        )

    def encode(self, batch: Batch) -> Encoded:
        """What is known of each problem whatever lies where."""
        sizes, size = self.sizes, batch.rows.shape[:2]
        heads, gates = sizes.heads, sizes.gates
        hide = (~batch.here).float()[:, None, None] * -1e4
        pair = self.pair(batch.pairs).permute(0, 3, 1, 2)
        along = batch.gathered[:, list(MESSAGES)]
        z = self.embed(batch.rows)
        for number, layer in enumerate(self.layers):
            z = layer(z, pair[:, number * heads : (number + 1) * heads] + hide, along)
        z = self.norm(z)
        query, key = (each(z).view(*size, gates + heads, 12) for each in (self.query, self.key))
        logits = torch.einsum("brgc,bsgc->bgrs", query, key) / 4 + pair[:, -(gates + heads) :]
        gate = torch.tanh(logits[:, :gates]) / 4
        attention = torch.softmax(logits[:, gates:] + hide, 3)
        return Encoded(z, torch.cat([batch.gathered, gate], 1), attention)

    def decode(
        self, batch: Batch, encoded: Encoded, placed: Tensor, shown: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Complete placements.

        Args:
            batch, encoded: B problems of D devices.
            placed: (B, S, R) int64 devices, S placements of each.
            shown: (B, S, R) bool, which of them count.

        Returns:
            scores: (B, S, R, D) of each step, the last the best.
            hidden: (B, S, R, D, pair_width) what the last step's scores are made from.
        """
        shown = shown & batch.here[:, None]
        given = functional.one_hot(placed, batch.num_devices).float() * shown[..., None]
        open_ = (batch.here[:, None] & ~shown).float()[..., None]
        base = self.row(encoded.rows)[:, None, :, None]
        scores, guess, hidden = [], given, None
        for _ in range(self.sizes.steps):
            looked = self.look(self._looks(batch, encoded, guess, given, shown)) + base
            hidden = looked if hidden is None else looked + self.again(hidden)
            hidden = self._mixed(batch, encoded, hidden, guess)
            score = self.score(self.last(hidden)).squeeze(-1)
            scores.append(score)
            guess = given + open_ * torch.softmax(score, 3)
        assert hidden is not None
        return scores, hidden

    def judge(self, batch: Batch, encoded: Encoded, placed: Tensor) -> Tensor:
        """(B, S): how long steps under whole placements ``placed`` (B, S, R) take, as the log of
        a ratio to the best that is known; only differences within a problem mean anything."""
        shown = batch.here[:, None].expand_as(placed)
        _, hidden = self.decode(batch, encoded, placed, shown)
        given = functional.one_hot(placed, batch.num_devices).float() * shown[..., None]
        share = batch.work / batch.work.sum(1, keepdim=True).clamp_min(1e-9)
        mine = (hidden * given[..., None]).sum(3)
        count = batch.here.float() / batch.here.sum(1, keepdim=True)
        heavy = torch.einsum("bsrc,br->bsc", mine, share)
        most = mine.masked_fill(~shown[..., None], -9).amax(2)
        rows = torch.cat(
            [
                torch.einsum("brc,br->bc", encoded.rows, share),
                torch.einsum("brc,br->bc", encoded.rows, count),
            ],
            1,
        )[:, None].expand(-1, placed.shape[1], -1)
        slow = batch.devices[:, None, :, 0]
        windows = torch.einsum("bsrd,brk->bskd", given, batch.window) * slow[:, :, None]
        peak = windows.amax(3)
        load = windows.sum(2)
        sums = torch.stack(
            [
                load.amax(2),
                peak.sum(2),
                self._cut(batch, given),
                self._memory(batch, given).amax(2).clamp(max=3),
                (load.amax(2) * batch.num_devices).log1p(),
                (given.sum(2) == 0).float().mean(2),
            ],
            2,
        )
        bulk = windows.sum(3).clamp_min(1e-6)
        parts = [rows, heavy, most, peak * WINDOWS, peak / bulk, sums]
        judged: Tensor = self.critic(torch.cat(parts, 2)).squeeze(2)
        return judged

    def _looks(
        self, batch: Batch, encoded: Encoded, guess: Tensor, given: Tensor, shown: Tensor
    ) -> Tensor:
        """(B, S, R, D, …): what row r finds on device d."""
        problems, samples, count, devices = guess.shape
        slow = batch.devices[:, None, :, 0]
        work = batch.work[:, None, :, None]
        heavy = guess * work * devices
        flat = torch.stack([guess, heavy], 2).permute(0, 3, 1, 2, 4).reshape(problems, count, -1)
        sums = encoded.sums
        found = (sums.reshape(problems, -1, count) @ flat).view(
            problems, sums.shape[1], count, samples, 2, devices
        )
        found = found.permute(0, 3, 2, 5, 4, 1).reshape(problems, samples, count, devices, -1)
        found = found.clamp(-8, 8)
        known = found[..., : sums.shape[1]].sum(3, keepdim=True).expand(-1, -1, -1, devices, -1)
        load = heavy.sum(2) * slow
        memory = self._memory(batch, guess).clamp(max=3)
        empty = (given.sum(2) == 0).float()
        done = (work * shown[..., None]).sum((2, 3))[..., None].expand_as(load)
        about = torch.stack([load, load - load.mean(2, keepdim=True), memory, empty, done], 3)
        about = torch.cat([about, batch.devices[:, None].expand(-1, samples, -1, -1)], 3)
        about = about[:, :, None].expand(-1, -1, count, -1, -1)
        own = torch.stack([given, shown[..., None].float().expand_as(given)], 4)
        return torch.cat([found, known, about, own], 4)

    def _mixed(self, batch: Batch, encoded: Encoded, hidden: Tensor, guess: Tensor) -> Tensor:
        """Devices look at each other, then rows at rows and at what is on each device."""
        problems, samples, count, devices, narrow = hidden.shape
        average = hidden.mean(3, keepdim=True).expand_as(hidden)
        best = hidden.amax(3, keepdim=True).expand_as(hidden)
        hidden = hidden + self.devices(torch.cat([hidden, average, best], 4))
        heads = self.sizes.heads
        value = self.value(hidden)
        placed, free = value.chunk(2, 4)
        value = torch.cat([placed * guess[..., None] * devices, free], 4)
        value = value.permute(0, 4, 2, 1, 3).reshape(problems, heads, narrow // heads, count, -1)
        value = value.transpose(2, 3).reshape(problems, heads, count, -1)
        sent = (encoded.attention @ value).view(
            problems, heads, count, narrow // heads, samples, devices
        )
        sent = sent.permute(0, 4, 2, 5, 1, 3).reshape(hidden.shape)
        weight = guess * batch.work[:, None, :, None] * devices
        pool = torch.einsum("bsrd,bsrdc->bsdc", weight, hidden)[:, :, None].expand_as(hidden)
        average = hidden.mean(3, keepdim=True).expand_as(hidden)
        mixed: Tensor = hidden + self.rows(torch.cat([hidden, sent, pool, average], 4))
        return mixed

    @staticmethod
    def _memory(batch: Batch, placed: Tensor) -> Tensor:
        """(B, S, D): memory that each device may need, as a share of what it has."""
        need = torch.einsum("bsrd,brk->bsdk", placed, batch.memory)
        peak = need[..., 0] + need[..., 1:].amax(3)
        return peak / batch.devices[:, None, :, 1]

    @staticmethod
    def _cut(batch: Batch, placed: Tensor) -> Tensor:
        """(B, S): transfer time over the work of a row, of tensors whose ends lie apart."""
        cost = batch.gathered[:, 3]
        apart = torch.einsum("brt,bsrd,bstd->bs", cost, placed, placed)
        return torch.log1p(cost.sum((1, 2))[:, None] - apart)


def completion_loss(
    batch: Batch, scores: Tensor, target: Tensor, placed: Tensor, shown: Tensor
) -> Tensor:
    """Cross-entropy of what is hidden, and lightly of what is shown; scalar.

    Devices without any row and alike count as one: which of them comes first means nothing.

    Args:
        batch: B problems.
        scores: (B, S, R, D).
        target: (B, S, R) int64 devices.
        placed, shown: what the network was shown.
    """
    devices = batch.num_devices
    likely = functional.log_softmax(scores, 3)
    given = functional.one_hot(placed, devices).float() * (shown & batch.here[:, None])[..., None]
    empty = given.sum(2) == 0  # (B, S, D)
    hit = likely.gather(3, target[..., None]).squeeze(3)
    alike = batch.twin[:, :, None] == batch.twin[:, None]  # (B, D, D)
    twin = alike.gather(1, target.flatten(1)[..., None].expand(-1, -1, devices))
    twin = twin.view(*target.shape, devices) & empty[:, :, None]
    grouped = torch.logsumexp(likely.masked_fill(~twin, -1e4), 3)
    on_empty = empty[:, :, None].expand_as(likely).gather(3, target[..., None]).squeeze(3)
    hit = torch.where(on_empty, grouped, hit)
    share = batch.work * batch.here.sum(1, keepdim=True)
    weight = ((0.5 + share.clamp(max=4)) * batch.here)[:, None] * torch.where(shown, 0.2, 1.0)
    loss: Tensor = -(hit * weight).sum() / weight.sum()
    return loss
