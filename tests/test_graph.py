"""Building, checking, hashing, saving and loading computation graphs."""

import dataclasses
import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.errors import FileFormatError, GoGymError, GraphError
from go_gym.files import pack_arrays, unpack_arrays
from go_gym.graph.io import dumps, loads
from go_gym.graph.model import COLUMNS, DTYPES, PHASES
from go_gym.graph.topology import earliest_starts, upward_ranks
from tests.strategies import graphs

from_costs = go_gym.ComputationGraph.from_costs
from_arrays = go_gym.ComputationGraph.from_arrays
DIAMOND = {
    "durations": [1, 2, 3, 4],
    "tensors": [(0, 10), (1, 20), (2, 30)],
    "uses": [(0, 1), (0, 2), (1, 3), (2, 3)],
}


def rich_graph() -> go_gym.ComputationGraph:
    """No column empty, none constant."""
    return from_arrays(
        "rich",
        num_ops=3,
        tensors=[(0, 10), (1, 20), (1, 5)],
        uses=[(0, 1), (1, 2), (0, 2)],
        aliases=[-2, 0, -1],
        op_names=["a", "b", "c"],
        op_types=["mm", "add", "mm"],
        layers=["one", None, "two"],
        phases=["forward", "backward", "optimizer"],
        dtypes=["float32", "float16", "int64"],
        shapes=[(2, 3), (), (1, 2, 3, 4, 5, 6, 7)],
        flops=[1, 2, 3],
        bytes_read=[4, 5, 6],
        bytes_written=[7, 8, 9],
        parameter_bytes=[10, 11, 12],
        colocation=[7, -1, 7],
        durations=[[1, -1], [2, 20], [-1, 30]],
        duration_kinds=["p100", "v100"],
        metadata={"batch": 4},
    )


def columns_equal(a, b) -> bool:
    texts = ("op_names", "op_types", "layers", "duration_kinds")
    arrays = (*COLUMNS, "source_index", "tensor_source_index")
    return all(getattr(a, text) == getattr(b, text) for text in texts) and all(
        getattr(a, label).dtype == getattr(b, label).dtype
        and np.array_equal(getattr(a, label), getattr(b, label))
        for label in arrays
    )


# -- construction


def test_durations_for_every_device_alike():
    graph = from_costs(**DIAMOND)
    assert (graph.num_ops, graph.num_tensors, graph.num_uses) == (4, 3, 4)
    assert graph.duration_kinds == ("*",)
    assert graph.durations.tolist() == [[1], [2], [3], [4]]
    assert graph.op_names == ("op0", "op1", "op2", "op3")
    assert graph.depth.tolist() == [0, 1, 1, 2]
    assert "4 ops, 3 tensors, 4 uses" in repr(graph)


def test_durations_for_each_device():
    graph = from_costs([[1, 2], [3, 4]], [], [])
    assert graph.duration_kinds == ("device:0", "device:1")
    assert graph.durations.tolist() == [[1, 2], [3, 4]]
    assert graph.num_tensors == graph.num_uses == 0


def test_optional_columns():
    graph = from_costs(
        **DIAMOND,
        names=["in", "left", "right", "out"],
        colocation=[9, -1, 5, 9],
        aliases=[-2, 0, -1],
        layers=["encoder", None, "encoder", "decoder"],
        parameter_bytes=[5, 6, 7, 8],
        name="diamond",
    )
    assert graph.name == "diamond"
    assert graph.op_names == ("in", "left", "right", "out")
    assert graph.colocation.tolist() == [0, -1, 1, 0], "groups renamed by first appearance"
    assert graph.tensor_alias.tolist() == [-2, 0, -1]
    assert graph.layers == ("encoder", "decoder")
    assert graph.layer.tolist() == [0, -1, 0, 1]
    assert graph.parameter_bytes.tolist() == [5, 6, 7, 8]


def test_columns_of_a_rich_graph():
    graph = rich_graph()
    assert graph.op_types == ("mm", "add") and graph.op_type.tolist() == [0, 1, 0]
    assert [PHASES[code] for code in graph.phase] == ["forward", "backward", "optimizer"]
    assert [DTYPES[code] for code in graph.dtype] == ["float32", "float16", "int64"]
    assert graph.shape.tolist() == [
        [2, 3, -1, -1, -1, -1],
        [-1] * 6,
        [1, 2, 3, 4, 5, 42],
    ]


