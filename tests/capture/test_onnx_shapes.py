"""ONNX files as Paddle, tf2onnx and onnxruntime write them: open sides, computed shapes, graphs
within graphs and operators outside the standard."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402

from go_gym import capture  # noqa: E402
from go_gym.errors import CaptureError, CaptureWarning  # noqa: E402


def value(name, shape, kind=1):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def saved(folder, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = folder / "made.onnx"
    onnx.save(helper.make_model(graph, opset_imports=imports), path)
    return path


def kinds_of(graph):
    return [graph.op_types[kind] for kind in graph.op_type]


def test_weights_in_constant_nodes_are_parameters(tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["w"], value=weight("w", zeros(64, 64))),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    graph = capture.from_onnx(
        saved(tmp_path, nodes, [value("x", [64, 64])], [value("y", [64, 64])])
    )
    assert kinds_of(graph) == ["input", "parameter", "MatMul"]
    assert int(graph.parameter_bytes.sum()) == 64 * 64 * 4


def test_a_side_of_minus_one_is_open(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = saved(tmp_path, nodes, [value("x", [-1, 3])], [value("y", [-1, 3])])
    with pytest.raises(CaptureError, match=r"'x\.0'"):
        capture.from_onnx(path)
    graph = capture.from_onnx(path, dims={"x.0": 4})
    assert graph.tensor_bytes.tolist() == [48, 48]


def test_shapes_are_computed_from_shapes(tmp_path):
    """A Range as long as a side, expanded to a shape that is put together of sides."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sides"]),
        helper.make_node("Gather", ["sides", "three"], ["width"]),
        helper.make_node("Range", ["zero", "width", "one"], ["steps"]),
        helper.make_node("Cast", ["steps"], ["floats"], to=1),
        helper.make_node("Slice", ["sides", "from", "to"], ["last"]),
        helper.make_node("Concat", ["five", "last"], ["target"], axis=0),
        helper.make_node("Expand", ["floats", "target"], ["grid"]),
        helper.make_node("MatMul", ["grid", "x"], ["y"]),
    ]
    held = {"three": 3, "zero": 0, "one": 1, "from": [2], "to": [4], "five": [5, 3]}
    weights = [weight(name, np.array(each, np.int64)) for name, each in held.items()]
    path = saved(tmp_path, nodes, [value("x", [1, 3, 8, 8])], [value("y", None)], weights)
    graph = capture.from_onnx(path)
    kinds = kinds_of(graph)
    assert kinds[-1] == "MatMul" and not {"Shape", "Gather", "Range", "Concat"} & set(kinds)
    assert graph.shape[-1].tolist()[:4] == [5, 3, 8, 8]
    assert int(graph.flops[-1]) == 2 * 5 * 3 * 8 * 8 * 8


def branch(name, side):
    held = [weight(name, zeros(side, 512))]
    node = helper.make_node("MatMul", ["t", name], [f"{name}.y"])
    first = helper.make_node("Slice", ["x", "start", "end", "axis"], ["t"])
    for key, number in {"start": 0, "end": side, "axis": 1}.items():
        held.append(weight(key, np.array([number])))
    return helper.make_graph([first, node], name, [], [value(f"{name}.y", [512, 512])], held)


def test_an_if_costs_its_heavier_branch_and_holds_the_weights_of_both(tmp_path):
    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("a", 256), else_branch=branch("b", 512)
    )
    inputs = [value("x", [512, 512]), value("c", [], 9)]
    graph = capture.from_onnx(saved(tmp_path, [node], inputs, [value("y", [512, 512])]))
    assert int(graph.flops.sum()) == 2 * 512**3
    small = 2 * 3 * 8  # the bounds of the slices
    assert int(graph.parameter_bytes.sum()) == (256 + 512) * 512 * 4 + small


def loop(rounds):
    inner = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "w"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [value("i", [], 7), value("go", [], 9), value("h", [32, 32])],
        [value("on", [], 9), value("next", [32, 32])],
        [weight("w", zeros(32, 32))],
    )
    return helper.make_node("Loop", [rounds, "", "x"], ["y"], body=inner)


def test_a_loop_costs_its_body_as_often_as_it_runs(tmp_path):
    ends = [value("x", [32, 32])], [value("y", [32, 32])]
    path = saved(tmp_path, [loop("five")], *ends, [weight("five", np.array(5))])
    graph = capture.from_onnx(path)
    assert int(graph.flops.sum()) == 5 * 2 * 32**3
    assert int(graph.parameter_bytes.sum()) == 32 * 32 * 4
    path = saved(tmp_path, [loop("n")], [*ends[0], value("n", [], 7)], ends[1])
    with pytest.warns(CaptureWarning, match="1 loops whose rounds are not known"):
        graph = capture.from_onnx(path)
    assert int(graph.flops.sum()) == 2 * 32**3


def test_operators_of_onnxruntime_have_shapes_and_flops(tmp_path):
    nodes = [
        helper.make_node(
            "MatMulNBits",
            ["x", "q", "scale"],
            ["z"],
            domain="com.microsoft",
            K=64,
            N=128,
            bits=4,
            block_size=32,
        ),
        helper.make_node(
            "SkipSimplifiedLayerNormalization", ["z", "z", "g"], ["n"], domain="com.microsoft"
        ),
        helper.make_node("FusedMatMul", ["n", "n"], ["y"], domain="com.microsoft", transB=1),
    ]
    weights = [
        weight("q", np.zeros((128, 2, 16), np.uint8)),
        weight("scale", np.zeros(256, np.float32)),
        weight("g", np.zeros(128, np.float32)),
    ]
    path = saved(tmp_path, nodes, [value("x", [8, 64])], [value("y", None)], weights)
    graph = capture.from_onnx(path)
    flops = dict(zip(kinds_of(graph), graph.flops.tolist(), strict=True))
    assert flops["MatMulNBits"] == 2 * 8 * 64 * 128
    assert flops["FusedMatMul"] == 2 * 8 * 128 * 8
    assert graph.shape[-1].tolist()[:2] == [8, 8]
