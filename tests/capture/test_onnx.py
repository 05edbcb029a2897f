"""ONNX models built here, against counts by hand and against the same model captured from torch."""

import warnings

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from go_gym import capture  # noqa: E402
from go_gym.errors import CaptureError, CaptureWarning, FileFormatError, GoGymError  # noqa: E402
from go_gym.graph import Alias  # noqa: E402

FLOAT = TensorProto.FLOAT


def weight(name, *shape, kind=np.float32):
    return numpy_helper.from_array(np.ones(shape, dtype=kind), name)


def whole(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def model(nodes, inputs, outputs, weights=(), opset=20, **options):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        list(weights),
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **options)


def captured(tmp_path, made, **options):
    path = tmp_path / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return capture.from_onnx(path, **options)


def ops(graph, kind):
    kinds = np.array(graph.op_types, dtype=object)[graph.op_type]
    return np.flatnonzero(kinds == kind)


def mlp(batch):
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="/net/first/Gemm", transB=1),
        helper.make_node("Relu", ["h"], ["r"], name="/net/act/Relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="/net/second/MatMul"),
    ]
    weights = [weight("w1", 16, 8), weight("b1", 16), weight("w2", 16, 4)]
    return model(nodes, {"x": [batch, 8]}, ["y"], weights)


def test_mlp_by_hand(tmp_path):
    graph = captured(tmp_path, mlp(5))
    assert graph.name == "net" and set(graph.layers) == {"net.first", "net.act", "net.second"}
    assert graph.parameter_bytes.sum() == 4 * (16 * 8 + 16 + 16 * 4)
    (gemm,), (relu,), (matmul,) = (ops(graph, kind) for kind in ("Gemm", "Relu", "MatMul"))
    assert graph.flops[[gemm, relu, matmul]].tolist() == [2 * 5 * 8 * 16, 5 * 16, 2 * 5 * 16 * 4]
    assert graph.bytes_read[gemm] == 4 * (5 * 8 + 16 * 8 + 16)
    assert graph.bytes_written[gemm] == 4 * 5 * 16
    assert set(graph.phase.tolist()) == {0}
    assert graph.metadata["raw_ops"] == graph.num_ops == 7
    assert graph.metadata["contracted_ops"] == 3


def test_named_dimensions_need_sizes(tmp_path):
    made = mlp("batch")
    with pytest.raises(CaptureError, match=r"no size for 'batch' \(axis 0 of input 'x'\)"):
        captured(tmp_path, made)
    with pytest.raises(CaptureError, match="no dimension 'rows': it has 'batch'"):
        captured(tmp_path, made, dims={"batch": 2, "rows": 3})
    assert captured(tmp_path, made, dims={"batch": 5}).content_hash == (
        captured(tmp_path, mlp(5)).content_hash
    )
    nameless = captured(tmp_path, mlp(None), dims={"x.0": 5})
    assert nameless.content_hash == captured(tmp_path, mlp(5)).content_hash


def test_external_data_need_not_be_there(tmp_path):
    path = tmp_path / "big.onnx"
    made = mlp(5)
    onnx.save_model(made, path, save_as_external_data=True, location="big.data", size_threshold=0)
    (tmp_path / "big.data").unlink()
    assert capture.from_onnx(path).content_hash == captured(tmp_path, mlp(5)).content_hash


