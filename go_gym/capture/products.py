"""FLOPs of products: matrices, convolutions, attention, recurrent layers, transforms.

``torch.utils.flop_counter`` where it has the op; our formulas, by the same conventions (2 FLOPs
a multiply-add, nothing off for a causal mask), where it has not.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

Tensor = torch.Tensor
aten = torch.ops.aten


def product_flops(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """FLOPs of a call of ATen overload ``target``; -1 if it is no product."""
    packet = target.overloadpacket
    formula = OWN.get(packet.__name__)
    if formula is not None:
        return int(formula(*args, **kwargs, out=out))
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out))
    return -1


def convolution_backward(grad: Tensor, x: Tensor, weight: Tensor, *rest: Any, out: Any) -> int:
    """Each gradient asked for, of the input and of the weight, costs what the forward pass does.

    (torch 2.13's own formula multiplies a grouped convolution's by the number of groups.)
    """
    mask, transposed = rest[-1], rest[4]
    products = (x if transposed else grad).numel() * weight.numel() // weight.shape[0]
    return 2 * products * (int(mask[0]) + int(mask[1]))


def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Scores and their product with the values; torch counts the CPU's kernel as nothing."""
    return sdpa_flop_count(query.shape, key.shape, value.shape)


def attention_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any
) -> int:
    """The scores again, and the four products of the gradients."""
    return sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape)


def matrix_vector(matrix: Tensor, vector: Tensor, out: Any) -> int:
    """Two a weight."""
    return 2 * matrix.numel()


def add_matrix_vector(bias: Tensor, matrix: Tensor, vector: Tensor, out: Any, **_: Any) -> int:
    """Two a weight, as :func:`matrix_vector`; adding counts nothing."""
    return 2 * matrix.numel()


def dot(left: Tensor, right: Tensor, out: Any) -> int:
    """Two an element."""
    return 2 * left.numel()


def outer(bias: Tensor, left: Tensor, right: Tensor, out: Any, **_: Any) -> int:
    """Two a pair of elements."""
    return 2 * left.numel() * right.numel()


def recurrent_layer(x: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any, out: Any) -> int:
    """One layer over all steps: every weight once for each step of each sequence."""
    steps = x.numel() // x.shape[-1]
    return 2 * steps * (w_input.numel() + w_hidden.numel())


def recurrent_layer_backward(
    x: Tensor, w_input: Tensor, w_hidden: Tensor, *_: Any, out: Any
) -> int:
    """Gradients of the input and of the weights: twice the forward pass."""
    return 2 * recurrent_layer(x, w_input, w_hidden, out=out)


def distances(left: Tensor, right: Tensor, *_: Any, out: Tensor) -> int:
    """A difference, a power and a sum for each coordinate of each pair."""
    return 3 * out.numel() * left.shape[-1]


def fourier(x: Tensor, dims: Any, *_: Any, out: Tensor) -> int:
    """5 N log2 N a transform of N points (Van Loan 1992), half of it where one side is real."""
    larger = max(x.numel(), out.numel())
    points = math.prod(max(x.shape[dim], out.shape[dim]) for dim in dims)
    whole = 5 * larger * math.ceil(math.log2(max(2, points)))
    return whole if x.is_complex() and out.is_complex() else whole // 2


def sort(x: Tensor, dim: Any = -1, *_: Any, out: Any, **kwargs: Any) -> int:
    """Comparisons of a merge sort, of a row of N: N log2 N."""
    row = x.shape[kwargs.get("dim", dim)] if x.dim() else 1
    return x.numel() * math.ceil(math.log2(max(2, row)))


OWN: dict[str, Callable[..., int]] = {
    "convolution_backward": convolution_backward,
    "_scaled_dot_product_flash_attention_for_cpu": attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": attention_backward,
    "_scaled_dot_product_fused_attention_overrideable": attention,
    "mv": matrix_vector,
    "addmv": add_matrix_vector,
    "dot": dot,
    "vdot": dot,
    "addr": outer,
    "mkldnn_rnn_layer": recurrent_layer,
    "mkldnn_rnn_layer_backward": recurrent_layer_backward,
    "_cdist_forward": distances,
    "_fft_c2c": fourier,
    "_fft_r2c": fourier,
    "_fft_c2r": fourier,
    "sort": sort,
}
