"""Arrays that compiled code is handed once, not at each call, where each takes 0.1 µs to look at.

``put`` writes what Numba knows of them (where they begin, their shapes) into memory, and ``get``
reads it: both are called in compiled code. That memory means nothing to another process, or once
one of the arrays is gone.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic


def room_for(value: Any) -> np.ndarray:
    """Memory that ``put`` can write ``value`` into: tuples of tuples of arrays."""
    return np.zeros(_words(value), dtype=np.uint64)


def _words(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return 5 + 2 * value.ndim
    return sum(_words(part) for part in value)


def kind_of(value: Any) -> types.Type:
    """What ``get`` is to be told of ``value``."""
    return numba.typeof(value)


def _put(typingctx, memory, kind, value):  # type: ignore[no-untyped-def]
    """Write ``value``, which is of ``kind``, into ``memory`` (words,) uint64."""
    if kind.instance_type != value:
        raise TypingError(f"to be bound: {value}, expected {kind.instance_type}")

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store(args[2], _pointer(context, builder, signature, args, value))
        return context.get_dummy_value()

    return types.void(memory, kind, value), generate


def _get(typingctx, memory, kind):  # type: ignore[no-untyped-def]
    """What ``put`` has written into ``memory``."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        where = _pointer(context, builder, signature, args, kind.instance_type)
        return _load(builder, where, context.get_value_type(kind.instance_type))

    return kind.instance_type(memory, kind), generate


put: Any = intrinsic(_put)
get: Any = intrinsic(_get)


def _pointer(context, builder, signature, args, kind):  # type: ignore[no-untyped-def]
    memory = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.bitcast(memory.data, context.get_value_type(kind).as_pointer())


def _load(builder, where, kind):  # type: ignore[no-untyped-def]
    """Word by word, so that what is not used is not read."""
    if not isinstance(kind, ir.Aggregate):
        return builder.load(where)
    value = ir.Constant(kind, ir.Undefined)
    for i, part in enumerate(kind.elements):
        found = _load(builder, cgutils.gep_inbounds(builder, where, 0, i), part)
        value = builder.insert_value(value, found, i)
    return value