def cnn():
    nodes = [
        helper.make_node("Conv", ["x", "k", "kb"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "o", "m", "v"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "dk"], ["d"], group=8, kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["d"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    vectors = [weight(name, 8) for name in ("kb", "s", "o", "m", "v")]
    weights = [weight("k", 8, 3, 3, 3), *vectors, weight("dk", 8, 1, 3, 3), weight("w", 8, 10)]
    return model(nodes, {"x": [2, 3, 16, 16]}, ["y"], weights)


def test_cnn_by_hand(tmp_path):
    graph = captured(tmp_path, cnn())
    full, depthwise = ops(graph, "Conv")
    assert graph.flops[full] == 2 * (2 * 8 * 16 * 16) * (3 * 3 * 3)
    assert graph.flops[depthwise] == 2 * (2 * 8 * 6 * 6) * (3 * 3)
    (pool,), (mean,), (flat,) = (
        ops(graph, kind) for kind in ("MaxPool", "GlobalAveragePool", "Flatten")
    )
    assert graph.flops[pool] == (2 * 8 * 8 * 8) * 4
    assert graph.flops[mean] == 2 * 8 * 6 * 6
    assert graph.is_free[flat] and graph.tensor_alias[graph.op_tensor_ptr[flat]] >= 0
    (product,) = ops(graph, "Gemm")
    assert graph.flops[product] == 2 * 2 * 8 * 10


def block(batch=2, steps=6, width=8, heads=2):
    """Attention as exporters write it: shapes computed in the graph, heads split by Reshape."""
    each = width // heads
    nodes = [
        helper.make_node("LayerNormalization", ["x", "g"], ["n"]),
        *(helper.make_node("MatMul", ["n", f"w{k}"], [k]) for k in "qkv"),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "two"], ["front"]),
        helper.make_node("Concat", ["front", "split"], ["to"], axis=0),
        *(helper.make_node("Reshape", [k, "to"], [f"{k}r"]) for k in "qkv"),
        helper.make_node("Transpose", ["qr"], ["qt"], perm=[0, 2, 1, 3]),
        helper.make_node("Transpose", ["kr"], ["kt"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["vr"], ["vt"], perm=[0, 2, 1, 3]),
        helper.make_node("MatMul", ["qt", "kt"], ["s"]),
        helper.make_node("Constant", [], ["root"], value=weight("root")),
        helper.make_node("Div", ["s", "root"], ["sd"]),
        helper.make_node("Softmax", ["sd"], ["p"]),
        helper.make_node("MatMul", ["p", "vt"], ["a"]),
        helper.make_node("Transpose", ["a"], ["at"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["at", "back"], ["y"]),
        helper.make_node("Neg", ["x"], ["unused"]),
    ]
    weights = [
        weight("g", width), *(weight(f"w{k}", width, width) for k in "qkv"), whole("zero", 0),
        whole("two", 2), whole("split", heads, each), whole("back", batch, steps, width),
    ]  # fmt: skip
    return model(nodes, {"x": [batch, steps, width]}, ["y"], weights)


def test_transformer_block_by_hand(tmp_path):
    graph = captured(tmp_path, block())
    kinds = set(graph.op_types)
    assert not kinds & {"Shape", "Slice", "Concat", "Constant", "Neg", "buffer"}  # static or dead
    products = graph.flops[ops(graph, "MatMul")]
    assert sorted(products.tolist()) == sorted(
        [2 * 2 * 6 * 8 * 8] * 3 + [2 * 2 * 2 * 6 * 6 * 4] * 2
    )
    assert graph.flops[ops(graph, "Softmax")].tolist() == [5 * 2 * 2 * 6 * 6]
    assert graph.flops[ops(graph, "LayerNormalization")].tolist() == [8 * 2 * 6 * 8]
    assert graph.is_free[ops(graph, "Reshape")].all()
    assert not graph.is_free[ops(graph, "Transpose")].any()
    used = set(graph.use_producer.tolist())
    assert len(set(range(graph.num_ops)) - used) == 1  # only the output leads nowhere
    whole_attention = model(
        [helper.make_node("Attention", ["q", "k", "v"], ["y"])],
        {name: [2, 2, 6, 4] for name in "qkv"}, ["y"], opset=23,
    )  # fmt: skip
    fused = captured(tmp_path, whole_attention)
    assert fused.flops[ops(fused, "Attention")].tolist() == [2 * 2 * 2 * 2 * 6 * 6 * 4]


def test_recurrent_layers_by_hand(tmp_path):
    weights = [weight("w", 1, 64, 8), weight("r", 1, 64, 16)]
    lstm = model(
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=16)],
        {"x": [5, 3, 8]}, ["y"], weights,
    )  # fmt: skip
    graph = captured(tmp_path, lstm)
    assert graph.flops[ops(graph, "LSTM")].tolist() == [2 * 5 * 3 * 64 * (8 + 16)]


def test_costs_are_those_of_the_same_model_captured_from_torch(tmp_path):
    """ONNX's BatchNormalization uses given statistics: it is left out of the comparison."""
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 8, 3, groups=8, bias=False), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(8, 10, bias=False),
    ).eval()  # fmt: skip
    ours = capture.from_torch(net, [torch.zeros(2, 3, 16, 16)])
    theirs = captured(tmp_path, cnn())
    normalisation = int(theirs.flops[ops(theirs, "BatchNormalization")].sum())
    assert theirs.flops.sum() - normalisation == pytest.approx(int(ours.flops.sum()), rel=0.01)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_torch_exports_costs_what_torch_captures(tmp_path):
    """Without the norms: given statistics are folded into convolutions by the exporter."""
    torch = pytest.importorskip("torch")
    layer = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Tanh(), torch.nn.Linear(64, 16))
    net = torch.nn.Sequential(torch.nn.Embedding(100, 16), layer, torch.nn.Linear(16, 100))
    tokens, path = torch.zeros(2, 6, dtype=torch.long), tmp_path / "net.onnx"
    torch.onnx.export(net.eval(), (tokens,), path, dynamo=False, opset_version=17)
    graph, ours = capture.from_onnx(path), capture.from_torch(net, [tokens])
    assert graph.parameter_bytes.sum() == ours.parameter_bytes.sum()
    assert set(graph.layers) == {"0", "1.0", "1.1", "1.2", "2"} == set(ours.layers)
    biases = 2 * 6 * (64 + 16 + 100)  # an addition of its own there
    assert graph.flops.sum() == ours.flops.sum() + biases


