"""Union-find: items joined along edges, in order, while their parts stay small enough."""

import numpy as np
from numba import njit


def joined(
    edges: tuple[np.ndarray, np.ndarray], weight: np.ndarray, limit: float = np.inf
) -> np.ndarray:
    """(n,) int64: the least item of the part that each item ends in.

    Args:
        edges: two (e,) int64 items each, whose parts are united in this order, unless they
            would weigh more than ``limit`` together.
        weight: (n,) float64 of each item.
        limit: without one, parts are the connected components.
    """
    found: np.ndarray = _joined(*edges, weight, limit)
    return found


def components(items: int, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(items,) int64: the least item of the connected component of each."""
    return joined(edges, np.zeros(items))


@njit(cache=True, nogil=True)
def _joined(low: np.ndarray, high: np.ndarray, weight: np.ndarray, limit: float) -> np.ndarray:
    root = np.arange(len(weight))
    total = weight.copy()
    for edge in range(len(low)):
        a, b = _find(root, low[edge]), _find(root, high[edge])
        if a != b and total[a] + total[b] <= limit:
            root[max(a, b)] = min(a, b)
            total[min(a, b)] += total[max(a, b)]
    for item in range(len(root)):  # roots are least, so that each one's root is known before it
        root[item] = root[root[item]]
    return root


@njit(cache=True, nogil=True)
def _find(root: np.ndarray, item: int) -> int:
    while root[item] != item:
        root[item] = root[root[item]]
        item = root[item]
    return item
