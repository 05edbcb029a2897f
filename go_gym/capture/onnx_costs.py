"""What an ONNX operator costs, from its attributes and the shapes of its inputs and outputs.

The conventions are those of ``costs.py`` and ``tables.py``: 2 FLOPs a multiply-add, 1 an
elementary function of an element of the largest tensor.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from go_gym.capture.onnx_file import TensorInfo

Tensors = Sequence[TensorInfo | None]  # None for an optional one that is not there
Attributes = Mapping[str, Any]

VIEWS = frozenset(["Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"])
"""They share their first input's storage and cost nothing (a Dropout of a served model too)."""

LOOK_UPS = frozenset(["Compress", "Gather", "GatherElements", "GatherND", "Slice"])
"""They read as many bytes of their first input as they write, and their other inputs."""

_BY_COUNT = {
    0: """
    Cast CastLike CenterCropPad Col2Im Compress Concat ConstantOfShape DepthToSpace Expand EyeLike
    Gather GatherElements GatherND NonZero OneHot Pad Range ReverseSequence Scatter ScatterElements
    ScatterND Slice SpaceToDepth Split Tile Transpose Trilu Unique
    """,
    1: """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Bernoulli BitShift BitwiseAnd
    BitwiseNot BitwiseOr BitwiseXor Ceil Cos Cosh CumSum Div Equal Erf Exp Floor GlobalAveragePool
    GlobalMaxPool Greater GreaterOrEqual Hardmax IsInf IsNaN Less LessOrEqual Log Max Mean Min Mod
    Mul Neg Not Or Pow RandomNormal RandomUniform Reciprocal ReduceL1 ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum Relu Round Sigmoid Sign Sin Sinh Softsign Sqrt Sub Sum Tan Tanh
    ThresholdedRelu TopK Where Xor
    """,
    2: """
    Clip DequantizeLinear GlobalLpPool LeakyRelu PRelu QuantizeLinear QuickGelu ReduceL2
    ReduceLogSum ReduceSumSquare Shrink Swish
    """,
    3: "Celu Elu HardSigmoid LpNormalization Selu Softplus",
    4: """
    BatchNormalization DynamicQuantizeLinear HardSwish RMSNormalization ReduceLogSumExp
    SimplifiedLayerNormalization
    """,
    5: "FastGelu Gelu LogSoftmax Mish Softmax",
    6: "BiasGelu RotaryEmbedding SkipSimplifiedLayerNormalization",
    8: "GroupNormalization InstanceNormalization LayerNormalization MeanVarianceNormalization",
    9: "SkipLayerNormalization",
    11: "GridSample",
}
PER_ELEMENT = {kind: count for count, kinds in _BY_COUNT.items() for kind in kinds.split()}
"""FLOPs per element of the largest tensor; 0 where data only moves, as in a Transpose."""


def flops(kind: str, attributes: Attributes, inputs: Tensors, outputs: Tensors) -> int | None:
    """FLOPs of an operator; None for one that is not known.

    Raises:
        IndexError, AttributeError: for inputs that the operator does not have.
    """
    if kind in VIEWS:
        return 0
    formula = PRODUCTS.get(kind)
    if formula is not None:
        return formula(attributes, inputs, outputs)
    if kind in PER_ELEMENT:
        largest = max((each.elements for each in [*inputs, *outputs] if each), default=0)
        return PER_ELEMENT[kind] * largest
    return None


def bytes_moved(kind: str, inputs: Tensors, outputs: Tensors) -> tuple[int, int]:
    """Bytes read and written; ``inputs`` holds each tensor once."""
    written = sum(each.bytes for each in outputs if each)
    sizes = [each.bytes for each in inputs if each]
    if kind in LOOK_UPS and sizes:
        return sum(sizes[1:]) + min(written, sizes[0]), written
    return sum(sizes), written


def _convolution(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return 2 * outputs[0].elements * math.prod(inputs[1].shape[1:])


def _quantized_convolution(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return 2 * outputs[0].elements * math.prod(inputs[3].shape[1:])


def _transposed_convolution(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return 2 * inputs[0].elements * math.prod(inputs[1].shape[1:])


def _product(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return 2 * outputs[0].elements * inputs[0].shape[-1]


def _quantised_product(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return 2 * outputs[0].elements * int(attributes["K"])


def _gemm(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return 2 * outputs[0].elements * inputs[0].shape[0 if attributes.get("transA") else 1]


def _einsum(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    """A multiply-add for each combination of indices; an ellipsis stands for further ones."""
    equation = attributes["equation"]
    text = (equation.decode() if isinstance(equation, bytes) else equation).replace(" ", "")
    sides: dict[str, int] = {}
    for term, tensor in zip(text.split("->")[0].split(","), inputs, strict=True):
        before, _, after = term.partition("...")
        shape = tensor.shape
        sides.update(zip(before, shape, strict=False))
        sides.update(zip(after[::-1], shape[::-1], strict=False))
        hidden = shape[len(before) : len(shape) - len(after)] if "..." in term else ()
        for axis, side in enumerate(reversed(hidden)):
            sides[f"...{axis}"] = max(side, sides.get(f"...{axis}", 1))
    return 2 * math.prod(sides.values()) * max(1, len(inputs) - 1)


def _recurrent(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    """Every weight once for each step of each sequence."""
    x, w_input, w_hidden = inputs[:3]
    return 2 * math.prod(x.shape[:2]) * (w_input.elements + w_hidden.elements)


def _attention(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    """Scores and their product with the values: shapes (batch, heads, steps, width) or (batch,
    steps, heads × width)."""
    query, key = inputs[:2]
    grown = outputs[1] if len(outputs) > 1 and outputs[1] else key
    steps = max(key.shape[-2], grown.shape[-2])
    return 2 * steps * (query.elements + outputs[0].elements)


def _projected_attention(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    """com.microsoft's, which makes queries, keys and values of (batch, steps, width) first."""
    x, weight = inputs[:2]
    return 2 * x.elements * weight.shape[-1] + 4 * x.shape[1] * outputs[0].elements


def _pooling(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return outputs[0].elements * math.prod(attributes["kernel_shape"])


def _resize(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    """Per output element a product and a sum for each neighbour but one."""
    mode = attributes.get("mode", b"nearest")
    along = {b"linear": 2, b"cubic": 4}.get(mode, 0)
    moved = sum(a != b for a, b in zip(inputs[0].shape, outputs[0].shape, strict=True))
    return outputs[0].elements * (2 * along**moved - 1 if along and moved else 0)


def _local_response(attributes: Attributes, inputs: Any, outputs: Any) -> int:
    return inputs[0].elements * (int(attributes["size"]) + 4)


PRODUCTS: dict[str, Callable[[Attributes, Any, Any], int]] = {
    "Attention": _attention,
    "AveragePool": _pooling,
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Einsum": _einsum,
    "FusedConv": _convolution,
    "FusedMatMul": _product,
    "GRU": _recurrent,
    "GroupQueryAttention": _attention,
    "Gemm": _gemm,
    "LRN": _local_response,
    "LSTM": _recurrent,
    "LpPool": _pooling,
    "MatMul": _product,
    "MatMulInteger": _product,
    "MatMulNBits": _quantised_product,
    "MaxPool": _pooling,
    "MultiHeadAttention": _attention,
    "QLinearConv": _quantized_convolution,
    "QLinearMatMul": _product,
    "RNN": _recurrent,
    "Resize": _resize,
    "Upsample": _resize,
    "com.microsoft.Attention": _projected_attention,
}