@pytest.mark.parametrize("label", [*COLUMNS, "source_index", "tensor_source_index", "op_uses"])
def test_arrays_are_read_only(label):
    array = getattr(rich_graph(), label)
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0


def test_a_callers_array_stays_the_callers():
    durations = np.array([1, 2])
    graph = from_costs(durations, [], [])
    durations[0] = 99
    assert graph.durations.tolist() == [[1], [2]]


def test_repeated_uses_count_once():
    once = from_costs([1, 1], [(0, 5)], [(0, 1)])
    thrice = from_costs([1, 1], [(0, 5)], [(0, 1)] * 3)
    assert thrice.num_uses == 1
    assert thrice.content_hash == once.content_hash


def test_whole_floats_are_numbers():
    assert from_costs([1.0, 2.0], [(0, 5.0)], [(0, 1)]).durations.tolist() == [[1], [2]]


def naive_order(count, edges):
    """Smallest number whose inputs are all done, again and again."""
    order = []
    while len(order) < count:
        order.append(
            min(
                op
                for op in range(count)
                if op not in order and all(a in order for a, b in edges if b == op)
            )
        )
    return order


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_source_index_is_the_stable_topological_order(count, seed):
    rng = np.random.default_rng(seed)
    number = rng.permutation(count)
    edges = [
        (int(number[a]), int(number[b]))
        for b in range(count)
        for a in range(b)
        if rng.random() < 0.3
    ]
    tensors = [(a, int(rng.integers(0, 50))) for a, _ in edges]
    uses = [(tensor, b) for tensor, (_, b) in enumerate(edges)]
    durations = rng.integers(0, 100, count)
    graph = from_costs(durations, tensors, uses, names=[f"n{i}" for i in range(count)])
    order = graph.source_index.tolist()
    assert order == naive_order(count, edges)
    assert graph.op_names == tuple(f"n{i}" for i in order)
    assert graph.durations[:, 0].tolist() == durations[order].tolist()
    back = graph.tensor_source_index
    assert graph.source_index[graph.tensor_producer].tolist() == [tensors[i][0] for i in back]
    assert graph.tensor_bytes.tolist() == [tensors[i][1] for i in back]
    kept = {
        (int(back[tensor]), order[consumer])
        for tensor, consumer in zip(graph.use_tensor, graph.use_consumer, strict=True)
    }
    assert kept == set(uses)
    assert (graph.use_producer < graph.use_consumer).all()


def test_a_placement_goes_by_stored_op():
    """A chain given backwards: ``source_index`` takes a caller's placement to the stored ops."""
    forward = from_costs([1, 20, 300], [(0, 7), (1, 8)], [(0, 1), (1, 2)])
    backward = from_costs([300, 20, 1], [(1, 8), (2, 7)], [(0, 0), (1, 1)])
    assert backward.source_index.tolist() == [2, 1, 0]
    cluster = go_gym.Cluster.uniform(devices=3, bandwidth=1e9)
    caller = np.array([2, 1, 1])  # of the ops 300, 20, 1
    stored = caller[backward.source_index]
    a = go_gym.simulate(go_gym.Problem(backward, cluster), go_gym.Decision(stored))
    b = go_gym.simulate(go_gym.Problem(forward, cluster), go_gym.Decision([1, 1, 2]))
    assert a.step_time_ns == b.step_time_ns == 1 + 20 + 8 + 300
    assert a.busy_ns.tolist() == b.busy_ns.tolist() == [0, 21, 300]


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_pointers_and_paths(graph):
    uses = list(zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True))
    durations = graph.durations[:, 0]
    start, rank, depth = [], [], []
    for op in range(graph.num_ops):
        tensors = [tensor for tensor, consumer in uses if consumer == op]
        mine = graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]
        assert graph.use_tensor[mine].tolist() == tensors
        made = np.flatnonzero(graph.tensor_producer == op).tolist()
        assert list(range(*graph.op_tensor_ptr[op : op + 2])) == made
        before = [int(graph.tensor_producer[tensor]) for tensor in tensors]
        start.append(max((start[p] + int(durations[p]) for p in before), default=0))
        depth.append(max((depth[p] + 1 for p in before), default=0))
    for op in reversed(range(graph.num_ops)):
        after = [c for tensor, c in uses if graph.tensor_producer[tensor] == op]
        tail = max((rank[graph.num_ops - 1 - c] for c in after), default=0)
        rank.append(tail + int(durations[op]))
    assert earliest_starts(graph, durations).tolist() == start
    assert upward_ranks(graph, durations).tolist() == rank[::-1]
    assert graph.depth.tolist() == depth
    for tensor in range(graph.num_tensors):
        begin, end = graph.tensor_use_ptr[tensor : tensor + 2]
        assert graph.use_consumer[begin:end].tolist() == [c for j, c in uses if j == tensor]


