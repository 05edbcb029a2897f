"""Orders and longest paths over a computation graph."""

import heapq

import numpy as np

from go_gym.errors import GraphError
from go_gym.graph.columns import GraphColumns


def topological_order(num_ops: int, producer: np.ndarray, consumer: np.ndarray) -> np.ndarray:
    """(num_ops,) int64: op numbers in topological order, smallest number first among the ready.

    ``producer`` and ``consumer`` are (edges,) integers. Input that is already in topological
    order comes back as it is. Raises GraphError, naming an op, on a cycle.
    """
    if np.all(producer < consumer):
        return np.arange(num_ops, dtype=np.int64)
    order_by_producer = np.argsort(producer, kind="stable")
    targets = consumer[order_by_producer].tolist()
    starts = np.searchsorted(producer[order_by_producer], np.arange(num_ops + 1)).tolist()
    missing = np.bincount(consumer, minlength=num_ops).tolist()
    ready = [op for op in range(num_ops) if missing[op] == 0]
    order = []
    while ready:
        op = heapq.heappop(ready)
        order.append(op)
        for target in targets[starts[op] : starts[op + 1]]:
            missing[target] -= 1
            if missing[target] == 0:
                heapq.heappush(ready, target)
    if len(order) < num_ops:
        raise GraphError(
            f"the graph has a cycle: op {_on_a_cycle(missing, producer, consumer)} waits for "
            "itself through its inputs"
        )
    return np.array(order, dtype=np.int64)


def _on_a_cycle(missing: list[int], producer: np.ndarray, consumer: np.ndarray) -> int:
    """An op on a cycle: from an op that waits, back along inputs that wait, until one repeats."""
    waiting_input = {
        target: source
        for source, target in zip(producer.tolist(), consumer.tolist(), strict=True)
        if missing[source] > 0
    }
    op = next(op for op, count in enumerate(missing) if count > 0)
    seen = set()
    while op not in seen:
        seen.add(op)
        op = waiting_input[op]
    return op


def depths(graph: GraphColumns) -> np.ndarray:
    """(n,) int32: number of uses on the longest path from an op without inputs."""
    result = [0] * graph.num_ops
    producers = graph.use_producer[graph.op_uses].tolist()
    pointers = graph.op_use_ptr.tolist()
    for op in range(graph.num_ops):
        inputs = producers[pointers[op] : pointers[op + 1]]
        if inputs:
            result[op] = 1 + max(result[producer] for producer in inputs)
    return np.array(result, dtype=np.int32)


def earliest_starts(graph: GraphColumns, durations: np.ndarray) -> np.ndarray:
    """(n,) int64 ns: longest path of ``durations`` (n,) up to, not including, each op."""
    start = [0] * graph.num_ops
    length = durations.tolist()
    producers = graph.use_producer[graph.op_uses].tolist()
    pointers = graph.op_use_ptr.tolist()
    for op in range(graph.num_ops):
        inputs = producers[pointers[op] : pointers[op + 1]]
        if inputs:
            start[op] = max(start[producer] + length[producer] for producer in inputs)
    return np.array(start, dtype=np.int64)


def upward_ranks(
    graph: GraphColumns, durations: np.ndarray, delays: np.ndarray | None = None
) -> np.ndarray:
    """(n,) float64: longest path of ``durations`` (n,) from each op, itself included, to the end.

    ``delays`` (t,) is added on every use of a tensor: HEFT's upward rank (Topcuoglu et al.
    2002, section 4.1) with mean durations and mean communication costs.
    """
    rank = np.asarray(durations, dtype=np.float64).tolist()
    delay = [0.0] * graph.num_tensors if delays is None else np.asarray(delays, float).tolist()
    consumers = graph.use_consumer.tolist()
    use_ptr = graph.tensor_use_ptr.tolist()
    tensor_ptr = graph.op_tensor_ptr.tolist()
    for op in range(graph.num_ops - 1, -1, -1):
        tail = 0.0
        for tensor in range(tensor_ptr[op], tensor_ptr[op + 1]):
            for use in range(use_ptr[tensor], use_ptr[tensor + 1]):
                tail = max(tail, delay[tensor] + rank[consumers[use]])
        rank[op] += tail
    return np.array(rank, dtype=np.float64)