def test_unknown_operators_are_bound_by_memory_and_listed_once(tmp_path):
    nodes = [
        helper.make_node("Det", ["x"], ["d"]),
        helper.make_node("Det", ["x"], ["e"]),
        helper.make_node("Add", ["d", "e"], ["y"]),
    ]
    made = model(nodes, {"x": [4, 4]}, ["y"])
    with pytest.warns(CaptureWarning, match=r"no cost formula for Det \(2\)") as caught:
        graph = captured(tmp_path, made)
    assert len(caught) == 1
    assert graph.flops[ops(graph, "Det")].tolist() == [0, 0]
    assert graph.bytes_read[ops(graph, "Det")].tolist() == [64, 64]


def test_look_ups_read_what_they_write(tmp_path):
    nodes = [helper.make_node("Gather", ["table", "rows"], ["y"])]
    made = model(nodes, {"x": [1]}, ["y"], [weight("table", 5000, 8)])
    made.graph.input.append(helper.make_tensor_value_info("rows", TensorProto.INT64, [3]))
    graph = captured(tmp_path, made)
    (gather,) = ops(graph, "Gather")
    assert (graph.flops[gather], graph.bytes_read[gather]) == (0, 3 * 8 * 4 + 3 * 8)
    assert (graph.tensor_alias[graph.tensor_bytes == 5000 * 32] == Alias.PARAMETER).all()
    assert "input:x" not in graph.op_names  # nothing reads it


def test_functions_of_the_model_are_put_in_place(tmp_path):
    inner = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 20)],
    )  # fmt: skip
    made = model([helper.make_node("Twice", ["x"], ["y"], domain="own")], {"x": [4]}, ["y"])
    made.opset_import.append(helper.make_opsetid("own", 1))
    made.functions.append(inner)
    assert len(ops(captured(tmp_path, made), "Add")) == 1


def test_inner_graphs_use_what_they_take_from_outside(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("Add", ["h", "h"], ["o"])], "b", [],
        [helper.make_tensor_value_info("o", FLOAT, [4])],
    )  # fmt: skip
    nodes = [
        helper.make_node("Neg", ["x"], ["h"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    made = model(nodes, {"x": [4]}, ["y"])
    made.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    graph = captured(tmp_path, made)
    (choice,), (negated,) = ops(graph, "If"), ops(graph, "Neg")
    assert negated in graph.use_producer[graph.use_consumer == choice]
    assert int(graph.flops[choice]) == 4


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x07" * 40, bytes(range(256))])
def test_what_is_no_model_is_refused(tmp_path, data):
    with pytest.raises(FileFormatError, match="not an ONNX model"):
        captured(tmp_path, data)


def test_cut_and_spoilt_models_are_refused_or_captured(tmp_path):
    """Never anything but a graph or one of our errors."""
    data = cnn().SerializeToString()
    refused = 0
    for cut in range(0, len(data), 37):
        spoilt = bytes([*data[:cut], data[cut] ^ 0x55, *data[cut + 1 :]])
        for each in (data[:cut], spoilt):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", CaptureWarning)
                    captured(tmp_path, each)
            except GoGymError:
                refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            model([helper.make_node("Add", ["x", "nowhere"], ["y"])], {"x": [4]}, ["y"]),
            "nowhere",
        ),
        (
            model(
                [helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4]}, ["y"], [weight("w", 3)]
            ),
            "shapes cannot be inferred",
        ),
        (
            model(
                [
                    helper.make_node("NonZero", ["x"], ["i"]),
                    helper.make_node("Cast", ["i"], ["y"], to=FLOAT),
                ],
                {"x": [4]},
                ["y"],
            ),
            r"NonZero\): the shape of tensor 'i' is not known before the run",
        ),
        (
            model([helper.make_node("Odd", ["x"], ["y"], domain="far")], {"x": [4]}, ["y"]),
            "cannot be inferred|not known",
        ),
    ],
    ids=["dangling", "misfit", "shape by value", "strange"],
)
def test_what_has_no_shape_is_named(tmp_path, made, message):
    with pytest.raises(CaptureError, match=message):
        captured(tmp_path, made)


def test_missing_and_large_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileFormatError, match="cannot be read"):
        capture.from_onnx(tmp_path / "none.onnx")
    monkeypatch.setattr("go_gym.capture.onnx_file.MAX_ONNX_BYTES", 10)
    with pytest.raises(FileFormatError, match="more than the limit of 10"):
        captured(tmp_path, mlp(5))
