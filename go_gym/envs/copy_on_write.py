"""Arrays that are handed out afresh at every step without being copied.

Gymnasium asks that no two observations share memory, since users keep and may change them. The
static part of a large graph's observation takes milliseconds to copy, more than its simulation.
So it lies in an unnamed temporary file, and each observation maps that file copy-on-write: own
addresses, common physical pages, and whoever writes gets a page of their own.
"""

import contextlib
import mmap
import tempfile
import weakref
from collections.abc import Mapping

import numpy as np

COPY_BELOW = 2**20
"""Bytes under which copying is as fast as mapping."""
MOST_MAPPED = 256
"""Observations that are mappings at one time; more are copies, since each mapping holds a file
descriptor of the process, which often has 1,024."""
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
        self._mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
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
        mapped = self._map()
        if mapped is None:
            return {name: array.copy() for name, array in self._arrays.items()}
        return {
            name: np.ndarray(array.shape, array.dtype, buffer=mapped, offset=self._offsets[name])
            for name, array in self._arrays.items()
        }

    def _map(self) -> mmap.mmap | None:
        """The file, mapped anew; None where a copy is to be made."""
        if self._file is None or len(self._mapped) >= MOST_MAPPED:
            return None
        with contextlib.suppress(OSError):  # no descriptor left, or no room for mappings
            mapped = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_COPY)
            self._mapped.add(mapped)
            return mapped
        return None
