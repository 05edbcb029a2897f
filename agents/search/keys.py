"""Keys of genomes, so that a search knows which it has tried (Zobrist 1970)."""

import numpy as np
from numba import njit

from .encoding import Encoding
from .neighbourhood import Moves


class GenomeKeys:
    """64-bit keys; equal genomes have equal ones, different ones almost surely not.

    Args:
        encoding: the genomes.
    """

    def __init__(self, encoding: Encoding) -> None:
        random = np.random.default_rng(0)  # of a hash, not of a search
        shape = (len(encoding.values), encoding.units.count, max(encoding.values))
        self._table = random.integers(0, 2**63, shape, dtype=np.uint64)

    def of(self, genome: np.ndarray) -> np.uint64:
        """The key of a genome (columns, U)."""
        rows, units = np.indices(genome.shape)
        return np.bitwise_xor.reduce(self._table[rows, units, genome], axis=None)

    def of_moves(self, key: np.uint64, genome: np.ndarray, moves: Moves) -> np.ndarray:
        """(M,) uint64: the keys of what ``moves`` from ``genome``, which has ``key``, lead to."""
        changes = moves.pointers, moves.units, moves.values, moves.drawn["column"]
        return _of_moves(key, genome, changes, self._table)


@njit(cache=True, nogil=True)
def _of_moves(key, genome, changes, table):
    pointers, units, values, column = changes
    keys = np.full(len(column), key)
    for m in range(len(column)):
        row = column[m]
        for i in range(pointers[m], pointers[m + 1]):
            unit = units[i]
            keys[m] ^= table[row, unit, genome[row, unit]] ^ table[row, unit, values[i]]
    return keys
