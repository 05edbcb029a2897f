"""HDP's networks against loops in plain Python, and its sampler against its probabilities."""

import math

import pytest
import torch
from go_agents.hdp.networks import Placer

from tests.numeric import assert_near

GROUPS, WIDTH, DEVICES, HIDDEN = 5, 7, 3, 8


@pytest.fixture
def placer():
    torch.manual_seed(3)
    made = Placer(WIDTH, DEVICES, HIDDEN, torch.tensor([0.0, 2.0, 0.5, 3.0, 1.0])).double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(3.0)
    return made


def plain_logits(placer, memory, start, devices):
    """One sequence, step by step: an LSTM cell, a softmax over the memory, C·tanh(l / T)."""
    weights = dict(placer.decoder.named_parameters())
    hidden, cell = start
    last, rows = DEVICES, []
    for place, device in enumerate(devices.tolist()):
        gates = weights["weight_ih_l0"] @ placer.device.weight[last] + weights["bias_ih_l0"]
        gates = gates + weights["weight_hh_l0"] @ hidden + weights["bias_hh_l0"]
        let_in, keep, new, let_out = gates.split(HIDDEN)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(new)
        hidden = torch.sigmoid(let_out) * torch.tanh(cell)
        query = placer.query.weight @ hidden
        scores = [float(query @ key) / math.sqrt(HIDDEN) for key in memory]
        total = sum(math.exp(score) for score in scores)
        context = sum(
            math.exp(score) / total * key for score, key in zip(scores, memory, strict=True)
        )
        raw = placer.head.weight @ torch.cat([hidden, context]) + placer.head.bias
        raw = raw + placer.aligned.weight @ memory[place]
        raw = raw + placer.stay[place] * placer.follow[last]
        rows.append([5 * math.tanh(float(value) / 10) for value in raw])
        last = device
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.numeric
@torch.no_grad()
def test_logits_equal_the_plain_decoder(placer):
    memory, start = placer(torch.randn(GROUPS, WIDTH, dtype=torch.float64))
    devices = torch.randint(0, DEVICES, (2, GROUPS))
    found = placer.logits(memory, start, devices)
    for row, sequence in zip(found, devices, strict=True):
        assert_near(row, plain_logits(placer, memory, start, sequence), 100)


@pytest.mark.numeric
@torch.no_grad()
def test_decoding_draws_from_those_logits(placer):
    """All 3⁵ sequences by their exact probabilities, against 60,000 draws."""
    memory, start = placer(torch.randn(GROUPS, WIDTH, dtype=torch.float64))
    sequences = torch.cartesian_prod(*[torch.arange(DEVICES)] * GROUPS)
    noise = torch.randn(GROUPS, DEVICES, dtype=torch.float64)
    chances = (placer.logits(memory, start, sequences) + noise).log_softmax(2)
    exact = chances.gather(2, sequences.unsqueeze(2)).sum((1, 2)).exp()
    assert float(exact.sum()) == pytest.approx(1)
    draws = 60_000
    generator = torch.Generator().manual_seed(0)
    drawn = placer.decode(memory, start, noise.expand(draws, -1, -1), generator)
    code = (drawn * DEVICES ** torch.arange(GROUPS - 1, -1, -1)).sum(1)
    share = torch.bincount(code, minlength=len(exact)).double() / draws
    assert torch.allclose(share, exact, atol=5 * float((exact.max() / draws).sqrt()))
    assert exact.max() < 0.9 and (exact > 0.01).sum() > 5


@pytest.mark.numeric
def test_logits_stay_within_c(placer):
    with torch.no_grad():
        placer.head.weight.mul_(1e6)
        memory, start = placer(torch.randn(GROUPS, WIDTH, dtype=torch.float64))
        logits = placer.logits(memory, start, torch.zeros(1, GROUPS, dtype=torch.int64))
    assert float(logits.abs().max()) == pytest.approx(5.0)
