"""HDP's two networks: a grouper of ops and an attentional sequence-to-sequence placer of groups."""

import torch
from torch import Tensor, nn

from .embeddings import OP_WIDTH, TYPES, OpTable

TYPE_WIDTH = 20
"""Width of an op type's embedding (ICLR 2018, section 2)."""
GROUPER_HIDDEN = 64
TANH_BOUND, TEMPERATURE = 5.0, 10.0
"""C and T of the placer's logits C·tanh(l / T) (ICLR 2018, section 2)."""


class Grouper(nn.Module):
    """A feed-forward network that gives each op, by itself, logits over the groups.

    Args:
        start: (U, groups) float32, added to the network's logits.
    """

    start: Tensor

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.type_embedding = nn.Embedding(TYPES, TYPE_WIDTH)
        self.hidden = nn.Linear(TYPE_WIDTH + OP_WIDTH, GROUPER_HIDDEN)
        self.out = nn.Linear(GROUPER_HIDDEN, start.shape[1])
        # known from the graph: not part of the weights
        self.register_buffer("start", start, persistent=False)

    def forward(self, kind: Tensor, numbers: Tensor) -> Tensor:
        """(U, groups) logits of the ops of an :class:`OpTable`, given as tensors."""
        embedded = torch.cat([self.type_embedding(kind), numbers], dim=-1)
        logits: Tensor = self.start + self.out(torch.relu(self.hidden(embedded)))
        return logits


class Placer(nn.Module):
    """A bidirectional LSTM reads the groups; an LSTM with attention names a device for each.

    Args:
        width: columns of a group's embedding.
        devices: how many there are.
        hidden: width of the decoder, and of both directions of the encoder together.
        stay: (G,) float32, how far each group leans at first to the device of the one before it.
    """

    stay: Tensor

    def __init__(self, width: int, devices: int, hidden: int, stay: Tensor) -> None:
        super().__init__()
        self.encoder = nn.LSTM(width, hidden // 2, bidirectional=True, batch_first=True)
        self.device = nn.Embedding(devices + 1, hidden)  # the last: no decision yet
        self.decoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.head = nn.Linear(2 * hidden, devices)
        self.devices = devices
        self.aligned = nn.Linear(hidden, devices, bias=False)
        follow = torch.zeros(devices + 1, devices)
        follow[:devices] = 2 * torch.eye(devices) - 1
        self.follow = nn.Parameter(follow)
        self.register_buffer("stay", stay.unsqueeze(1), persistent=False)  # from the graph

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Read (G, width) group embeddings.

        Returns:
            memory: (G, hidden), the encoder's output for each group.
            start: (2, hidden), the hidden and cell state that decoding starts from.
        """
        memory, (hidden, cell) = self.encoder(embeddings.unsqueeze(0))
        return memory[0], torch.stack([hidden.flatten(), cell.flatten()])

    def logits(self, memory: Tensor, start: Tensor, devices: Tensor) -> Tensor:
        """(B, G, devices) logits of each decision of ``devices`` (B, G), given those before it."""
        batch = len(devices)
        none = devices.new_full((batch, 1), self.devices)
        last = torch.cat([none, devices[:, :-1]], dim=1)
        inputs = self.device(last)
        first = tuple(part.expand(1, batch, -1).contiguous() for part in start)
        hidden, _ = self.decoder(inputs, first)
        scores = self.query(hidden) @ memory.T / memory.shape[1] ** 0.5
        context = scores.softmax(-1) @ memory
        own = self.aligned(memory) + self.stay * self.follow[last]
        return bounded(self.head(torch.cat([hidden, context], dim=-1)) + own)

    @torch.no_grad()
    def decode(
        self, memory: Tensor, start: Tensor, noise: Tensor, generator: torch.Generator
    ) -> Tensor:
        """(B, G) int64 devices, sampled group after group from :meth:`logits` plus ``noise``.

        ``noise`` is (B, G, devices). All that does not depend on the last decision is multiplied
        out before the walk, so that each step is one matrix product and a few small ones.
        """
        batch, length, devices = noise.shape
        width = memory.shape[1]
        cell = dict(self.decoder.named_parameters())
        bias = cell["bias_ih_l0"] + cell["bias_hh_l0"]
        from_device = self.device.weight @ cell["weight_ih_l0"].T + bias
        keys = self.query.weight.T @ memory.T / width**0.5
        head = self.head.weight
        from_hidden = torch.cat([cell["weight_hh_l0"].T, keys, head[:, :width].T], dim=1)
        values = torch.addmm(self.head.bias, memory, head[:, width:].T)
        aligned = self.aligned(memory).unsqueeze(1)
        follow = self.stay.unsqueeze(1) * self.follow
        level = torch.rand((length, batch, 1), generator=generator)
        last = torch.full((batch,), devices, dtype=torch.int64)
        hidden, state = start[0].expand(batch, -1), start[1].expand(batch, -1)
        product = hidden @ from_hidden
        chosen = torch.empty((batch, length), dtype=torch.int64)
        split = (4 * width, length, devices)
        for step in range(length):
            gates = product[:, : 4 * width] + from_device[last]
            let_in, keep, new, let_out = gates.chunk(4, dim=1)
            state = keep.sigmoid() * state + let_in.sigmoid() * new.tanh()
            hidden = let_out.sigmoid() * state.tanh()
            product = hidden @ from_hidden
            _, scores, own = product.split(split, dim=1)
            own = own + follow[step, last] + aligned[step]
            raw = torch.addmm(own, scores.softmax(1), values)
            chances = (bounded(raw) + noise[:, step]).softmax(1).cumsum(1)
            last = (chances[:, :-1] <= level[step]).sum(1)
            chosen[:, step] = last
        return chosen


def bounded(logits: Tensor) -> Tensor:
    """C·tanh(l / T), which keeps every device in play."""
    return TANH_BOUND * torch.tanh(logits / TEMPERATURE)


def as_tensors(table: OpTable) -> tuple[Tensor, Tensor]:
    """The grouper's arguments."""
    return torch.from_numpy(table.kind), torch.from_numpy(table.numbers)
