"""What an ATen op costs: FLOPs and bytes, from the shapes of its inputs and outputs.

Products: ``products.py``. The rest per element of the larger of input and output, by the tables
of ``tables.py``: 1 for arithmetic, comparisons and reductions, 5 for a softmax, 8 for a
normalisation and 11 for its gradient, the window's area for pooling, 0 where data only moves.
"""

import math
from typing import Any

import torch

from go_gym.capture.products import product_flops
from go_gym.capture.tables import COMPLEX_PRODUCTS, LOOK_UPS, MOVES, PARTIAL_WRITES, PER_ELEMENT


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
    product = product_flops(target, args, kwargs, out)
    if product >= 0:
        return product
    name = target.overloadpacket.__name__
    plain = name.removesuffix("_")
    if plain in MOVES:
        return 0
    outputs, inputs = tensors_in(out), tensors_in((args, kwargs))
    if plain.startswith("_embedding_bag"):
        return _gathered(args) if "backward" not in plain else tensors_in(args)[0].numel()
    if "pool" in plain:
        return pool_window(plain, args) * max((tensor.numel() for tensor in outputs), default=0)
    elements = max((tensor.numel() for tensor in [*outputs, *inputs]), default=0)
    each = PER_ELEMENT.get(plain, 1)
    if any(tensor.is_complex() for tensor in outputs):
        each *= 6 if plain in COMPLEX_PRODUCTS else 2
    return each * elements


def _gathered(args: tuple[Any, ...]) -> int:
    """Elements of the rows that an embedding bag sums."""
    table, indices = args[:2]
    return int(indices.numel()) * math.prod(table.shape[1:])


def pool_window(name: str, args: tuple[Any, ...]) -> int:
    """Elements in a pooling window; gradients are counted per input element, once."""
    if "backward" in name:
        return 1
    window: Any = args[1] if len(args) > 1 else 1
    if "adaptive" in name:
        image = args[0].shape[2:]
        return max(1, math.prod(image) // max(1, math.prod(window)))
    return math.prod(window) if isinstance(window, list | tuple) else int(window)


def bytes_read(
    target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, in_place: bool = False
) -> int:
    """Bytes of the distinct inputs; look-ups and partial writes read only what they touch.

    ``in_place``: the op makes its result in the storage of its first input.
    """
    inputs = {id(tensor): tensor for tensor in tensors_in((args, kwargs))}
    sizes = [storage_bytes(tensor) for tensor in inputs.values()]
    name = target.overloadpacket.__name__ + "_" * in_place
    if name.startswith("_embedding_bag") and "backward" not in name:
        return sum(sizes[1:]) + _gathered(args) * args[0].element_size()
    if name in LOOK_UPS and sizes:
        return sum(sizes[1:]) + sum(storage_bytes(tensor) for tensor in tensors_in(out))
    if name in PARTIAL_WRITES and sizes:
        return min(sum(sizes), sum(sizes[1:]))
    return sum(sizes)


def bytes_written(
    target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, in_place: bool = False
) -> int:
    """Bytes of the outputs; a partial write no more than the values that it is given."""
    whole = sum(storage_bytes(tensor) for tensor in tensors_in(out))
    if target.overloadpacket.__name__ + "_" * in_place in PARTIAL_WRITES:
        given = tensors_in((args, kwargs))[1:]
        return min(whole, sum(storage_bytes(t) for t in given if t.dtype == out.dtype) or whole)
    return whole
