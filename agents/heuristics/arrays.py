"""A problem as the jitted list schedulers read it. Times are int64 ns."""

from typing import NamedTuple

import numpy as np

from go_gym.problem import Problem


class GraphArrays(NamedTuple):
    """What uses what: columns of :class:`go_gym.ComputationGraph`. n ops, t tensors, u uses."""

    is_free: np.ndarray  # (n,) bool
    op_use_ptr: np.ndarray  # (n + 1,): op i reads op_uses[op_use_ptr[i] : op_use_ptr[i + 1]]
    op_uses: np.ndarray  # (u,)
    op_tensor_ptr: np.ndarray  # (n + 1,): op i writes tensors op_tensor_ptr[i] to [i + 1]
    tensor_use_ptr: np.ndarray  # (t + 1,): tensor i has uses tensor_use_ptr[i] to [i + 1]
    use_tensor: np.ndarray  # (u,)
    use_producer: np.ndarray  # (u,)
    use_consumer: np.ndarray  # (u,)


class CostArrays(NamedTuple):
    """How long ops and transfers take. n ops, t tensors, d devices."""

    durations: np.ndarray  # (classes, n) int64
    device_class: np.ndarray  # (d,) int64
    tensor_bytes: np.ndarray  # (t,) int64
    link_of: np.ndarray  # (d, d)
    ns_per_byte: np.ndarray  # (links,) float64
    latency: np.ndarray  # (links,) int64


def graph_arrays(problem: Problem) -> GraphArrays:
    """The graph of ``problem``; nothing is copied."""
    return GraphArrays(*(getattr(problem.graph, name) for name in GraphArrays._fields))


def cost_arrays(problem: Problem) -> CostArrays:
    """The costs of ``problem``."""
    links = problem.cluster.links
    return CostArrays(
        problem.durations,
        problem.device_class,
        problem.graph.tensor_bytes,
        problem.cluster.link_of,
        np.array([link.ns_per_byte for link in links]),
        np.array([link.latency_ns for link in links], dtype=np.int64),
    )
