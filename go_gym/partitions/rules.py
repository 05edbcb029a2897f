"""Partitions of the ops by rule: what shares a decision because anything else makes no sense."""

import numpy as np

from go_gym.partitions.joining import components
from go_gym.partitions.partition import Partition
from go_gym.problem import Problem


def colocation_partition(problem: Problem) -> Partition:
    """Co-location groups, and views with the producer of what they view.

    A free op (it costs nothing) outside any co-location group goes where its first input with
    shared storage is made, else its largest input: elsewhere it would bring a transfer and no
    gain (our choice). Free ops without inputs stand alone. Parts are numbered by their first op
    that costs anything; parts of free ops come last.
    """
    return numbered(problem, _leaders(problem))


def attached_partition(problem: Problem) -> Partition:
    """Like :func:`colocation_partition`, but parts that begin with parameters join their user.

    A part with free ops without inputs (parameters, inputs of the step) whose own work, if any,
    comes after their first use elsewhere joins the part of that user: parameters lie, and are
    updated, where they are used first (our choice).
    """
    graph = problem.graph
    leaders = _leaders(problem)
    source = graph.is_free & (np.diff(graph.op_use_ptr) == 0)
    first_cost = np.full(graph.num_ops, graph.num_ops, dtype=np.int64)
    costing = np.flatnonzero(~graph.is_free)
    np.minimum.at(first_cost, leaders[costing], costing)
    makers, users = leaders[graph.use_producer], graph.use_consumer
    out = source[graph.use_producer] & (makers != leaders[users])
    first_user = np.full(graph.num_ops, graph.num_ops, dtype=np.int64)
    np.minimum.at(first_user, makers[out], users[out])
    joining = np.flatnonzero(first_user < first_cost)
    joined = components(graph.num_ops, (joining, leaders[first_user[joining]]))
    return numbered(problem, joined[leaders])


def edge_zeroed_partition(problem: Problem, uses: np.ndarray) -> Partition:
    """Like :func:`colocation_partition`, but no tensor of a use marked in ``uses`` is cut.

    Producers and consumers of the marked ones, of (u,) bool, are united: edge zeroing (Sarkar
    1989), all at once.
    """
    graph = problem.graph
    leaders = _leaders(problem)
    ends = leaders[graph.use_producer[uses]], leaders[graph.use_consumer[uses]]
    return numbered(problem, components(graph.num_ops, ends)[leaders])


def numbered(problem: Problem, leaders: np.ndarray) -> Partition:
    """Ops with equal ``leaders`` (n,), any numbers from 0 to n - 1, together.

    Parts are numbered by their first op that costs anything; parts of free ops come last.
    """
    n = len(leaders)
    first = np.full(n, 2 * n, dtype=np.int64)
    np.minimum.at(first, leaders, np.arange(n) + np.where(problem.graph.is_free, n, 0))
    present = np.flatnonzero(first < 2 * n)
    rank = np.empty(n, dtype=np.int64)
    rank[present[np.argsort(first[present], kind="stable")]] = np.arange(len(present))
    return Partition(rank[leaders], len(present))


def _leaders(problem: Problem) -> np.ndarray:
    graph = problem.graph
    leaders = problem.colocation_leader.tolist()
    loose = graph.is_free & (graph.colocation < 0) & (np.diff(graph.op_use_ptr) > 0)
    shared = graph.tensor_alias.tolist()
    first_tensor = graph.op_tensor_ptr.tolist()
    for op in np.flatnonzero(loose).tolist():
        viewed = [
            shared[tensor]
            for tensor in range(first_tensor[op], first_tensor[op + 1])
            if shared[tensor] >= 0
        ]
        if viewed:
            source = viewed[0]
        else:
            uses = graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]
            inputs = graph.use_tensor[uses]
            source = inputs[np.argmax(graph.tensor_bytes[inputs])]
        leaders[op] = leaders[graph.tensor_producer[source]]
    return np.array(leaders, dtype=np.int64)
