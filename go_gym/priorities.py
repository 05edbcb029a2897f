"""Scheduling priorities by rule, for a placement that is already decided."""

import numpy as np
from numba import njit

from go_gym.errors import DecisionError
from go_gym.graph.model import Alias
from go_gym.problem import Problem

PRIORITIES = ("fifo", "critical-path")
"""The rules that :func:`priorities` knows."""


def priorities(name: str, problem: Problem, placement: np.ndarray) -> np.ndarray | None:
    """The priorities of rule ``name``: (n,) int64, or None for first in, first out.

    Args:
        name: one of ``PRIORITIES``.
        problem: graph and cluster.
        placement: (n,) device numbers.

    Raises:
        DecisionError: for an unknown name.
    """
    if name == "fifo":
        return None
    if name == "critical-path":
        return critical_path(problem, placement)
    raise DecisionError(f"priorities {name!r}: expected one of {', '.join(PRIORITIES)}")


def critical_path(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """(n,) int64 ns: the longest path from each op, itself included, to the end of the step.

    The upward rank of list scheduling (Topcuoglu et al. 2002, section 4.1), with what each op
    takes on its device and, for each use on another device, what its transfer takes (our choice:
    the actual figures instead of means, since the placement is known; no contention).
    """
    place = np.ascontiguousarray(placement, dtype=np.int64)
    graph = problem.graph
    durations = problem.durations[problem.device_class[place], np.arange(graph.num_ops)]
    delays = use_delays(problem, place)
    return _tails(
        durations,
        delays,
        graph.op_tensor_ptr,
        graph.tensor_use_ptr,
        graph.use_consumer,
    )


def frees_most(problem: Problem) -> np.ndarray:
    """(n,) int64 bytes: what an op frees as it ends, less what it allocates.

    A tensor counts in equal shares to the ops that use it, since any of them may be the last; its
    bytes count where they lie, so views and parameters count nothing, and reading a view counts
    for nothing either (our choice; memory-aware orders go back to Sethi and Ullman 1970).
    """
    graph = problem.graph
    own = np.where(graph.tensor_alias == Alias.OWN, graph.tensor_bytes, 0)
    share = own // np.maximum(np.diff(graph.tensor_use_ptr), 1)
    balance = np.zeros(graph.num_ops, dtype=np.int64)
    np.add.at(balance, graph.use_consumer, share[graph.use_tensor])
    np.subtract.at(balance, graph.tensor_producer, own)
    return balance


def use_delays(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """(u,) int64 ns: what the transfer behind each use takes, 0 for uses on the same device."""
    graph, cluster = problem.graph, problem.cluster
    source, destination = placement[graph.use_producer], placement[graph.use_consumer]
    link = cluster.link_of[source, destination]
    slowness = np.array([each.ns_per_byte for each in cluster.links])[link]
    latency = np.array([each.latency_ns for each in cluster.links], dtype=np.int64)[link]
    size = graph.tensor_bytes[graph.use_tensor].astype(np.float64)
    delay = latency + np.rint(size * slowness).astype(np.int64)
    return np.where(source == destination, 0, delay)


@njit(cache=True, nogil=True)
def _tails(durations, delays, op_tensor_ptr, tensor_use_ptr, use_consumer):
    n = len(durations)
    rank = np.empty(n, dtype=np.int64)
    for op in range(n - 1, -1, -1):
        tail = np.int64(0)
        for use in range(tensor_use_ptr[op_tensor_ptr[op]], tensor_use_ptr[op_tensor_ptr[op + 1]]):
            tail = max(tail, delays[use] + rank[use_consumer[use]])
        rank[op] = durations[op] + tail
    return rank
