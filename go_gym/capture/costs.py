"""What an ATen op costs: FLOPs and bytes, from the shapes of its inputs and outputs.

Matrix products, convolutions and attention: ``torch.utils.flop_counter``. The rest are our
formulas, per element of the larger of input and output: 1 for arithmetic, comparisons and
reductions, 5 for a softmax, 8 for a normalisation and 11 for its gradient, the window's area for
pooling, 0 where data only moves.
"""

import math
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

MOVES = frozenset(
    [
        "arange",
        "cat",
        "clone",
        "constant_pad_nd",
        "copy",
        "embedding",
        "empty",
        "expand_copy",
        "fill",
        "full",
        "full_like",
        "gather",
        "index",
        "index_put",
        "index_select",
        "new_empty",
        "new_full",
        "new_zeros",
        "ones",
        "ones_like",
        "scalar_tensor",
        "scatter",
        "select_backward",
        "select_scatter",
        "slice_backward",
        "slice_scatter",
        "stack",
        "zeros",
        "zeros_like",
        "_to_copy",
    ]
)
PER_ELEMENT = {
    "_softmax": 5,
    "_log_softmax": 5,
    "_softmax_backward_data": 4,
    "_log_softmax_backward_data": 4,
    "_native_batch_norm_legit": 8,
    "native_batch_norm": 8,
    "native_batch_norm_backward": 11,
    "native_layer_norm": 8,
    "native_layer_norm_backward": 11,
}
READS_WHAT_IT_WRITES = frozenset(["embedding", "gather", "index", "index_select"])
"""Look-ups: they read as many bytes of the table as they write, and their indices."""


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in an op's arguments or results, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    if isinstance(value, dict):
        return tensors_in(list(value.values()))
    return []


def storage_bytes(tensor: torch.Tensor) -> int:
    """Bytes that a tensor's elements take; an expanded one no more than its storage."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def flops(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """FLOPs of a call of ATen overload ``target`` with fake tensors."""
    packet = target.overloadpacket
    if packet is torch.ops.aten.convolution_backward:
        return convolution_backward_flops(*args)
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out))
    name = packet.__name__
    if name in MOVES or name == "embedding_dense_backward":
        return 0
    outputs, inputs = tensors_in(out), tensors_in((args, kwargs))
    elements = max((tensor.numel() for tensor in [*outputs, *inputs]), default=0)
    if "pool" in name:
        return pool_window(name, args) * max((tensor.numel() for tensor in outputs), default=0)
    return PER_ELEMENT.get(name, 1) * elements


def convolution_backward_flops(grad: torch.Tensor, x: torch.Tensor, *rest: Any) -> int:
    """Each gradient asked for, of the input and of the weight, costs what the forward pass does.

    (torch 2.13's own formula multiplies a grouped convolution's by the number of groups.)
    """
    weight, mask, transposed = rest[0], rest[-1], rest[5]
    products = (x if transposed else grad).numel() * weight.numel() // weight.shape[0]
    return 2 * products * (int(mask[0]) + int(mask[1]))


def pool_window(name: str, args: tuple[Any, ...]) -> int:
    """Elements in a pooling window; gradients are counted per input element, once."""
    if "backward" in name:
        return 1
    window = args[1] if len(args) > 1 else 1
    if "adaptive" in name:
        image = args[0].shape[2:]
        return max(1, math.prod(image) // max(1, math.prod(window)))
    return math.prod(window) if isinstance(window, list | tuple) else int(window)


def bytes_read(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """Bytes of the distinct inputs; look-ups read only what they touch."""
    inputs = {id(tensor): tensor for tensor in tensors_in((args, kwargs))}
    sizes = [storage_bytes(tensor) for tensor in inputs.values()]
    if target.overloadpacket.__name__ in READS_WHAT_IT_WRITES and sizes:
        return sum(sizes[1:]) + bytes_written(out)
    return sum(sizes)


def bytes_written(out: Any) -> int:
    """Bytes of the outputs."""
    return sum(storage_bytes(tensor) for tensor in tensors_in(out))
