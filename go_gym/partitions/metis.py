"""METIS: balanced parts of work with few bytes between them (Karypis and Kumar 1998)."""

from math import fsum

import numpy as np
import pymetis

LARGEST_SUM = 10**9
"""METIS adds weights up in 32 bits."""


def metis_parts(
    edges: tuple[np.ndarray, np.ndarray, np.ndarray],
    work: np.ndarray,
    parts: int,
    share: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """(vertices,) int64: METIS's part of each vertex.

    Args:
        edges: low, high (e,) int64 vertices, and (e,) weights, as of
            :func:`go_gym.partitions.quotient.undirected_edges`.
        work: (vertices,) float64, their weights.
        parts: how many parts, at least 2.
        share: (parts,) float64 of the work that each part should get; default equal.
        seed: METIS's own.
    """
    low, high, size = edges
    ends, others = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.lexsort((others, ends))
    pointers = np.zeros(len(work) + 1, dtype=np.int64)
    np.cumsum(np.bincount(ends, minlength=len(work)), out=pointers[1:])
    vertex_weights = _scaled(work, least=0)
    if not vertex_weights.any():
        vertex_weights[:] = 1
    _, found = pymetis.part_graph(
        parts,
        pymetis.CSRAdjacency(pointers.tolist(), others[order].tolist()),
        vweights=vertex_weights.tolist(),
        eweights=_scaled(np.concatenate([size, size])[order], least=1).tolist(),
        tpwgts=None if share is None else share.tolist(),
        options=pymetis.Options(seed=seed),
    )
    return np.asarray(found, dtype=np.int64)


def _scaled(values: np.ndarray, least: int) -> np.ndarray:
    """Whole numbers in proportion to ``values``, whose sum METIS can hold."""
    factor = min(1.0, LARGEST_SUM / max(1.0, fsum(values)))
    return np.maximum(np.rint(values * factor), least).astype(np.int64)
