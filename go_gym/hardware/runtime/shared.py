"""Memory that forked processes share.

It is anonymous, so it is there for threads and for forked processes alike, and gone with the last
of them: nothing has a name that could be left behind. Shared tensors of ``torch.multiprocessing``
would do as well but for containers: they lie in /dev/shm, which Docker limits to 64 MB. Its queues
of tensors, and a pipe that says that a tensor is there, take longer: see benchmarks/workers.md.
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
