"""Memory that forked processes share.

It is anonymous, so it is there for threads and for forked processes alike, and gone with the last
of them: nothing has a name that could be left behind.
"""

import mmap
from math import prod

import numpy as np
from numpy.typing import DTypeLike

_MAP_NORESERVE = 0x4000
"""Linux's; the module mmap does not name it before Python 3.13."""


def shared_array(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Zeros that this process and those forked from it share; touched memory alone is taken."""
    size = prod(shape) if isinstance(shape, tuple) else shape
    size *= np.dtype(dtype).itemsize
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    memory = mmap.mmap(-1, max(size, 1), flags=flags)
    return np.frombuffer(memory, dtype=np.uint8)[:size].view(dtype).reshape(shape)
