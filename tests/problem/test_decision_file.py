"""Decision files: what is written is read, and old files keep their bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import go_gym
from go_gym.catalogue.problems import make_problem
from go_gym.errors import DecisionError, FileFormatError
from go_gym.files import content_hash, pack_arrays, unpack_arrays
from go_gym.problem import TASKS
from go_gym.problem.decision_file import dump_decision, parse_decision

GRAPH = go_gym.ComputationGraph.from_costs([1, 2, 3], [(0, 4), (1, 5)], [(0, 1), (1, 2)])
CLUSTER = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
COLUMNS = ("placement", "priority", "fusion")


@given(st.sampled_from(TASKS), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(task, prioritised, fused, seed):
    rng = np.random.default_rng(seed)
    problem = make_problem(GRAPH, CLUSTER, task)
    decision = go_gym.Decision(
        rng.integers(0, 70_000, 3) if seed % 2 else rng.integers(0, 2, 3),
        rng.integers(-(2**62), 2**62, 3) if prioritised else None,
        rng.integers(0, 2**62, 3) if fused else None,
    )
    data = dump_decision(problem, decision)
    read, header = parse_decision(data, "here")
    assert header["task"] == task and header["graph_hash"] == GRAPH.content_hash
    for column in COLUMNS:
        mine, theirs = getattr(decision, column), getattr(read, column)
        assert (mine is None and theirs is None) or mine.tolist() == theirs.tolist()
    assert dump_decision(problem, read) == data


def test_files_without_fusion_keep_their_contents():
    """The hash of what a file held that was written before fusion came."""
    problem = go_gym.Problem(GRAPH, CLUSTER)
    data = dump_decision(problem, go_gym.Decision([0, 1, 0], [5, 6, 7]))
    assert sorted(unpack_arrays(data, "here")) == ["header", "placement", "priority"]
    expected = "bbfdb6577895bcf19799fb20e84ce9df5bb6242d3cb94b25bd5843dcbfed4088"
    assert content_hash(unpack_arrays(data, "here")) == expected


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("fusion", np.array([0, -1, 0]), "fusion"),
        ("fusion", np.array([0.0, 1.0, 0.0]), "fusion"),
        ("fission", np.array([0, 1, 0]), "fission"),
    ],
)
def test_malformed_columns_are_refused(column, values, message):
    problem = make_problem(GRAPH, CLUSTER, "joint")
    arrays = unpack_arrays(dump_decision(problem, go_gym.Decision([0, 1, 0])), "here")
    with pytest.raises((DecisionError, FileFormatError), match=f"here.*{message}"):
        parse_decision(pack_arrays({**arrays, column: values}), "here")
