"""At most G decisions for any graph: what ``groups=`` of the environments stands for."""

import numpy as np

from go_gym.errors import GoGymError
from go_gym.partitions.grouping import Groups, attached_groups, group_edges, numbered
from go_gym.partitions.metis import metis_parts
from go_gym.problem import Problem

METHODS = ("metis", "chunks")
SCALE = 10**8
"""METIS takes whole numbers: shares, which add up to 2, in units of 10⁻⁸."""
FEW = 4
"""With fewer vertices a part METIS has nothing to choose from, and complains."""


def bounded_groups(problem: Problem, limit: int, method: str = "metis") -> Groups:
    """At most ``limit`` groups of ops, each of which gets one decision. Deterministic.

    Free ops lie with what they feed or view and co-location groups stay whole, as in
    :func:`go_gym.partitions.grouping.attached_groups`; if more groups than ``limit`` remain,
    they are joined (our choice):

    - ``"metis"``: METIS partitions of each layer, so that few bytes travel between groups and a
      placement by layers, such as the human expert's, can still be said; of the whole graph where
      it has no layers or too many;
    - ``"chunks"``: stretches of the topological order.

    Both balance a group's share of the work plus its share of the ops: work alone leaves most
    groups of a graph with few heavy ops empty.

    Args:
        problem: its graph is grouped; durations are the mean over its devices.
        limit: 1 or more.
        method: one of ``METHODS``.

    Raises:
        GoGymError: for a limit below 1 or an unknown method.
    """
    if not isinstance(limit, int | np.integer) or isinstance(limit, bool) or limit < 1:
        raise GoGymError(f"groups: {limit!r}, expected a whole number from 1")
    if method not in METHODS:
        raise GoGymError(f"groups: method {method!r}, expected one of {', '.join(METHODS)}")
    groups = attached_groups(problem)
    if groups.count <= limit:
        return groups
    work = np.bincount(groups.of_op, weights=problem.mean_durations, minlength=groups.count)
    share = work / max(float(work.sum()), 1.0) + 1.0 / groups.count
    if method == "chunks":
        joined = _stretches(share, limit)
    else:
        joined = _within_layers(problem, groups, share, limit)
    return numbered(problem, joined[groups.of_op])


def _stretches(share: np.ndarray, limit: int) -> np.ndarray:
    middle = np.cumsum(share) - share / 2
    return np.minimum(middle / share.sum() * limit, limit - 1).astype(np.int64)


def _within_layers(problem: Problem, groups: Groups, share: np.ndarray, limit: int) -> np.ndarray:
    layer = _layers(problem, groups)
    count = int(layer.max()) + 1
    if count > limit:
        layer, count = np.zeros_like(layer), 1
    weight = np.bincount(layer, share, count)
    parts = 1 + (weight / weight.sum() * (limit - count)).astype(np.int64)
    low, high, size = group_edges(problem, groups)
    place = np.empty(groups.count, dtype=np.int64)
    joined = np.empty(groups.count, dtype=np.int64)
    first = np.cumsum(parts) - parts
    for number in range(count):
        members = np.flatnonzero(layer == number)
        place[members] = np.arange(len(members))
        inside = (layer[low] == number) & (layer[high] == number)
        edges = place[low[inside]], place[high[inside]], size[inside]
        joined[members] = first[number] + _parts(edges, share[members], int(parts[number]))
    return joined


def _layers(problem: Problem, groups: Groups) -> np.ndarray:
    """(groups,) int64: the layer of each group's longest op, numbered from 0; none is one too."""
    rising = np.argsort(problem.mean_durations, kind="stable")
    layer = np.empty(groups.count, dtype=np.int64)
    layer[groups.of_op[rising]] = problem.graph.layer[rising]  # the last one written counts
    return np.unique(layer, return_inverse=True)[1].reshape(-1)


def _parts(
    edges: tuple[np.ndarray, np.ndarray, np.ndarray], share: np.ndarray, parts: int
) -> np.ndarray:
    if parts == 1 or len(share) <= parts:
        return np.arange(len(share)) % parts
    if len(share) < FEW * parts:
        return _stretches(share, parts)
    heaviest = share.sum() / parts  # beyond it METIS runs out of vertices for the other parts
    return metis_parts(edges, np.minimum(share, heaviest) * SCALE, parts)
