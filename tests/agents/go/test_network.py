"""The network: each part does what the paper says, and linearly."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from go_agents.go.attention import SegmentedAttention
from go_agents.go.config import NetworkConfig
from go_agents.go.features import graph_inputs, no_state, state_of
from go_agents.go.model import TASK_ORDER, GONetwork
from go_agents.go.sage import PoolAggregator
from go_agents.go.training import fresh_network

import go_gym
from go_gym.catalogue import datasets
from go_gym.partitions.units import chain_units
from tests.numeric import along, apart, assert_near

CPU = torch.device("cpu")
DEPTH = 1000
"""Terms that a score of the small network is the sum of."""
SMALL = NetworkConfig(width=16, heads=2, segment=8, type_buckets=32, type_width=8, score_width=8)


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


def encoded(problem, merge_chains=False):
    units = chain_units(problem, merge_chains=merge_chains)
    return units, graph_inputs(problem, units, SMALL.type_buckets, CPU, 10**6)


def later_state(problem, units, inputs, seed=0):
    random = np.random.default_rng(seed)
    choices = {
        "placement": random.integers(0, problem.num_devices, units.count),
        "priority": random.integers(0, SMALL.levels, units.count),
        "fusion": random.integers(0, SMALL.levels, units.count),
    }
    return state_of(problem, units, inputs, choices)


def awake(network: GONetwork) -> GONetwork:
    """With heads that say something: they begin at zero."""
    torch.manual_seed(1)
    quiet = (network.score_out, network.score_skip, network.change_skip, network.level_heads)
    for module in (*quiet, network.change_heads):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
    return network


def scores_of(config, problem, decisions=("placement",), later=True):
    units, inputs = encoded(problem)
    state = later_state(problem, units, inputs) if later else no_state(inputs)
    return awake(fresh_network(config, 0, None))(inputs, state, decisions)


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


PARTS = (
    "graph_embedding",
    "attention",
    "recurrence",
    "modulation",
    "state",
    "task_layers",
    "device_affinity",
)


@pytest.mark.numeric
@pytest.mark.parametrize("part", PARTS)
def test_each_part_matters_and_can_be_left_out(part):
    problem = layered()
    whole, _ = scores_of(SMALL, problem)
    network = awake(fresh_network(SMALL, 0, None))
    without = GONetwork(replace(SMALL, **{part: False}))
    missing = set(network.state_dict()) - set(without.state_dict())
    kept = {name: value for name, value in network.state_dict().items() if name not in missing}
    without.load_state_dict(kept)
    units, inputs = encoded(problem)
    scores, value = without(inputs, later_state(problem, units, inputs), ("placement",))
    assert scores["placement"].options.shape == (units.count, 3)
    assert torch.isfinite(value)
    assert apart(scores["placement"].options, whole["placement"].options) > 1e-3


@pytest.mark.parametrize("devices", range(2, 9))
def test_one_network_serves_clusters_of_every_size(devices):
    problem = layered(devices=devices)
    scores, value = scores_of(SMALL, problem, TASK_ORDER)
    assert scores["placement"].options.shape == (40, devices)
    assert scores["priority"].options.shape == scores["fusion"].options.shape == (40, SMALL.levels)
    assert all(each.change.shape == (40,) for each in scores.values())
    assert value.shape == ()


@pytest.mark.numeric
def test_devices_are_known_by_their_features_alone():
    problem = layered()
    units, inputs = encoded(problem)
    state = later_state(problem, units, inputs)
    network = awake(fresh_network(SMALL, 0, None))
    order = torch.tensor([2, 0, 1])
    plain, _ = network(inputs, state, ("placement",))
    permuted, _ = network(
        replace(inputs, devices=inputs.devices[order]),
        replace(
            state,
            placement=torch.argsort(order)[state.placement],
            affinity=state.affinity[:, order],
        ),
        ("placement",),
    )
    assert_near(permuted["placement"].options, plain["placement"].options[:, order], DEPTH)


@pytest.mark.numeric
def test_tasks_come_in_the_papers_order():
    """What an earlier task layer gives does not depend on later tasks; its layer is shared."""
    problem = layered()
    alone, _ = scores_of(SMALL, problem, ("placement",))
    joint, _ = scores_of(SMALL, problem, TASK_ORDER)
    assert_near(alone["placement"].options, joint["placement"].options, DEPTH)
    network = awake(fresh_network(SMALL, 0, None))
    units, inputs = encoded(problem)
    state = later_state(problem, units, inputs)
    before, _ = network(inputs, state, TASK_ORDER)
    with torch.no_grad():
        network.task_layer.forward_part[2].weight.mul_(2)
    after, _ = network(inputs, state, TASK_ORDER)
    for name in TASK_ORDER:
        assert apart(after[name].options, before[name].options) > 1e-3
        assert apart(after[name].change, before[name].change) > 1e-3


@pytest.mark.numeric
def test_half_precision_is_near():
    """And is half: the layers compute in bfloat16, whose numbers have eight bits."""
    problem = layered()
    units, inputs = encoded(problem)
    network = awake(fresh_network(SMALL, 0, None))
    state = later_state(problem, units, inputs)
    exact, _ = network(inputs, state, ("placement",))
    kinds = []
    network.enter.register_forward_hook(lambda module, given, out: kinds.append(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        half, value = network(inputs, state, ("placement",))
    assert kinds == [torch.bfloat16]
    assert half["placement"].options.dtype == value.dtype == torch.float32
    assert apart(half["placement"].options, exact["placement"].options) < 0.05


@contextmanager
def kept_bytes() -> Iterator[list[int]]:
    """What a pass inside keeps for its gradient, tensor by tensor."""
    kept: list[int] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


def saved_bytes(ops: int) -> int:
    """What a training pass over ``ops`` units keeps for its gradient."""
    problem = layered(ops)
    units, inputs = encoded(problem)
    network = fresh_network(SMALL, 0, None)
    with kept_bytes() as kept:
        network(inputs, later_state(problem, units, inputs), ("placement",))
    return sum(kept)


def test_memory_is_linear_in_units():
    small, double, fourfold = saved_bytes(200), saved_bytes(400), saved_bytes(800)
    assert fourfold - double == pytest.approx(2 * (double - small), rel=0.1)


@pytest.mark.slow
def test_gnmt_8_fits():
    """All 46,699 units of 83,567 ops, forward and backward; under 4 GB kept between the two."""
    problem = go_gym.Problem(datasets.load("gnmt-8"), go_gym.load_cluster("p100x8"))
    units = chain_units(problem)
    config = NetworkConfig()
    inputs = graph_inputs(problem, units, config.type_buckets, CPU, 10**6)
    network = fresh_network(config, 0, None)
    with kept_bytes() as kept:
        scores, value = network(inputs, no_state(inputs), ("placement",))
    (scores["placement"].options.square().mean() + value).backward()
    assert scores["placement"].options.shape == (units.count, 8)
    assert all(
        bool(each.grad.isfinite().all()) for each in network.parameters() if each.grad is not None
    )
    assert sum(kept) < 4e9
