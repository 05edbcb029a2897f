"""At most G decisions for any graph: what ``groups=`` of the environments stands for."""

from math import fsum

import numpy as np

from go_gym.errors import GoGymError
from go_gym.partitions.metis import metis_parts
from go_gym.partitions.partition import Partition, equal_work
from go_gym.partitions.quotient import undirected_edges
from go_gym.partitions.rules import attached_partition, numbered
from go_gym.problem import Problem

METHODS = ("metis", "chunks")
SCALE = 10**8
"""METIS takes whole numbers: shares, which add up to 2, in units of 10⁻⁸."""
FEW = 4
"""With fewer vertices a part METIS has nothing to choose from, and complains."""


def bounded_partition(problem: Problem, limit: int, method: str = "metis") -> Partition:
    """At most ``limit`` parts of ops, each of which gets one decision. Deterministic.

    Free ops lie with what they feed or view and co-location groups stay whole, as in
    :func:`go_gym.partitions.rules.attached_partition`; if more parts than ``limit`` remain, they
    are joined (our choice):

    - ``"metis"``: METIS partitions of each layer, so that few bytes travel between parts and a
      placement by layers, such as the human expert's, can still be said; of the whole graph where
      it has no layers or too many;
    - ``"chunks"``: stretches of the topological order.

    Both balance a part's share of the work plus its share of the ops: work alone leaves most
    parts of a graph with few heavy ops empty.

    Args:
        problem: its graph is partitioned; durations are the mean over its devices.
        limit: 1 or more.
        method: one of ``METHODS``.

    Raises:
        GoGymError: for a limit below 1 or an unknown method.
    """
    if not isinstance(limit, int | np.integer) or isinstance(limit, bool) or limit < 1:
        raise GoGymError(f"groups: {limit!r}, expected a whole number from 1")
    if method not in METHODS:
        raise GoGymError(f"groups: method {method!r}, expected one of {', '.join(METHODS)}")
    fine = attached_partition(problem)
    if fine.count <= limit:
        return fine
    work = fine.sums(problem.mean_durations)
    share = work / max(fsum(work), 1.0) + 1.0 / fine.count
    if method == "chunks":
        joined = equal_work(share, limit)
    else:
        joined = _within_layers(problem, fine, share, limit)
    return numbered(problem, joined[fine.part_of])


def _within_layers(problem: Problem, fine: Partition, share: np.ndarray, limit: int) -> np.ndarray:
    layer = _layers(problem, fine)
    count = int(layer.max()) + 1
    if count > limit:
        layer, count = np.zeros_like(layer), 1
    weight = np.bincount(layer, share, count)
    parts = 1 + (weight / fsum(weight) * (limit - count)).astype(np.int64)
    low, high, size = undirected_edges(problem, fine)
    place = np.empty(fine.count, dtype=np.int64)
    joined = np.empty(fine.count, dtype=np.int64)
    first = np.cumsum(parts) - parts
    for number in range(count):
        members = np.flatnonzero(layer == number)
        place[members] = np.arange(len(members))
        inside = (layer[low] == number) & (layer[high] == number)
        edges = place[low[inside]], place[high[inside]], size[inside]
        joined[members] = first[number] + _parts(edges, share[members], int(parts[number]))
    return joined


def _layers(problem: Problem, fine: Partition) -> np.ndarray:
    """(parts,) int64: the layer of each part's longest op, numbered from 0; none is one too."""
    longest = fine.longest(problem.mean_durations, ties="last")
    return np.unique(problem.graph.layer[longest], return_inverse=True)[1].reshape(-1)


def _parts(
    edges: tuple[np.ndarray, np.ndarray, np.ndarray], share: np.ndarray, parts: int
) -> np.ndarray:
    if parts == 1 or len(share) <= parts:
        return np.arange(len(share)) % parts
    if len(share) < FEW * parts:
        return equal_work(share, parts)
    heaviest = fsum(share) / parts  # beyond it METIS runs out of vertices for the other parts
    return metis_parts(edges, np.minimum(share, heaviest) * SCALE, parts)
