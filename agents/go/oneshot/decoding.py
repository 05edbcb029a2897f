"""Decisions of a trained network: completed in rounds, surest rows first, and ranked; no simulator.

All that is done with a problem here are sums over its rows. Memory is kept in sight: a device whose
rows would need more than it has takes no further row while another has room.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .batches import Batch, collate
from .features import Features
from .network import Encoded, Network


@dataclass(frozen=True)
class Decoding:
    """How decisions are sampled; our choice, by the validation families.

    Attributes:
        samples: decisions, the first of them without chance.
        rounds: in which rows are shown, ever more of them.
        temperature: of the choice of devices.
        noise: of the order in which rows are shown.
        repairs: rounds after the last in which the least likely fifth is decided again.
        room: share of a device's memory that rows may be thought to need.
        open_all: give every device a first row before all else, where all devices are alike.
    """

    samples: int = 32
    rounds: int = 10
    temperature: float = 0.7
    noise: float = 0.5
    repairs: int = 2
    room: float = 0.9
    open_all: bool = True


@dataclass(frozen=True, eq=False)
class Decided:
    """S decisions about R rows.

    Attributes:
        rows: (S, R) int64 devices.
        judged: (S,) float64, the critic's, lower is faster.
        likelihood: (S,) float64, mean logarithm over the rows by their work, each hidden in turn.
        memory: (S,) float64, the most that a device is thought to need, as a share of what it has.
    """

    rows: np.ndarray
    judged: np.ndarray
    likelihood: np.ndarray
    memory: np.ndarray

    def ranked(self) -> np.ndarray:
        """(S,) int64: the decisions, those the critic thinks fastest first, all that may not fit
        last."""
        tight = np.maximum(self.memory - 1.0, 0.0)
        order: np.ndarray = np.lexsort((self.judged, np.round(tight, 2)))
        return order


@torch.no_grad()
def decide(
    network: Network,
    features: Features,
    seed: int,
    decoding: Decoding | None = None,
    device: torch.device | str = "cpu",
    others: np.ndarray | None = None,
) -> Decided:
    """Sample decisions and rank them.

    Args:
        network: trained, of the features' version.
        features: of the problem.
        seed: of chance; the same one decides alike on the same machine.
        decoding: see there.
        device: where the network is.
        others: (k, R) int64, decisions from elsewhere that are ranked with the network's.
    """
    decoding = decoding or Decoding()
    batch = collate([features]).to(device)
    encoded = network.encode(batch)
    generator = torch.Generator().manual_seed(seed)
    placed = _sample(network, batch, encoded, decoding, generator)
    rows = placed.cpu().numpy()
    if others is not None:
        rows = np.concatenate([rows, others])
    rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    return rate(network, batch, encoded, rows)


@torch.no_grad()
def rate(network: Network, batch: Batch, encoded: Encoded, rows: np.ndarray) -> Decided:
    """The ratings of decisions (S, R)."""
    placed = torch.from_numpy(rows)[None].to(batch.twin.device)
    judged = network.judge(batch, encoded, placed)[0]
    likelihood = torch.zeros_like(judged)
    fold = torch.arange(rows.shape[1], device=placed.device) % 3
    share = batch.work[0] + 0.5 / rows.shape[1]
    for number in range(3):
        hidden = fold == number
        shown = (~hidden)[None, None].expand_as(placed)
        scores, _ = network.decode(batch, encoded, placed, shown)
        likely = functional.log_softmax(scores[-1], 3).gather(3, placed[..., None])[0, :, :, 0]
        likelihood += (likely * hidden * share).sum(1)
    memory = thought_needed(batch, placed)[0].amax(1)
    figures = [each.double().cpu().numpy() for each in (judged, likelihood, memory)]
    return Decided(rows, *figures)


def thought_needed(batch: Batch, placed: Tensor) -> Tensor:
    """(B, S, D): memory that decisions (B, S, R) may need, as a share of what each device has.

    Parameters, the most that rows keep alive in a window of the step, and half of all copies that
    come in. Of labels out of memory one in 500 is thought to fit (our choice).
    """
    one = functional.one_hot(placed, batch.num_devices).float()
    need = torch.einsum("bsrd,brk->bsdk", one, batch.memory)
    all_in = torch.einsum("brt,bstd->bsrd", batch.received, one)
    copies = (all_in * (1 - one)).sum(2)
    return (need[..., 0] + need[..., 1:].amax(3) + copies / 2) / batch.devices[:, None, :, 1]


def _sample(
    network: Network, batch: Batch, encoded: Encoded, how: Decoding, generator: torch.Generator
) -> Tensor:
    """(S, R) int64."""
    count, devices, samples = batch.here.shape[1], batch.num_devices, how.samples
    where = batch.twin.device
    placed = torch.zeros(1, samples, count, dtype=torch.int64, device=where)
    shown = torch.zeros_like(placed, dtype=torch.bool)
    chance = torch.ones(samples, 1, device=where)
    chance[0] = 0.0  # the first sample takes what is likeliest
    share = batch.work[0] * count

    def noise(*shape: int) -> Tensor:
        drawn = torch.rand(*shape, generator=generator).clamp(1e-9, 1 - 1e-7)
        return -torch.log(-torch.log(drawn)).to(where)

    def likely(placed: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """(S, R, D) logarithms, of devices alike and empty all on the first of them; (S, D) which
        are empty."""
        scores, _ = network.decode(batch, encoded, placed, shown)
        score = _with_room(batch, scores[-1], placed, shown, how.room)
        return _grouped(functional.log_softmax(score, 3)[0], placed[0], shown[0], batch.twin[0])

    alike = bool((batch.twin == batch.twin[:, :1]).all())
    openings = min(devices, count) if how.open_all and alike else 0
    for number in range(openings):
        values, empty = likely(placed, shown)
        first = empty.float().argmax(1)  # the first empty device
        value = values.gather(2, first[:, None, None].expand(-1, count, 1)).squeeze(2)
        wish = torch.log(share + 1e-2) * (0.3 if number else 1.0) + (value if number else 0.0)
        wish = (wish + 0.5 * chance * noise(samples, count)).masked_fill(shown[0], -1e9)
        row = wish.argmax(1)
        placed[0].scatter_(1, row[:, None], first[:, None])
        shown[0].scatter_(1, row[:, None], True)
    number = 0
    while not bool(shown.all()):
        number += 1
        values, empty = likely(placed, shown)
        mixed = values / how.temperature + chance[..., None] * noise(*values.shape)
        choice = torch.where(chance > 0, mixed.argmax(2), values.argmax(2))
        sure = values.gather(2, choice[..., None]).squeeze(2) + 0.02 * share
        sure = sure + how.noise * max(1 - number / how.rounds, 0) * chance * noise(*sure.shape)
        sure = sure.masked_fill(shown[0], -1e9)
        opens = empty.gather(1, choice)
        best = sure.masked_fill(~opens, -1e9).argmax(1)  # one row a round opens a device
        other = opens & (torch.arange(count, device=where)[None] != best[:, None])
        sure = sure.masked_fill(other, -1e9)
        goal = 1 - math.cos(math.pi / 2 * min(number / how.rounds, 1))
        take = (math.ceil(count * goal) - shown[0].sum(1)).clamp(min=1)
        rank = (-sure).argsort(1).argsort(1)
        new = (rank < take[:, None]) & (sure > -1e8)
        new &= ~_too_much(batch, placed, shown, choice, new, sure, how.room)
        placed[0] = torch.where(new, choice, placed[0])
        shown[0] |= new
    for _ in range(how.repairs):
        values, _ = likely(placed, shown)
        own = values.gather(2, placed[0][..., None]).squeeze(2)
        weak = (own.argsort(1).argsort(1) < max(1, count // 5))[None]
        values, _ = likely(placed, shown & ~weak)
        other = torch.where(weak, values.argmax(2)[None], placed)
        need = _peak(batch, other, shown).amax(2)
        better = (need <= how.room) | (need <= _peak(batch, placed, shown).amax(2))
        placed = torch.where(better[..., None], other, placed)
    return placed[0]


def _needs(batch: Batch, placed: Tensor, shown: Tensor) -> Tensor:
    """(B, S, D, 1 + WINDOWS): memory of what is shown on each device."""
    given = functional.one_hot(placed, batch.num_devices).float() * shown[..., None]
    return torch.einsum("bsrd,brk->bsdk", given, batch.memory)


def _peak(batch: Batch, placed: Tensor, shown: Tensor) -> Tensor:
    """(B, S, D): the same at most, as a share of what each device has."""
    need = _needs(batch, placed, shown)
    return (need[..., 0] + need[..., 1:].amax(3)) / batch.devices[:, None, :, 1]


def _ample(batch: Batch, room: float) -> bool:
    """Whether everything would fit on any one device."""
    need = batch.memory.sum(1)
    whole = need[:, 0] + need[:, 1:].amax(1)
    return bool((whole <= room * batch.devices[..., 1].amin(1)).all())


def _with_room(batch: Batch, score: Tensor, placed: Tensor, shown: Tensor, room: float) -> Tensor:
    """``score`` (1, S, R, D), much lower where a row would not fit beside what a device has."""
    if _ample(batch, room):
        return score
    with_row = _needs(batch, placed, shown)[:, :, None] + batch.memory[:, None, :, None]
    peak = with_row[..., 0] + with_row[..., 1:].amax(4)
    over = (peak / batch.devices[:, None, None, :, 1] - room).clamp(min=0)
    more = over - over.amin(3, keepdim=True)
    return score - 30 * (more > 1e-3).float() - 10 * more


def _too_much(
    batch: Batch,
    placed: Tensor,
    shown: Tensor,
    choice: Tensor,
    new: Tensor,
    sure: Tensor,
    room: float,
) -> Tensor:
    """(S, R) bool: which of the ``new`` rows would not fit after those that are surer; never the
    surest, so that every round gets on."""
    if _ample(batch, room):
        return torch.zeros_like(new)
    order = (-sure).argsort(1)
    rows = functional.one_hot(choice, batch.num_devices).float() * new[..., None]
    rows = rows.gather(1, order[..., None].expand_as(rows))
    own = batch.memory[0][order]  # (S, R, 1 + WINDOWS), surest first
    total = (rows[..., None] * own[:, :, None]).cumsum(1) + _needs(batch, placed, shown)[0][:, None]
    peak = (total[..., 0] + total[..., 1:].amax(3)) / batch.devices[0, :, 1]
    over = ((peak > room) & rows.bool()).any(2)
    over[:, 0] = False
    return torch.zeros_like(new).scatter(1, order, over)


def _grouped(likely: Tensor, placed: Tensor, shown: Tensor, twin: Tensor) -> tuple[Tensor, Tensor]:
    devices = likely.shape[2]
    empty = (functional.one_hot(placed, devices) * shown[..., None]).sum(1) == 0
    result = likely
    for first in twin.unique().tolist():
        group = (twin == first)[None] & empty  # (S, D)
        several = group.sum(1) > 1
        if not bool(several.any()):
            continue
        total = torch.logsumexp(likely.masked_fill(~group[:, None], -1e4), 2, keepdim=True)
        head = functional.one_hot(group.float().argmax(1), devices).bool() & group
        result = torch.where(group[:, None], -1e4, result)
        result = torch.where(head[:, None], total, result)
    return result, empty
