"""Groups of ops that share one decision, and the bytes between them.

Heuristics decide on the smallest groups that make sense; ``groups=`` of the environments takes
coarser ones, so that any graph needs at most a given number of decisions.
"""

from dataclasses import dataclass

import numpy as np

from go_gym.problem import Problem


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of the ops; each group goes to one device.

    Attributes:
        of_op: (n,) int64, group of each op. Groups are numbered by their first op that costs
            anything; groups of free ops come last.
        count: number of groups.
    """

    of_op: np.ndarray
    count: int

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(count,) int64: the sum of ``values`` (n,) over each group."""
        result = np.zeros(self.count, dtype=np.int64)
        np.add.at(result, self.of_op, values)
        return result


def decided_groups(problem: Problem) -> Groups:
    """Co-location groups, and views with the producer of what they view.

    A free op (it costs nothing) outside any co-location group goes where its first input with
    shared storage is made, else its largest input: elsewhere it would bring a transfer and no
    gain (our choice). Free ops without inputs stand alone.
    """
    return numbered(problem, _leaders(problem))


def attached_groups(problem: Problem) -> Groups:
    """Like :func:`decided_groups`, but groups that begin with parameters join their first user.

    A group with free ops without inputs (parameters, inputs of the step) whose own work, if any,
    comes after their first use elsewhere joins the group of that user: parameters lie, and are
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
    root = leaders.tolist()
    for maker in np.flatnonzero(first_user < first_cost).tolist():
        root[_find(root, maker)] = _find(root, int(leaders[first_user[maker]]))
    joined = np.array([_find(root, op) for op in leaders.tolist()], dtype=np.int64)
    return numbered(problem, joined)


def coarse_groups(problem: Problem, grain: np.ndarray) -> Groups:
    """Like :func:`decided_groups`, but no tensor of a use marked in ``grain`` (u,) bool is cut.

    Producers and consumers of marked uses are united: edge zeroing (Sarkar 1989), all at once.
    """
    graph = problem.graph
    leaders = _leaders(problem)
    root = np.arange(graph.num_ops).tolist()
    makers, users = leaders[graph.use_producer[grain]], leaders[graph.use_consumer[grain]]
    for maker, user in zip(makers.tolist(), users.tolist(), strict=True):
        high, low = _find(root, maker), _find(root, user)
        root[max(high, low)] = min(high, low)
    joined = np.array([_find(root, op) for op in leaders.tolist()], dtype=np.int64)
    return numbered(problem, joined)


def group_edges(problem: Problem, groups: Groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bytes between groups, in either direction, each tensor once for each group that uses it.

    Returns:
        low, high: (e,) int64 groups, low < high, sorted.
        size: (e,) int64 bytes.
    """
    source, target, size = directed_edges(problem, groups)
    return _summed(np.minimum(source, target), np.maximum(source, target), size, groups.count)


def directed_edges(problem: Problem, groups: Groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bytes from group to group, each tensor once for each group that uses it.

    Returns:
        source, target: (e,) int64 groups, producer's and consumer's, sorted, never equal.
        size: (e,) int64 bytes.
    """
    graph = problem.graph
    source = groups.of_op[graph.use_producer]
    target = groups.of_op[graph.use_consumer]
    cut = source != target
    copy = graph.use_tensor[cut].astype(np.int64) * groups.count + target[cut]
    _, first = np.unique(copy, return_index=True)
    size = graph.tensor_bytes[graph.use_tensor[cut][first]]
    return _summed(source[cut][first], target[cut][first], size, groups.count)


def _summed(
    source: np.ndarray, target: np.ndarray, size: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal pairs joined, their sizes added up, sorted."""
    keys, inverse = np.unique(source * count + target, return_inverse=True)
    total = np.zeros(len(keys), dtype=np.int64)
    np.add.at(total, inverse.reshape(-1), size)
    return keys // count, keys % count, total


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


def _find(root: list[int], op: int) -> int:
    while root[op] != op:
        root[op] = root[root[op]]
        op = root[op]
    return op


def numbered(problem: Problem, leaders: np.ndarray) -> Groups:
    """The groups of ops with equal ``leaders`` (n,), any numbers from 0 to n - 1."""
    n = len(leaders)
    first = np.full(n, 2 * n, dtype=np.int64)
    np.minimum.at(first, leaders, np.arange(n) + np.where(problem.graph.is_free, n, 0))
    present = np.flatnonzero(first < 2 * n)
    rank = np.empty(n, dtype=np.int64)
    rank[present[np.argsort(first[present], kind="stable")]] = np.arange(len(present))
    of_op = rank[leaders]
    of_op.setflags(write=False)
    return Groups(of_op=of_op, count=len(present))