# -- what is refused

NAN, INF = float("nan"), float("inf")
BAD = {
    "no ops": ({"durations": [], "tensors": [], "uses": []}, "0 ops"),
    "cycle": ({"tensors": [(0, 1), (1, 1)], "uses": [(0, 1), (1, 0)]}, r"cycle: op [01] "),
    "own input": ({"tensors": [(3, 1)], "uses": [(0, 3)]}, "cycle: op 3 "),
    "dangling producer": ({"tensors": [(4, 1)], "uses": []}, r"tensors\[:, 0\]\[0\]: 4 "),
    "dangling tensor": ({"uses": [(0, 1), (3, 1)]}, r"uses\[:, 0\]\[1\]: 3 "),
    "dangling consumer": ({"uses": [(0, 4)]}, r"uses\[:, 1\]\[0\]: 4 "),
    "negative consumer": ({"uses": [(0, -1)]}, r"uses\[:, 1\]\[0\]: -1 "),
    "negative duration": ({"durations": [1, 2, -3, 4]}, r"durations\[2\]: -3 "),
    "NaN duration": ({"durations": [1, NAN, 3, 4]}, r"durations\[1\]: nan "),
    "infinite duration": ({"durations": [INF, 2, 3, 4]}, r"durations\[0\]: inf "),
    "fraction": ({"durations": [1, 2, 3, 4.5]}, r"durations\[3\]: 4.5 "),
    "long duration": ({"durations": [1, 2, 3, 10**15 + 1]}, r"durations\[3\]"),
    "huge duration": ({"durations": [1, 2, 3, 2**64]}, "durations"),
    "unsigned duration": ({"durations": np.array([1, 2, 3, 2**63], np.uint64)}, r"durations\[3\]"),
    "text": ({"durations": ["1", "2", "3", "4"]}, "durations: dtype"),
    "complex": ({"durations": [1j, 2, 3, 4]}, "durations: dtype complex"),
    "none": ({"durations": None}, "durations"),
    "scalar durations": ({"durations": 5}, r"durations: shape \(\)"),
    "cubic durations": ({"durations": np.ones((4, 2, 2), int)}, r"durations: shape \(4, 2, 2\)"),
    "ragged durations": ({"durations": [[1], [1, 2], [3], [4]]}, "durations"),
    "negative bytes": ({"tensors": [(0, -1), (1, 1), (2, 1)]}, r"tensors\[:, 1\]\[0\]: -1 "),
    "NaN bytes": ({"tensors": [(0, 1), (1, NAN), (2, 1)]}, r"tensors\[:, 1\]\[1\]: nan "),
    "overflowing bytes": ({"tensors": [(0, 2**53 + 2)], "uses": []}, r"tensors\[:, 1\]\[0\]"),
    "triples": ({"tensors": [(0, 1, 2)], "uses": []}, r"tensors: shape \(1, 3\)"),
    "flat tensors": ({"tensors": [0, 1], "uses": []}, r"tensors: shape \(2,\)"),
    "ragged uses": ({"uses": [(0, 1), (0,)]}, "uses"),
    "repeated name": ({"names": ["a", "b", "a", "c"]}, "two ops are named 'a'"),
    "empty name": ({"names": ["a", "", "b", "c"]}, "op_names: ''"),
    "number as name": ({"names": ["a", 1, "b", "c"]}, "op_names: '1'"),
    "list as name": ({"names": ["a", ["b"], "d", "c"]}, "op_names"),
    "line break": ({"names": ["a\nb", "b", "d", "c"]}, "line break"),
    "lone surrogate": ({"names": ["a\ud800", "b", "d", "c"]}, "op_names"),
    "long name": ({"names": ["a" * 2000, "b", "d", "c"]}, "1 to 1024"),
    "few names": ({"names": ["a"]}, "op_names: 1 entries for 4 ops"),
    "few layers": ({"layers": ["a"]}, "layers: 1 entries for 4 ops"),
    "few parameters": ({"parameter_bytes": [1, 2]}, "parameter_bytes: 2 entries for 4 ops"),
    "scalar parameters": ({"parameter_bytes": 1}, "parameter_bytes"),
    "parameter table": ({"parameter_bytes": np.ones((4, 2))}, "parameter_bytes"),
    "negative parameters": ({"parameter_bytes": [0, 0, -5, 0]}, r"parameter_bytes\[2\]: -5 "),
    "group below -1": ({"colocation": [0, 0, -2, 0]}, r"colocation\[2\]: -2 "),
    "group table": ({"colocation": np.ones((4, 2))}, "colocation"),
    "few aliases": ({"aliases": [-1]}, "aliases: 1 entries for 3 tensors"),
    "alias table": ({"aliases": np.zeros((3, 2))}, "aliases"),
    "alias of nothing": ({"aliases": [-1, 3, -1]}, r"aliases\[1\]: 3 "),
    "alias of a non-input": ({"aliases": [-1, -1, 1]}, "no input of that op"),
    "alias of itself": ({"aliases": [-1, 1, -1]}, "no input of that op"),
    "alias at a source": ({"aliases": [2, -1, -1]}, "no input of that op"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_costs_are_refused(case):
    changed, message = BAD[case]
    with pytest.raises(GraphError, match=message) as caught:
        from_costs(**{**DIAMOND, **changed})
    assert "\n" not in str(caught.value)


BAD_COLUMNS = {
    "unknown phase": ({"phases": ["sideways"]}, "phases: 'sideways'"),
    "unknown dtype": ({"dtypes": ["float31"]}, "dtypes: 'float31'"),
    "negative FLOPs": ({"flops": [-1]}, r"flops\[0\]: -1"),
    "durations without kinds": ({"durations": [[1]]}, r"durations: shape \(1, 1\)"),
    "duration below -1": ({"durations": [[-2]], "duration_kinds": ["gpu"]}, r"durations\[0, 0\]"),
    "gap in positions": ({"durations": [[1]], "duration_kinds": ["device:1"]}, "duration_kinds"),
    "mixed kinds": ({"durations": [[1, 1]], "duration_kinds": ["*", "gpu"]}, "stand alone"),
    "repeated kind": ({"durations": [[1, 1]], "duration_kinds": ["gpu", "gpu"]}, "repeats"),
    "negative side": ({"shapes": [(-3,)]}, r"shapes\[0\]: \(-3,\)"),
    "huge side": ({"shapes": [(2**70,)]}, "shapes"),
    "shape of text": ({"shapes": [("a",)]}, "shapes"),
    "overflowing shape": ({"shapes": [(2**40,) * 9]}, "shapes"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_malformed_columns_are_refused(case):
    changed, message = BAD_COLUMNS[case]
    with pytest.raises(GraphError, match=message):
        from_arrays("bad", **{"num_ops": 1, "tensors": [], "uses": [], **changed})


# -- hash


def test_hash_changes_with_every_column():
    graph = rich_graph()
    seen = {graph.content_hash}
    for label in COLUMNS:
        changed = getattr(graph, label).copy()
        changed.flat[0] += 1
        seen.add(dataclasses.replace(graph, **{label: changed}).content_hash)
    for label in ("op_names", "op_types", "layers", "duration_kinds"):
        texts = (getattr(graph, label)[0] + "x", *getattr(graph, label)[1:])
        seen.add(dataclasses.replace(graph, **{label: texts}).content_hash)
    assert len(seen) == 1 + len(COLUMNS) + 4


def test_hash_leaves_out_the_name_and_the_metadata():
    graph = rich_graph()
    other = dataclasses.replace(graph, name="other", metadata={})
    assert other.content_hash == graph.content_hash


def test_hash_is_the_same_in_another_process(tmp_path):
    graph = rich_graph()
    graph.save(tmp_path / "rich.npz")
    code = (
        "import sys; from go_gym.graph import ComputationGraph as G;"
        "print(G.load(sys.argv[1]).content_hash)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "rich.npz")],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == graph.content_hash


# -- files


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_bytes_round_trip(graph):
    data = dumps(graph)
    again = loads(data)
    assert columns_equal(graph, again)
    assert again.content_hash == graph.content_hash
    assert dumps(again) == data


def test_save_and_load(tmp_path):
    graph = rich_graph()
    path = tmp_path / "deep" / "rich.npz"
    graph.save(path)
    again = go_gym.ComputationGraph.load(path)
    assert columns_equal(graph, again)
    assert (again.name, again.metadata) == ("rich", {"batch": 4})
    assert not again.durations.flags.writeable
    assert [file.name for file in path.parent.iterdir()] == ["rich.npz"]


def test_texts_of_any_language(tmp_path):
    graph = from_costs([1, 1], [], [], names=["前向/加", "μ\t\"'"], layers=["é", None])
    graph.save(tmp_path / "g.npz")
    again = go_gym.ComputationGraph.load(tmp_path / "g.npz")
    assert columns_equal(graph, again)


def test_eighty_thousand_ops(tmp_path):
    n = 80_000
    op = np.arange(n)
    uses = np.concatenate([np.stack([op[:-k], op[k:]], axis=1) for k in (1, 40)])
    graph = from_costs(op % 1000, np.stack([op, op % 4096], axis=1), uses)
    graph.save(tmp_path / "large.npz")
    again = go_gym.ComputationGraph.load(tmp_path / "large.npz")
    assert again.num_ops == n and again.num_uses == 2 * n - 41
    assert again.content_hash == graph.content_hash
    backwards = from_costs(
        (op % 1000)[::-1],
        np.stack([n - 1 - op, op % 4096], axis=1),
        np.stack([uses[:, 0], n - 1 - uses[:, 1]], axis=1),
    )
    assert backwards.source_index.tolist() == (n - 1 - op).tolist()
    assert backwards.durations.tolist() == graph.durations.tolist()


def remade(**changed) -> bytes:
    """The file of the rich graph with arrays replaced, or left out where None."""
    arrays = {**unpack_arrays(dumps(rich_graph()), "rich"), **changed}
    return pack_arrays({name: array for name, array in arrays.items() if array is not None})


def header(**changed) -> bytes:
    text = json.loads(unpack_arrays(dumps(rich_graph()), "rich")["header"].tobytes())
    return remade(header=as_text(json.dumps({**text, **changed})))


def as_text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


BAD_FILES = {
    "empty": (lambda: b"", "not a readable array archive"),
    "text": (lambda: b"hello" * 100, "not a readable array archive"),
    "truncated": (lambda: remade()[:-50], "not a readable array archive"),
    "array left out": (lambda: remade(flops=None), "flops missing"),
    "array too many": (lambda: remade(extra=np.zeros(3)), "unexpected arrays: extra"),
    "dtype": (lambda: remade(flops=np.zeros(3, np.int32)), "flops has dtype int32"),
    "float costs": (lambda: remade(flops=np.full(3, NAN)), "flops has dtype float64"),
    "shape": (lambda: remade(flops=np.zeros(4, np.int64)), r"flops: shape \(4,\)"),
    "axes": (lambda: remade(op_type=np.zeros((), np.int32)), "shape"),
    "negative": (lambda: remade(bytes_read=np.array([0, -1, 0])), r"op 1 \('b'\): bytes_read"),
    "overflow": (lambda: remade(flops=np.array([0, 0, 2**62])), r"op 2 \('c'\): flops"),
    "cycle": (
        lambda: remade(use_consumer=np.array([1, 2, 0], np.int32)),
        r"op 0 \('a'\) uses a tensor of op 1 \('b'\)",
    ),
    "dangling": (lambda: remade(use_tensor=np.array([0, 0, 3], np.int32)), "use 2: its tensor"),
    "producer": (lambda: remade(tensor_producer=np.array([0, 1, 3], np.int32)), "tensor 2"),
    "names": (lambda: remade(op_names=as_text("a\nb")), "2 op names for 3 ops"),
    "same names": (lambda: remade(op_names=as_text("a\nb\na")), "two ops are named 'a'"),
    "not UTF-8": (lambda: remade(op_names=np.array([255, 254], np.uint8)), "not UTF-8"),
    "not JSON": (lambda: remade(header=as_text("{")), "not JSON"),
    "deep JSON": (lambda: remade(header=as_text("[" * 100_000)), "not JSON"),
    "JSON list": (lambda: remade(header=as_text("[]")), "not a go-gym graph"),
    "other format": (lambda: header(format="x"), "not a go-gym graph"),
    "other version": (lambda: header(version=2), "format version 2"),
    "table of numbers": (lambda: header(layers=[1, 2]), "layers: '1'"),
    "table of lists": (lambda: header(layers=[["a"], ["b"]]), "layers"),
    "table of nothing": (lambda: header(layers=None), "'layers' is missing"),
    "small table": (lambda: header(op_types=["mm"]), r"op 1 \('b'\): op_type"),
    "surrogate": (lambda: header(layers=["one", "\ud800"]), "layers"),
    "surrogate as name": (lambda: header(name="\ud800"), "name"),
    "name of number": (lambda: header(name=3), "'name' is missing or malformed"),
    "not a permutation": (
        lambda: remade(source_index=np.array([0, 0, 2])),
        "source_index: not a permutation",
    ),
    "short permutation": (lambda: remade(source_index=np.array([0])), "source_index: shape"),
    "permutation dtype": (lambda: remade(source_index=np.zeros(3)), "source_index has dtype"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_malformed_files_are_refused(case, tmp_path):
    make, message = BAD_FILES[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(make())
    with pytest.raises((FileFormatError, GraphError), match=message):
        go_gym.ComputationGraph.load(path)


def test_object_arrays_are_refused():
    """An array of objects would be unpickled: code of the file's author would run."""
    member = io.BytesIO()
    np.save(member, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"'flops'.*dtype object"):
        loads(with_member("flops", member.getvalue()))


def with_member(name: str, raw: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(remade()))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for info in source.infolist():
            data = raw if info.filename == f"{name}.npy" else source.read(info)
            archive.writestr(info.filename, data)
    return out.getvalue()


def test_a_header_that_lies_about_its_size_is_refused():
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        member, {"descr": "<i8", "fortran_order": False, "shape": (10**12,)}
    )
    with pytest.raises(FileFormatError, match=r"'flops'.*does not fit the 24 bytes"):
        loads(with_member("flops", member.getvalue() + bytes(24)))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(FileFormatError, match=r"cannot be read|not a regular file"):
            go_gym.ComputationGraph.load(path)


def test_random_corruption_never_gives_another_error():
    """Bytes flipped, cut out or cut off: refused, or the very graph that was saved."""
    rng = np.random.default_rng(0)
    graph = rich_graph()
    data = dumps(graph)
    refused = 0
    for round_ in range(300):
        bad = bytearray(data)
        place = int(rng.integers(len(bad)))
        if round_ % 3 == 0:
            del bad[place:]
        elif round_ % 3 == 1:
            bad[place] ^= int(rng.integers(1, 256))
        else:
            del bad[place : place + int(rng.integers(1, 64))]
        try:
            again = loads(bytes(bad))
        except GoGymError:
            refused += 1
        else:
            assert again.content_hash == graph.content_hash
    assert refused > 250


def test_random_numbers_in_well_formed_files_never_give_another_error():
    """Whatever passes the checks can be hashed and simulated."""
    rng = np.random.default_rng(1)
    cluster = go_gym.load_cluster("p100x2")
    refused = 0
    extremes = [-(2**31), -3, -2, -1, 0, 1, 2, 3, 2**31 - 1]
    for _ in range(400):
        label = str(rng.choice([*COLUMNS, "source_index", "tensor_source_index"]))
        array = getattr(rich_graph(), label).copy()
        value = int(rng.choice(extremes))
        array.flat[int(rng.integers(array.size))] = value % 256 if array.dtype == "u1" else value
        try:
            graph = loads(remade(**{label: array}))
        except GoGymError:
            refused += 1
        else:
            problem = go_gym.Problem(graph, cluster)
            assert go_gym.simulate(problem, go_gym.Decision([0, 1, 0])).step_time_ns >= 0
            assert len(graph.content_hash) == 64
    assert 100 < refused < 400
