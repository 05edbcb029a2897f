"""Scheduling priorities by rule, for a placement that is already decided."""

from dataclasses import replace

import numpy as np
from numba import njit

from go_gym.errors import DecisionError
from go_gym.graph import Alias
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.transfer import transfer_ns

FIFO = "fifo"
PRIORITIES = (FIFO, "critical-path")
"""The rules that :func:`priorities` knows."""
OWN = "own"
"""What stands for a rule's name where the agent decided the priorities itself."""


def priorities(name: str, problem: Problem, placement: np.ndarray) -> np.ndarray | None:
    """The priorities of rule ``name``: (n,) int64, or None for first in, first out.

    Args:
        name: one of ``PRIORITIES``.
        problem: graph and cluster.
        placement: (n,) device numbers.

    Raises:
        DecisionError: for an unknown name.
    """
    if name == FIFO:
        return None
    if name == "critical-path":
        return critical_path(problem, placement)
    raise DecisionError(f"priorities {name!r}: expected one of {', '.join(PRIORITIES)}")


def prioritised(problem: Problem, decision: Decision, name: str) -> Decision:
    """A decision with the priorities of that name (``fifo`` or ``critical-path``).

    Raises:
        DecisionError: for an unknown name, or a decision that does not fit the problem.
    """
    check_decision(problem, decision)
    rule = priorities(name, problem, np.asarray(decision.placement))
    return replace(decision, priority=rule)


def critical_path(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """(n,) int64 ns: the longest path from each op, itself included, to the end of the step.

    The upward rank of list scheduling (Topcuoglu et al. 2002, section 4.1), with what each op
    takes on its device and, for each use on another device, what its transfer takes (our choice:
    the actual figures instead of means, since the placement is known; no contention).
    """
    return _tails(*_path_arguments(problem, placement))


def heads_on(problem: Problem, placement: np.ndarray) -> np.ndarray:
    """(n,) int64 ns: the longest path up to each op, it not included, with the same transfers."""
    return _heads(*_path_arguments(problem, placement))


def _path_arguments(problem: Problem, placement: np.ndarray) -> tuple[np.ndarray, ...]:
    graph, cluster = problem.graph, problem.cluster
    return (
        np.array(placement, dtype=np.int64),
        problem.durations,
        problem.device_class,
        graph.op_tensor_ptr,
        graph.tensor_use_ptr,
        graph.tensor_bytes,
        graph.use_consumer,
        cluster.link_of,
        np.array([link.ns_per_byte for link in cluster.links]),
        np.array([link.latency_ns for link in cluster.links], dtype=np.int64),
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


@njit(cache=True, nogil=True)
def _tails(
    placement, durations, device_class, op_tensor_ptr, tensor_use_ptr, tensor_bytes,
    use_consumer, link_of, slowness, latency,
):  # fmt: skip
    """One pass from the last op to the first: searches ask for every placement they try."""
    n = len(placement)
    rank = np.empty(n, dtype=np.int64)
    for op in range(n - 1, -1, -1):
        device = placement[op]
        tail = np.int64(0)
        for tensor in range(op_tensor_ptr[op], op_tensor_ptr[op + 1]):
            for use in range(tensor_use_ptr[tensor], tensor_use_ptr[tensor + 1]):
                consumer = use_consumer[use]
                path = rank[consumer]
                if placement[consumer] != device:
                    link = link_of[device, placement[consumer]]
                    path += transfer_ns(tensor_bytes[tensor], latency[link], slowness[link])
                tail = max(tail, path)
        rank[op] = durations[device_class[device], op] + tail
    return rank


@njit(cache=True, nogil=True)
def _heads(
    placement, durations, device_class, op_tensor_ptr, tensor_use_ptr, tensor_bytes,
    use_consumer, link_of, slowness, latency,
):  # fmt: skip
    n = len(placement)
    head = np.zeros(n, dtype=np.int64)
    for op in range(n):
        device = placement[op]
        end = head[op] + durations[device_class[device], op]
        for tensor in range(op_tensor_ptr[op], op_tensor_ptr[op + 1]):
            for use in range(tensor_use_ptr[tensor], tensor_use_ptr[tensor + 1]):
                consumer, arrives = use_consumer[use], end
                if placement[consumer] != device:
                    link = link_of[device, placement[consumer]]
                    arrives += transfer_ns(tensor_bytes[tensor], latency[link], slowness[link])
                head[consumer] = max(head[consumer], arrives)
    return head
