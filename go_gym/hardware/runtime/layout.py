"""How a tensor lies in memory, as one process writes it for another to read."""

from typing import NamedTuple

import numpy as np
import torch

from go_gym.errors import HardwareError

DIMENSIONS = 16
"""The most that a tensor may have (our choice; a row of shared memory has room for them)."""
ROW = np.dtype(
    [
        ("resident", np.int64),  # -1 for none
        ("nbytes", np.int64),
        ("dtype", np.int64),  # its place in _DTYPES
        ("dimensions", np.int64),
        ("shape", np.int64, (DIMENSIONS,)),
        ("stride", np.int64, (DIMENSIONS,)),
    ]
)
"""A layout in shared memory."""
_DTYPES = sorted({each for each in vars(torch).values() if isinstance(each, torch.dtype)}, key=str)
_DTYPE_NUMBER = {dtype: number for number, dtype in enumerate(_DTYPES)}


class Layout(NamedTuple):
    """What a tensor is, wherever it lies: a copy, or a view of a resident tensor.

    Attributes:
        resident: the number of the resident tensor whose storage it shares; -1 for a copy.
        nbytes: bytes of a copy, in whole cache lines; 0 for a view.
        dtype, shape, stride: as the tensor has them.
    """

    resident: int
    nbytes: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def at(self, memory: np.ndarray) -> torch.Tensor:
        """The tensor that lies in ``memory``, (nbytes,) uint8; it holds on to ``memory``."""
        if self.nbytes == 0:
            return torch.empty_strided(self.shape, self.stride, dtype=self.dtype)
        return torch.frombuffer(memory, dtype=self.dtype).as_strided(self.shape, self.stride)

    def write(self, row: np.ndarray) -> None:
        """Write it to ``row``, () of ``ROW``; raises HardwareError for too many dimensions."""
        dimensions = len(self.shape)
        if dimensions > DIMENSIONS:
            raise HardwareError(
                f"a tensor of {dimensions} dimensions travels: expected at most {DIMENSIONS}"
            )
        row["resident"], row["nbytes"] = self.resident, self.nbytes
        row["dtype"], row["dimensions"] = _DTYPE_NUMBER[self.dtype], dimensions
        row["shape"][:dimensions], row["stride"][:dimensions] = self.shape, self.stride

    @classmethod
    def read(cls, row: np.ndarray) -> "Layout":
        """What :meth:`write` wrote."""
        dimensions = int(row["dimensions"])
        return cls(
            int(row["resident"]),
            int(row["nbytes"]),
            _DTYPES[int(row["dtype"])],
            tuple(row["shape"][:dimensions].tolist()),
            tuple(row["stride"][:dimensions].tolist()),
        )
