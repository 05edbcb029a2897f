"""Placeto's message passing and pooling against loops over single groups."""

import numpy as np
import pytest
import torch
from go_agents.placeto.features import FIXED_COLUMNS, group_graph
from go_agents.placeto.network import MessagePassing, PlacetoPolicy, Pool

from tests.agents.toys import awkward
from tests.numeric import assert_near, in_float64

pytestmark = pytest.mark.numeric

WIDTH, GROUPS = 4, 6


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)
    with in_float64():
        yield


@torch.no_grad()
def test_messages_equal_plain_sums():
    layer = MessagePassing(WIDTH, rounds=3)
    neighbours = (torch.rand(GROUPS, GROUPS) < 0.4).double()
    x = torch.randn(2, GROUPS, WIDTH)
    for state, found in zip(x, layer(x, neighbours), strict=True):
        rows = list(state)
        for _ in range(3):
            sent = [layer.message(row) for row in rows]
            heard = [
                sum((sent[u] for u in range(GROUPS) if neighbours[v, u]), torch.zeros(WIDTH))
                for v in range(GROUPS)
            ]
            rows = [row + layer.receive(sound) for row, sound in zip(rows, heard, strict=True)]
        assert_near(found, torch.stack(rows), 100)


@torch.no_grad()
def test_pools_equal_plain_sums_and_know_the_empty_set():
    pool = Pool(WIDTH, WIDTH)
    x = torch.randn(2, GROUPS, WIDTH)
    members = torch.tensor([[0, 1, 0, 1, 1, 0], [0] * 6], dtype=torch.float64)
    found = pool(x, members)
    total = sum(pool.member(x[0, u]) for u in (1, 3, 4))
    assert_near(found[0], pool.summary(total), 100)
    assert_near(found[1], pool.summary(torch.zeros(WIDTH)), 100)


@torch.no_grad()
def test_the_policy_pools_the_current_groups_sets():
    graph = group_graph(awkward(), 4)
    policy = PlacetoPolicy(graph, 3, WIDTH, rounds=2).double()
    states = torch.rand(graph.groups.count, graph.groups.count, len(FIXED_COLUMNS) + 3)
    logits = policy(states, torch.arange(graph.groups.count))
    for v in range(graph.groups.count):
        x = policy.embed(states[v : v + 1])
        parents = torch.from_numpy(graph.parents).double()
        x = torch.cat([policy.down(x, parents), policy.up(x, parents.T)], dim=-1)[0]
        parts = [x[v]]
        sets = (graph.ancestors, graph.descendants, graph.parallel)
        for pool, members in zip(policy.pools, sets, strict=True):
            chosen = [pool.member(x[u]) for u in np.flatnonzero(members[v]).tolist()]
            parts.append(pool.summary(sum(chosen, torch.zeros(WIDTH))))
        assert_near(logits[v], policy.head(torch.cat(parts)), 100)
