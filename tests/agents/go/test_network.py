"""The parts of the published network: each does what the paper says."""

import numpy as np
import pytest
import torch
from go_agents.go.paper.attention import SegmentedAttention
from go_agents.go.paper.sage import PoolAggregator

import go_gym
from tests.numeric import along, apart, assert_near


def layered(ops: int = 40, devices: int = 3) -> go_gym.Problem:
    """A random graph of small fan-in, in layers."""
    random = np.random.default_rng(0)
    uses = sorted(
        {(int(random.integers(max(0, i - 6), i)), i) for i in range(1, ops) for _ in "ab"}
    )
    graph = go_gym.ComputationGraph.from_costs(
        random.integers(1, 100, ops),
        [(i, int(random.integers(1, 1000))) for i in range(ops)],
        uses,
        layers=[f"layer.{4 * i // ops}" for i in range(ops)],
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(devices, 1e9))


def drawn(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.numeric
def test_max_pool_equals_the_formula():
    torch.manual_seed(0)
    rows, aggregator = drawn(4, 6), PoolAggregator(6).double()
    lists = [[1, 2], [], [0, 1, 3], [2]]
    lengths = torch.tensor([len(each) for each in lists])
    found = aggregator(rows, torch.tensor([u for each in lists for u in each]), lengths)
    sent = torch.sigmoid(rows @ aggregator.transform.weight.T + aggregator.transform.bias)
    for unit, neighbours in enumerate(lists):
        expected = sent[neighbours].amax(dim=0) if neighbours else 0 * sent[0]
        assert_near(found[unit], expected, 6, scale=1.0)


def attention(recurrence=True):
    torch.manual_seed(0)
    return SegmentedAttention(8, 2, segment=4, recurrence=recurrence).double()


@pytest.mark.numeric
def test_segmented_attention_equals_attention_written_out():
    layer, rows = attention(), drawn(10, 8)
    found = layer(rows)
    query = layer.query(rows).view(10, 2, 4)
    key, value = layer.key_value(rows).view(10, 2, 8).chunk(2, dim=2)
    for row in range(10):
        segment = row // 4
        seen = slice(max(segment - 1, 0) * 4, min(segment * 4 + 4, 10))
        mixed = [
            torch.softmax(query[row, h] @ key[seen, h].T / 2, dim=0) @ value[seen, h]
            for h in range(2)
        ]
        assert_near(found[row], layer.out(torch.cat(mixed)), 8)


@pytest.mark.numeric
@pytest.mark.parametrize("recurrence", [True, False])
def test_the_gradient_stops_at_the_segment_border(recurrence):
    layer, rows = attention(recurrence), drawn(12, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(along(layer(rows)[4:8]), rows)
    inside = gradient[4:8].abs()
    assert (inside.amax(dim=1) > 1e-3 * inside.max()).all()
    for outside in (gradient[:4], gradient[8:]):
        assert_near(outside, 0 * outside, 8, scale=float(inside.max()))
    moved = rows.detach().clone()
    moved[:4] += drawn(4, 8)  # values do pass the border where there is recurrence
    difference = apart(layer(moved)[4:8], layer(rows)[4:8])
    assert difference > 1e-3 if recurrence else difference < 1e-12


@pytest.mark.numeric
def test_rows_of_a_segment_have_no_position():
    layer, rows = attention(), drawn(8, 8)
    order = torch.tensor([2, 0, 3, 1, 4, 5, 6, 7])
    assert_near(layer(rows[order]), layer(rows)[order], 8)


@pytest.mark.numeric
def test_a_mask_keeps_padding_out():
    layer, rows = attention(), drawn(7, 8)
    longer = torch.cat([rows, drawn(5, 8)])
    assert_near(layer(longer)[:4], layer(rows)[:4], 8)
    assert torch.isfinite(layer(rows[:1])).all()
