"""Arrays that are handed out afresh at every step without being copied.

Gymnasium asks that no two observations share memory, since users keep and may change them. The
static part of a large graph's observation takes milliseconds to copy, more than its simulation.
So it lies in an unnamed temporary file, and each observation maps that file copy-on-write: own
addresses, common physical pages, and whoever writes gets a page of their own.
"""

import mmap
import tempfile
import weakref
from collections.abc import Mapping

import numpy as np

COPY_BELOW = 2**20
"""Bytes under which copying is as fast as mapping."""
_ALIGNMENT = 64


class SharedArrays:
    """A fixed set of named arrays; :meth:`fresh` gives them anew."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        self._offsets: dict[str, int] = {}
        size = 0
        for name, array in self._arrays.items():
            self._offsets[name] = size
            size += -(-max(array.nbytes, 1) // _ALIGNMENT) * _ALIGNMENT
        self._size = size
        self._file = None
        if size >= COPY_BELOW:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with this object)
            weakref.finalize(self, self._file.close)
            for array in self._arrays.values():
                data = array.tobytes()
                padding = -(-max(len(data), 1) // _ALIGNMENT) * _ALIGNMENT - len(data)
                self._file.write(data + bytes(padding))
            self._file.flush()

    def fresh(self) -> dict[str, np.ndarray]:
        """The arrays, sharing no memory with any handed out before."""
        if self._file is None:
            return {name: array.copy() for name, array in self._arrays.items()}
        mapped = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_COPY)
        return {
            name: np.ndarray(array.shape, array.dtype, buffer=mapped, offset=self._offsets[name])
            for name, array in self._arrays.items()
        }
