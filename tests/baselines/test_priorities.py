"""Critical-path priorities against the longest path by hand and by recursion."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.priorities import PRIORITIES, frees_most, priorities
from go_gym.errors import DecisionError
from tests.strategies import decisions, problems


@settings(max_examples=100, deadline=None)
@given(problems(), st.data())
def test_equals_the_longest_path(problem, data):
    decision = data.draw(decisions(problem))
    graph, place = problem.graph, decision.placement.tolist()
    uses = list(zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True))

    @cache
    def rank(op: int) -> int:
        longest = 0
        for tensor, user in uses:
            if graph.tensor_producer[tensor] == op:
                size, way = int(graph.tensor_bytes[tensor]), (place[op], place[user])
                delay = 0 if way[0] == way[1] else problem.cluster.transfer_ns(size, *way)
                longest = max(longest, delay + rank(user))
        return int(problem.durations_on(place[op])[op]) + longest

    found = priorities("critical-path", problem, decision.placement)
    assert found.dtype == np.int64
    assert found.tolist() == [rank(op) for op in range(problem.num_ops)]


def test_names():
    graph = go_gym.ComputationGraph.from_costs([1], [], [])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9))
    assert PRIORITIES == ("fifo", "critical-path")
    assert priorities("fifo", problem, np.zeros(1, dtype=int)) is None
    with pytest.raises(DecisionError, match="fifo, critical-path"):
        priorities("lifo", problem, np.zeros(1, dtype=int))


def test_frees_most_by_hand():
    """b reads a's 8 bytes, which c reads too, and makes 3: frees 4 of them, takes 3."""
    graph = go_gym.ComputationGraph.from_costs(
        [1, 1, 1, 1, 1],
        [(0, 8), (1, 3), (2, 5), (3, 8)],
        [(0, 1), (0, 2), (0, 3), (1, 4), (3, 4)],
        aliases=[-1, -1, -2, 0],
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(1, 1e9))
    assert frees_most(problem).tolist() == [-8, 2 - 3, 2, 2, 3]
