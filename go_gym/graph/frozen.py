"""What is read-only stays so in copies and in other processes."""

from typing import Any

import numpy as np


def frozen(array: np.ndarray) -> np.ndarray:
    """The same array, read-only from now on."""
    array.setflags(write=False)
    return array


class ReadOnlyArrays:
    """Base of frozen objects whose arrays are read-only, once unpickled or copied as well.

    NumPy forgets the flag in a pickle. Besides the promise, what Numba compiles for read-only
    arrays would be compiled anew for writeable ones.
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for value in state.values():
            for array in value if isinstance(value, tuple) else (value,):
                if isinstance(array, np.ndarray):
                    frozen(array)
