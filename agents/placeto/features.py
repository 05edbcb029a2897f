"""What Placeto's policy sees: groups of ops, who reaches whom, and where the walk stands."""

from dataclasses import dataclass

import numpy as np

from go_gym.partitions import Partition
from go_gym.partitions.bounded import bounded_partition
from go_gym.partitions.quotient import directed_edges
from go_gym.problem import Problem
from go_gym.simulator import Trace

FIXED_COLUMNS = ("cost", "output", "done", "current", "start")
"""Columns of a group's features; one for each device, the placement one-hot, follows."""


@dataclass(frozen=True, eq=False)
class GroupGraph:
    """The graph of G groups that Placeto walks; never changes while a problem lasts.

    Attributes:
        groups: the group of each op; they are visited in the order of their numbers, which is
            the topological order of their first costly ops.
        cost: (G,) float32, mean duration as a share of the largest.
        output: (G,) float32, bytes that other groups use, as a share of the largest.
        parents: (G, G) float32, [v, u] is 1 where v uses what u makes and is visited later.
            Most groups hold a layer's forward and backward ops, and so wait for each other:
            with the edges back, every group would be every other's ancestor.
        ancestors, descendants: (G, G) bool, [v, u]: a path of such edges leads from u to v, from
            v to u. parallel: (G, G) bool, neither. No group is in a set of its own.
    """

    groups: Partition
    cost: np.ndarray
    output: np.ndarray
    parents: np.ndarray
    ancestors: np.ndarray
    descendants: np.ndarray
    parallel: np.ndarray


def group_graph(problem: Problem, limit: int) -> GroupGraph:
    """The graph of :func:`go_gym.partitions.bounded.bounded_partition`, at most ``limit``."""
    groups = bounded_partition(problem, limit)
    source, target, size = directed_edges(problem, groups)
    count = groups.count
    parents = np.zeros((count, count), dtype=bool)
    forward = source < target
    parents[target[forward], source[forward]] = True
    ancestors = reachable(parents)
    own = np.eye(count, dtype=bool)
    return GroupGraph(
        groups=groups,
        cost=share(np.bincount(groups.part_of, problem.mean_durations, count)),
        output=share(np.bincount(source, size, count)),
        parents=parents.astype(np.float32),
        ancestors=ancestors,
        descendants=ancestors.T.copy(),
        parallel=~(ancestors | ancestors.T | own),
    )


def reachable(adjacent: np.ndarray) -> np.ndarray:
    """(G, G) bool: [v, u] where a path of one or more edges of ``adjacent`` leads from v to u."""
    found = adjacent.copy()
    while True:  # the length of the paths doubles in each round
        step = found.astype(np.float32)
        longer = found | (step @ step > 0)
        if np.array_equal(longer, found):
            return found
        found = longer


def group_starts(graph: GroupGraph, trace: Trace) -> np.ndarray:
    """(G,) int64 ns: when the first op of each group starts."""
    start = np.full(graph.groups.count, np.iinfo(np.int64).max)
    np.minimum.at(start, graph.groups.part_of, trace.op_start)
    return start


def features(
    graph: GroupGraph,
    devices: np.ndarray,
    starts: np.ndarray,
    current: int,
    done: np.ndarray,
    num_devices: int,
) -> np.ndarray:
    """(G, len(FIXED_COLUMNS) + num_devices) float32: the state before ``current`` is placed.

    Args:
        graph: the groups.
        devices: (G,) int64, where each group is now.
        starts: (G,) int64 ns, when each starts now.
        current: the group to place.
        done: (G,) bool, those placed so far in this episode.
        num_devices: d.
    """
    count = graph.groups.count
    table = np.zeros((count, len(FIXED_COLUMNS) + num_devices), dtype=np.float32)
    table[:, 0] = graph.cost
    table[:, 1] = graph.output
    table[:, 2] = done
    table[current, 3] = 1.0
    later = (starts - starts[current]).astype(np.float64)
    table[:, 4] = later / max(float(np.abs(later).max()), 1.0)
    table[np.arange(count), len(FIXED_COLUMNS) + devices] = 1.0
    return table


def share(values: np.ndarray) -> np.ndarray:
    """(G,) float32: ``values`` divided by their maximum."""
    shares: np.ndarray = (values / max(float(values.max()), 1.0)).astype(np.float32)
    return shares
