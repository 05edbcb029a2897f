"""ComputationGraph: construction, order, validation, file format."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym import Alias, ComputationGraph, Outlives
from go_gym.errors import FileFormatError, GraphError
from go_gym.files import pack_arrays, unpack_arrays
from go_gym.graph.columns import COLUMNS
from go_gym.graph.features import OP_FEATURES, edges, op_features
from tests.strategies import graphs


def diamond(**options):
    return ComputationGraph.from_costs(
        [1, 2, 3, 4], [(0, 5), (1, 6), (2, 7)], [(0, 1), (0, 2), (1, 3), (2, 3)], **options
    )


def test_columns_and_pointers():
    graph = diamond(names=["a", "b", "c", "d"], parameter_bytes=[0, 9, 0, 0])
    assert (graph.num_ops, graph.num_tensors, graph.num_uses) == (4, 3, 4)
    assert graph.op_names == ("a", "b", "c", "d")
    assert graph.tensor_use_ptr.tolist() == [0, 2, 3, 4]
    assert graph.op_tensor_ptr.tolist() == [0, 1, 2, 3, 3]
    assert graph.use_tensor[graph.op_uses[graph.op_use_ptr[3] :]].tolist() == [1, 2]
    assert graph.depth.tolist() == [0, 1, 1, 2]
    assert graph.source_index.tolist() == [0, 1, 2, 3]


def test_order_is_topological_and_stable():
    """Ops 3 → 1 → 0 and 2 alone: the smallest number that is ready comes first."""
    graph = ComputationGraph.from_costs([10, 11, 12, 13], [(3, 1), (1, 1)], [(0, 1), (1, 0)])
    assert graph.source_index.tolist() == [2, 3, 1, 0]
    assert graph.durations[:, 0].tolist() == [12, 13, 11, 10]
    assert graph.op_names == ("op2", "op3", "op1", "op0")
    assert graph.tensor_source_index.tolist() == [0, 1]


def test_repeated_uses_count_once():
    graph = ComputationGraph.from_costs([1, 1], [(0, 5)], [(0, 1), (0, 1)])
    assert graph.num_uses == 1


def test_no_tensors_at_all():
    graph = ComputationGraph.from_costs([1, 2], [], [])
    assert (graph.num_tensors, graph.num_uses) == (0, 0)
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    assert go_gym.simulate(problem, go_gym.Decision(placement=[0, 1])).step_time_ns == 2


BAD = {
    "cycle": (([1, 1], [(0, 1), (1, 1)], [(0, 1), (1, 0)]), {}, "cycle: op [01] "),
    "uses itself": (([1], [(0, 1)], [(0, 0)]), {}, "cycle: op 0"),
    "dangling producer": (([1, 1], [(2, 1)], []), {}, r"tensors\[:, 0\]\[0\]: 2"),
    "dangling consumer": (([1, 1], [(0, 1)], [(0, 2)]), {}, r"uses\[:, 1\]\[0\]: 2"),
    "dangling tensor": (([1, 1], [(0, 1)], [(1, 1)]), {}, r"uses\[:, 0\]\[0\]: 1"),
    "negative duration": (([1, -1], [], []), {}, r"durations\[1\]: -1"),
    "NaN duration": (([1, np.nan], [], []), {}, r"durations\[1\]: nan"),
    "fraction": (([1, 0.5], [], []), {}, r"durations\[1\]: 0.5"),
    "infinite": (([1, np.inf], [], []), {}, r"durations\[1\]: inf"),
    "huge": (([1, 2**62], [], []), {}, r"durations\[1\]"),
    "beyond int64": (([1, 2**70], [], []), {}, "durations"),
    "texts": ((["1"], [], []), {}, "durations: dtype"),
    "ragged": (([[1], [1, 2]], [], []), {}, "durations"),
    "three axes": (([[[1]]], [], []), {}, "durations: shape"),
    "nothing": (([], [], []), {}, "0 ops"),
    "negative bytes": (([1], [(0, -1)], []), {}, r"tensors\[:, 1\]\[0\]: -1"),
    "tensor shape": (([1], [(0, 1, 2)], []), {}, "tensors: shape"),
    "parameters short": (([1, 1], [], []), {"parameter_bytes": [1]}, "parameter_bytes: 1 entries"),
    "names repeat": (([1, 1], [], []), {"names": ["a", "a"]}, "'a'"),
    "name empty": (([1, 1], [], []), {"names": ["a", ""]}, "op_names"),
    "name of two lines": (([1], [], []), {"names": ["a\nb"]}, "line break"),
    "names short": (([1, 1], [], []), {"names": ["a"]}, "op_names: 1 entries"),
    "groups": (([1, 1], [], []), {"colocation": [0, -2]}, r"colocation\[1\]: -2"),
    "alias of no input": (
        ([1, 1], [(0, 1), (1, 1)], []),
        {"aliases": [-1, 0]},
        "no input of that op",
    ),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad_numbers_give_one_clear_error(case):
    arguments, options, message = BAD[case]
    with pytest.raises(GraphError, match=message):
        ComputationGraph.from_costs(*arguments, **options)


def test_arrays_are_read_only():
    graph = diamond()
    for label in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(graph, label)[...] = 0


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_files_give_the_same_graph(graph):
    again = ComputationGraph.from_bytes(graph.to_bytes())
    assert again.content_hash == graph.content_hash and again.name == graph.name
    assert again.source_index.tolist() == graph.source_index.tolist()
    assert again.to_bytes() == graph.to_bytes()


def test_files_of_version_1_still_load(tmp_path):
    """They tell of nothing that outlives the step, and their hash is what it was."""
    arrays = unpack_arrays(diamond().to_bytes(), "new")
    header = json.loads(arrays["header"].tobytes())
    assert header["version"] == 2
    del arrays["tensor_outlives"]
    text = json.dumps({**header, "version": 1}).encode()
    old = ComputationGraph.from_bytes(
        pack_arrays({**arrays, "header": np.frombuffer(text, dtype=np.uint8)})
    )
    assert old.tensor_outlives.tolist() == [0, 0, 0]
    assert old.content_hash == diamond().content_hash
    with pytest.raises(FileFormatError, match="tensor_outlives missing"):
        ComputationGraph.from_bytes(pack_arrays({**arrays}))
    text = json.dumps({**header, "version": 3}).encode()
    with pytest.raises(FileFormatError, match="version 3, this go_gym reads 1 to 2"):
        ComputationGraph.from_bytes(
            pack_arrays({**arrays, "header": np.frombuffer(text, dtype=np.uint8)})
        )


def test_what_is_written_in_place_is_no_view():
    assert diamond(outlives=[0, 2, 1]).tensor_outlives.tolist() == [0, 2, 1]
    with pytest.raises(GraphError, match="written over what is resident"):
        diamond(aliases=[-1, 0, -1], outlives=[0, 2, 0])
    with pytest.raises(GraphError, match="outlives"):
        diamond(outlives=[0, 3, 0])


def test_hash_is_the_same_in_another_process():
    code = "from tests.graph.test_graph import diamond; print(diamond().content_hash)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == diamond().content_hash


def test_hash_sees_every_fact_and_not_the_name():
    hashes = {
        diamond().content_hash,
        diamond(parameter_bytes=[0, 0, 0, 1]).content_hash,
        diamond(colocation=[0, 0, -1, -1]).content_hash,
        diamond(aliases=[-1, -1, Alias.PARAMETER]).content_hash,
        diamond(outlives=[0, 0, Outlives.HELD]).content_hash,
        diamond(layers=["x", None, None, None]).content_hash,
        diamond(names=["a", "b", "c", "d"]).content_hash,
    }
    assert len(hashes) == 7
    assert diamond(name="other").content_hash == diamond().content_hash
    renamed = diamond(colocation=[7, 7, -1, -1]).content_hash
    assert renamed == diamond(colocation=[0, 0, -1, -1]).content_hash


def test_80_000_ops_load(tmp_path):
    n = 80_000
    rng = np.random.default_rng(0)
    tensors = np.stack([np.arange(n), rng.integers(0, 10**6, n)], axis=1)
    uses = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    graph = ComputationGraph.from_costs(rng.integers(1, 10**6, n), tensors, uses)
    graph.save(tmp_path / "large.npz")
    assert ComputationGraph.load(tmp_path / "large.npz").content_hash == graph.content_hash
    assert [path.name for path in tmp_path.iterdir()] == ["large.npz"]


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_features_lie_between_0_and_1(graph):
    table = op_features(graph)
    ends, sizes = edges(graph)
    assert table.shape == (graph.num_ops, len(OP_FEATURES)) and table.dtype == np.float32
    for values in (table, sizes):
        assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
    assert (ends[:, 0] < ends[:, 1]).all()


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(6)))
def test_the_caller_s_numbering_does_not_change_the_result(order):
    """A chain with a side branch, numbered anyhow, decided by the caller's numbers."""
    durations, placement = np.array([3, 5, 7, 2, 4, 6]), np.array([0, 1, 0, 1, 0, 1])
    edges_ = [(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (3, 5)]
    position = np.argsort(order)  # op i is called position[i]
    graph = ComputationGraph.from_costs(
        durations[list(order)],
        [(position[a], 10) for a, _ in edges_],
        [(t, position[b]) for t, (_, b) in enumerate(edges_)],
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, contention="none"))
    chosen = placement[list(order)][graph.source_index]
    result = go_gym.simulate(problem, go_gym.Decision(placement=chosen))
    assert result.step_time_ns == 53  # 3, move 10, 5, move 10, 7, move 10, 2, then 6
    assert result.bytes_moved == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a\ud800", "b", "c", "d"]}, "op_names: .*lone surrogate"),
        ({"names": ["a", ["b"], "c", "d"]}, "op_names"),
        ({"name": "\ud800"}, "name: .*lone surrogate"),
        ({"parameter_bytes": 1}, r"parameter_bytes: shape \(\)"),
        ({"parameter_bytes": np.ones((4, 2))}, r"parameter_bytes: shape \(4, 2\)"),
        ({"colocation": np.ones((4, 2))}, r"colocation: shape \(4, 2\)"),
        ({"aliases": np.zeros((3, 2))}, r"aliases: shape \(3, 2\)"),
    ],
)
def test_columns_and_texts_of_another_form_are_refused_by_name(options, message):
    with pytest.raises(GraphError, match=message):
        diamond(**options)


@pytest.mark.parametrize("shape", [(2**70,), ("a",), (1.5,), (-3,), (2**40,) * 9])
def test_output_shapes_are_whole_numbers_in_range(shape):
    with pytest.raises(GraphError, match=r"shapes\[0\]"):
        ComputationGraph.from_arrays("bad", num_ops=1, tensors=[], uses=[], shapes=[shape])
