"""Features of ops and uses, against numbers by hand and on every kind of graph."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.catalogue import datasets
from go_gym.graph import PHASES
from go_gym.graph.features import OP_FEATURES, edges, op_features
from go_gym.graph.validate import MAX_BYTES
from tests.strategies import graphs


def log(x):
    return math.log2(1 + x) / 64


def test_by_hand():
    """A diamond: 0 → 1, 2 → 3; op 0 makes 8 + 4 bytes, op 2 holds 100 bytes of parameters."""
    graph = go_gym.ComputationGraph.from_costs(
        [5, 5, 5, 5],
        [(0, 8), (0, 4), (1, 2), (2, 2)],
        [(0, 1), (1, 2), (2, 3), (3, 3)],
        parameter_bytes=[0, 0, 100, 0],
    )
    table = op_features(graph)
    assert table.shape == (4, len(OP_FEATURES)) and table.dtype == np.float32
    column = dict(zip(OP_FEATURES, table.T, strict=True))
    assert column["log_output_bytes"] == pytest.approx([log(12), log(2), log(2), 0])
    assert column["log_parameter_bytes"] == pytest.approx([0, 0, log(100), 0])
    assert column["log_inputs"] == pytest.approx([0, log(1), log(1), log(2)])
    assert column["log_consumers"] == pytest.approx([log(2), log(1), log(1), 0])
    assert column["depth"] == pytest.approx([0, 0.5, 0.5, 1])
    assert column["position"] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert column["forward"].tolist() == [1, 1, 1, 1] and not column["free"].any()
    ends, features = edges(graph)
    assert ends.tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]] and ends.dtype == np.int32
    assert features[:, 0] == pytest.approx([log(8), log(4), log(2), log(2)])


@pytest.mark.parametrize("name", datasets.names())
def test_datasets(name):
    graph = datasets.load(name)
    table = op_features(graph)
    assert np.isfinite(table).all() and table.min() >= 0 and table.max() <= 1
    phases = table[:, [OP_FEATURES.index(phase) for phase in PHASES]]
    assert (phases.sum(axis=1) == 1).all()
    served = graph.metadata.get("served", False)  # a server's graph has no way back
    assert (phases.sum(axis=0) > 0).tolist() == [True, not served, not served]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_finite_and_bounded(data):
    graph = data.draw(graphs())
    for table in (op_features(graph), edges(graph)[1]):
        assert table.dtype == np.float32
        assert np.isfinite(table).all() and ((table >= 0) & (table <= 1)).all()


def test_the_largest_costs_stay_in_range():
    huge = MAX_BYTES
    graph = go_gym.ComputationGraph.from_costs([1, 1], [(0, huge)], [(0, 1)])
    assert op_features(graph).max() <= 1 and edges(graph)[1].max() <= 1
