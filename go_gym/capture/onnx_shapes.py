"""Shapes of an ONNX model's tensors, where shapes are computed from shapes too. Needs onnx.

What is known before the run (small constants, shapes of known tensors and what comes of these
alone) is evaluated by onnx's reference implementation, and its values given to onnx's inference
of shapes; again, until nothing more is known.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

SMALL = 1024
"""Elements of a tensor that may be an argument known before the run (our choice)."""
MOST_ROUNDS = 64
"""How deep shapes may be computed from the shapes of what has computed shapes (our choice)."""
DRAWN = frozenset(
    [
        *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"),
        *("RandomUniform", "RandomUniformLike"),
    ]
)
"""Operators whose results differ from run to run."""

Shape = tuple[int, ...]
Known = Mapping[str, Shape]


def infer_shapes(model: Any) -> Any:
    """The model with all types and shapes that can be known; what was evaluated is an initializer
    there, and its node is gone."""
    for _ in range(MOST_ROUNDS):
        model = _infer(model)
        if not _fold(model) and not _apply_rules(model):
            break
    return model


def _infer(model: Any) -> Any:
    """With the values of shape arithmetic where onnx can follow them (inner graphs trip it)."""
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def _fold(model: Any) -> bool:
    """Put values in place of the nodes whose results are known; whether there were any."""
    graph = model.graph
    shapes, _ = _known(graph)
    values = {
        weight.name: numpy_helper.to_array(weight)
        for weight in graph.initializer
        if math.prod(weight.dims) <= SMALL and has_values(weight)
    }
    overridable = {value.name for value in graph.input}
    values = {name: value for name, value in values.items() if name not in overridable}
    opsets = {each.domain: each.version for each in model.opset_import}
    folded, kept = {}, []
    for node in graph.node:
        result = _value(node, values, shapes, opsets)
        if result is None:
            kept.append(node)
        else:
            folded[node.output[0]] = values[node.output[0]] = result
    if not folded:
        return False
    del graph.node[:]
    graph.node.extend(kept)
    outputs = {value.name for value in graph.output}
    for name, value in folded.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    left = [value for value in graph.value_info if value.name not in folded]
    del graph.value_info[:]
    graph.value_info.extend(left)
    return bool(folded.keys() - outputs) or bool(kept)


def _value(
    node: Any, values: Mapping[str, np.ndarray], shapes: Known, opsets: Mapping[str, int]
) -> np.ndarray | None:
    """The node's only result, where it is small and known; None otherwise."""
    if node.domain not in ("", "ai.onnx") or len(node.output) != 1 or node.op_type in DRAWN:
        return None
    if any(each.type in (each.GRAPH, each.GRAPHS) for each in node.attribute):
        return None
    if node.op_type == "Shape" and node.input[0] in shapes:
        known = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        sides = shapes[node.input[0]][known.get("start", 0) : known.get("end")]
        return np.array(sides, dtype=np.int64)
    if node.op_type == "Size" and node.input[0] in shapes:
        return np.array(math.prod(shapes[node.input[0]]), dtype=np.int64)
    size = math.prod(shapes.get(node.output[0], (SMALL + 1,)))
    given = [name for name in node.input if name]
    if size > SMALL or any(name not in values for name in given):
        return None
    if not given and node.op_type != "Constant":
        return None
    inputs = [helper.make_tensor_value_info(name, 0, None) for name in dict.fromkeys(given)]
    output = helper.make_tensor_value_info(node.output[0], 0, None)
    graph = helper.make_graph([node], "known", inputs, [output])
    try:
        run = ReferenceEvaluator(graph, opsets=dict(opsets))
        (result,) = run.run(None, {name: values[name] for name in given})
    except Exception:  # what the reference cannot run stays a node
        return None
    result = np.asarray(result)
    return result if result.size <= SMALL and result.dtype.kind in "bifu" else None


def has_values(weight: Any) -> bool:
    """Whether the values of a weight are in the file, and were not dropped."""
    return weight.data_location != onnx.TensorProto.EXTERNAL and (
        0 in weight.dims
        or any(
            len(getattr(weight, column))
            for column in ("raw_data", "float_data", "int32_data", "int64_data", "double_data")
        )
    )


def _known(graph: Any) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes and element types of the tensors that have them."""
    shapes, types = {}, {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        kind = value.type.tensor_type
        types[value.name] = kind.elem_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    for weight in graph.initializer:
        shapes[weight.name], types[weight.name] = tuple(weight.dims), weight.data_type
    return shapes, types


def _apply_rules(model: Any) -> bool:
    """Give shapes to what operators outside the standard make; whether there were any."""
    graph = model.graph
    shapes, types = _known(graph)
    found = False
    for node in graph.node:
        name = node.output[0]
        rule = RULES.get(node.op_type)
        ours = node.domain == "com.microsoft" or node.op_type == "SimplifiedLayerNormalization"
        if rule is None or not ours or name in shapes or node.input[0] not in shapes:
            continue
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        shape = rule(attributes, [shapes.get(each) for each in node.input])
        if shape is None:
            continue
        kind = types.get(node.input[0], 1)
        for value in [value for value in graph.value_info if value.name == name]:
            graph.value_info.remove(value)
        target = next((value for value in graph.output if value.name == name), None)
        made = helper.make_tensor_value_info(name, kind, shape)
        if target is None:
            graph.value_info.append(made)
        else:
            target.CopyFrom(made)
        shapes[name], types[name], found = shape, kind, True
    return found


Rule = Callable[[Mapping[str, Any], list[Any]], Shape | None]


def _as_first(attributes: Mapping[str, Any], given: list[Any]) -> Shape | None:
    return given[0]


def _quantised_product(attributes: Mapping[str, Any], given: list[Any]) -> Shape | None:
    return (*given[0][:-1], int(attributes["N"]))


def _fused_product(attributes: Mapping[str, Any], given: list[Any]) -> Shape | None:
    left, right = given[:2]
    if right is None or len(left) < 2 or len(right) < 2:
        return None
    rows = left[-1] if attributes.get("transA") else left[-2]
    columns = right[-2] if attributes.get("transB") else right[-1]
    return (*np.broadcast_shapes(left[:-2], right[:-2]), rows, columns)


def _projected_attention(attributes: Mapping[str, Any], given: list[Any]) -> Shape | None:
    if given[1] is None:
        return None
    sizes = attributes.get("qkv_hidden_sizes")
    return (*given[0][:2], int(sizes[2]) if sizes else given[1][-1] // 3)


def _grouped_attention(attributes: Mapping[str, Any], given: list[Any]) -> Shape | None:
    """Queries alone, or with their keys and values in one tensor."""
    if len(given) > 1 and given[1] is not None:
        return given[0]
    heads, shared = int(attributes["num_heads"]), int(attributes["kv_num_heads"])
    return (*given[0][:-1], given[0][-1] * heads // (heads + 2 * shared))


RULES: dict[str, Rule] = {
    "MatMulNBits": _quantised_product,
    "FusedMatMul": _fused_product,
    "Attention": _projected_attention,
    "GroupQueryAttention": _grouped_attention,
    **dict.fromkeys(
        [
            *("BiasGelu", "FastGelu", "Gelu", "QuickGelu"),
            *("MultiHeadAttention", "RotaryEmbedding", "SimplifiedLayerNormalization"),
            *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"),
        ],
        _as_first,
    ),
}
"""Shapes of the first results of com.microsoft's operators, from onnxruntime's ContribOperators."""
