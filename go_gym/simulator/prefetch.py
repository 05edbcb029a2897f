"""Asking for a line of memory ahead of its use, from jitted code."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WRITE, KEEP, DATA = 0, 3, 1  # for reading, into all caches, not code


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Bring entry ``index`` of a contiguous 1-d ``array`` near, whether or not it is one.

    A hint: it takes no time to wait for, and is harmless where there is no such entry.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        address = builder.bitcast(builder.gep(data, [given[1]]), cgutils.voidptr_t)
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, flag, flag, flag])
        call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(call, [address, flag(WRITE), flag(KEEP), flag(DATA)])
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch: Any = intrinsic(_prefetch)
