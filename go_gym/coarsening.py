"""At most G decisions for any graph: what ``groups=`` of the environments stands for."""

import numpy as np

from go_gym.errors import GoGymError
from go_gym.grouping import Groups, attached_groups, numbered
from go_gym.partition import partition
from go_gym.placements import mean_durations
from go_gym.problem import Problem

METHODS = ("metis", "chunks")
SCALE = 10**8
"""METIS takes whole numbers: shares, which add up to 2, in units of 10⁻⁸."""


def bounded_groups(problem: Problem, limit: int, method: str = "metis") -> Groups:
    """At most ``limit`` groups of ops, each of which gets one decision. Deterministic.

    Free ops lie with what they feed or view and co-location groups stay whole, as in
    :func:`go_gym.grouping.attached_groups`; if more groups than ``limit`` remain, neighbours are
    joined (our choice):

    - ``"metis"``: a METIS partition, so that few bytes travel between groups;
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
    work = np.bincount(groups.of_op, weights=mean_durations(problem), minlength=groups.count)
    share = work / max(float(work.sum()), 1.0) + 1.0 / groups.count
    if limit == 1:
        joined = np.zeros(groups.count, dtype=np.int64)
    elif method == "chunks":
        middle = np.cumsum(share) - share / 2
        joined = np.minimum(middle / share.sum() * limit, limit - 1).astype(np.int64)
    else:
        joined = partition(problem, groups, share * SCALE, limit)
    return numbered(problem, joined[groups.of_op])
