"""Reading an ONNX file: its main graph with the type and shape of every tensor. Needs onnx.

Weights are not looked at, so files of external data need not be there; what is read is bounded,
and nothing in the file is executed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from onnx import TensorProto, numpy_helper

from go_gym.capture.onnx_shapes import SMALL, has_values, infer_shapes
from go_gym.errors import CaptureError, FileFormatError
from go_gym.files import read_bytes

MAX_ONNX_BYTES = 2 * 2**30
"""Largest file that is read: protobuf's own limit."""

DTYPES: dict[int, tuple[str, int]] = {
    TensorProto.FLOAT: ("float32", 32),
    TensorProto.DOUBLE: ("float64", 64),
    TensorProto.FLOAT16: ("float16", 16),
    TensorProto.BFLOAT16: ("bfloat16", 16),
    TensorProto.INT64: ("int64", 64),
    TensorProto.UINT64: ("int64", 64),
    TensorProto.INT32: ("int32", 32),
    TensorProto.UINT32: ("int32", 32),
    TensorProto.INT16: ("other", 16),
    TensorProto.UINT16: ("other", 16),
    TensorProto.INT8: ("int8", 8),
    TensorProto.UINT8: ("int8", 8),
    TensorProto.BOOL: ("bool", 8),
    TensorProto.COMPLEX64: ("other", 64),
    TensorProto.COMPLEX128: ("other", 128),
    TensorProto.FLOAT8E4M3FN: ("float8", 8),
    TensorProto.FLOAT8E4M3FNUZ: ("float8", 8),
    TensorProto.FLOAT8E5M2: ("float8", 8),
    TensorProto.FLOAT8E5M2FNUZ: ("float8", 8),
    TensorProto.UINT4: ("other", 4),
    TensorProto.INT4: ("other", 4),
}
"""Our dtype and the bits of an element."""


@dataclass(frozen=True)
class TensorInfo:
    """What is known of a tensor before the run."""

    dtype: str
    bits: int
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Whole bytes that it takes, elements of less than eight bits packed."""
        return -(-self.elements * self.bits // 8)


@dataclass(frozen=True)
class OnnxGraph:
    """The main graph of a model, its own functions put in place.

    Attributes:
        name: the graph's name in the file.
        nodes: in the file's order.
        weights: the tensors that the file holds.
        inputs: names of what the model is given.
        outputs: names of what it gives.
        tensors: every tensor whose shape is known.
        values: single numbers that are known before the run.
    """

    name: str
    nodes: tuple[Any, ...]
    weights: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, TensorInfo]
    values: Mapping[str, Any]


def read_onnx(path: str | Path, dims: Mapping[str, int]) -> OnnxGraph:
    """Read a model and infer its shapes.

    Args:
        path: the ``.onnx`` file.
        dims: sizes of the dimensions that the model names instead of numbering.

    Raises:
        FileFormatError: for a file that is no ONNX model, or too large.
        CaptureError: for shapes that cannot be known, naming the tensor and dimension.
    """
    data = read_bytes(path, MAX_ONNX_BYTES)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, which differ by version
        raise FileFormatError(f"{path}: not an ONNX model: {_first_line(error)}") from error
    if not model.graph.node or not model.opset_import:
        raise FileFormatError(f"{path}: not an ONNX model: it has no nodes or no operator set")
    _set_dims(path, model.graph, dims)
    _drop_weights(model.graph)
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        inferred = infer_shapes(model)
    except Exception as error:
        raise CaptureError(f"{path}: shapes cannot be inferred: {_first_line(error)}") from error
    return _graph_of(path, model.graph, inferred.graph)


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n") or [""])[0] or type(error).__name__


def _set_dims(path: str | Path, graph: Any, dims: Mapping[str, int]) -> None:
    """Give the named dimensions their sizes; forget the shapes that others leave open."""
    held = {weight.name for weight in graph.initializer}
    seen, missing = set(), []
    for value in graph.input:
        if value.name in held:
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value"):
                if dim.dim_value >= 0:
                    continue
                dim.ClearField("dim_value")  # Paddle's way to leave a side open
            label = dim.dim_param or f"{value.name}.{axis}"
            seen.add(label)
            if label in dims:
                dim.dim_value = dims[label]
            else:
                missing.append(f"{label!r} (axis {axis} of input {value.name!r})")
    if missing:
        raise CaptureError(
            f"{path}: no size for {', '.join(missing)}: give dims, like {{{missing[0].split()[0]}: "
            "8}"
        )
    unknown = set(dims) - seen
    if unknown:
        raise CaptureError(
            f"{path}: no dimension {', '.join(map(repr, sorted(unknown)))}: it has "
            f"{', '.join(map(repr, sorted(seen))) or 'none by name'}"
        )
    for value in [*graph.value_info, *graph.output]:
        sides = value.type.tensor_type.shape.dim
        for dim in sides:
            if dim.dim_param in dims:
                dim.dim_value = dims[dim.dim_param]
        if not all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in sides):
            value.type.tensor_type.ClearField("shape")


def _drop_weights(graph: Any) -> None:
    """Forget the values of large weights: inference of shapes copies the model."""
    for weight in graph.initializer:
        if math.prod(weight.dims) > SMALL:
            for column in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
                weight.ClearField(column)


def _graph_of(path: str | Path, graph: Any, inferred: Any) -> OnnxGraph:
    """The nodes of the file, with what inference found of them and of their inner graphs."""
    held = tuple(weight.name for weight in graph.initializer)
    known = {node.output[0]: node for node in inferred.node}
    return OnnxGraph(
        graph.name or "onnx",
        tuple(known.get(node.output[0], node) for node in graph.node),
        held,
        tuple(value.name for value in graph.input if value.name not in set(held)),
        tuple(value.name for value in graph.output),
        infos_of(path, inferred),
        _single_numbers(path, inferred),
    )


def _single_numbers(path: str | Path, graph: Any) -> dict[str, Any]:
    single = [each for each in graph.initializer if math.prod(each.dims) == 1 and has_values(each)]
    try:
        return {each.name: numpy_helper.to_array(each) for each in single}
    except (ValueError, TypeError, KeyError) as error:
        raise CaptureError(f"{path}: a weight is malformed: {_first_line(error)}") from error


def infos_of(path: str | Path, graph: Any) -> dict[str, TensorInfo]:
    """What is known of a graph's own tensors.

    Raises:
        CaptureError: for an element type or a shape that no tensor has.
    """
    tensors = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        shape = value.type.tensor_type.shape.dim
        known = value.type.tensor_type.HasField("shape") and all(
            dim.HasField("dim_value") for dim in shape
        )
        if known:
            sides = tuple(dim.dim_value for dim in shape)
            tensors[value.name] = _info(path, value.name, value.type.tensor_type.elem_type, sides)
    for weight in graph.initializer:
        sides = tuple(weight.dims)
        tensors[weight.name] = _info(path, weight.name, weight.data_type, sides)
    return tensors


def _info(path: str | Path, name: str, kind: int, shape: tuple[int, ...]) -> TensorInfo:
    if kind not in DTYPES:
        raise CaptureError(f"{path}: tensor {name!r} has element type {kind}, expected a number")
    if any(side < 0 for side in shape) or math.prod(shape) > 2**53:
        raise CaptureError(
            f"{path}: tensor {name!r} has shape {shape}, expected sides of 0 or more"
        )
    return TensorInfo(*DTYPES[kind], shape)
