"""Decision files: round trip, equal bytes, and nothing stored that was not decided."""

import numpy as np
import pytest

import go_gym
from go_gym.decisions import dump_decision, load_decision, parse_decision, save_decision
from go_gym.errors import DecisionError, FileFormatError
from go_gym.files import pack_arrays, unpack_arrays

OPS = 4


def problem(devices: int = 2) -> go_gym.Problem:
    graph = go_gym.ComputationGraph.from_costs([10] * OPS, [(0, 8)], [(0, 1)], name="four")
    return go_gym.Problem(graph, go_gym.Cluster.uniform(devices=devices, bandwidth=1e9, latency=0))


@pytest.mark.parametrize("priority", [None, [-(2**62), 0, 3, 2**62]])
def test_round_trip(priority, tmp_path):
    made = problem(300)
    decision = go_gym.Decision(placement=[0, 255, 256, 299], priority=priority)
    save_decision(tmp_path / "a.npz", made, decision)
    read, header = load_decision(tmp_path / "a.npz")
    assert read.placement.tolist() == [0, 255, 256, 299]
    assert (None if read.priority is None else read.priority.tolist()) == priority
    assert header["graph_hash"] == made.graph.content_hash
    assert header["cluster_hash"] == made.cluster.content_hash
    assert dump_decision(made, read) == (tmp_path / "a.npz").read_bytes()


@pytest.mark.parametrize(("highest", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_the_placement_takes_the_smallest_unsigned_dtype(highest, dtype):
    data = dump_decision(problem(300), go_gym.Decision(placement=[0, 0, 0, highest]))
    assert unpack_arrays(data, "x")["placement"].dtype == dtype


@pytest.mark.parametrize("placement", [[0, -1, 0, 0], [0, 2, 0, 0], [0, 70_000, 0, 0], [0, 1]])
def test_a_decision_that_does_not_fit_is_not_written(placement, tmp_path):
    with pytest.raises(DecisionError, match="placement"):
        save_decision(tmp_path / "a.npz", problem(), go_gym.Decision(placement=placement))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "header",
    [b"", b"[]", b"{", b"\xff", b"{}", b"[" * 100_000, b'{"format": "go-gym decision"}'],
    ids=["empty", "list", "cut", "no text", "bare", "deep", "no version"],
)
def test_a_header_that_is_none_is_refused(header):
    arrays = {"header": np.frombuffer(header, np.uint8), "placement": np.zeros(OPS, np.uint8)}
    with pytest.raises(FileFormatError, match=r"^here: "):
        parse_decision(pack_arrays(arrays), "here")
