"""A problem's numbers as the engine wants them: a packed record an op, a tensor, a use."""

from typing import NamedTuple

import numpy as np

from go_gym.cluster.model import CONTENTION_MODELS
from go_gym.graph.model import Alias
from go_gym.problem import Problem

NONE = np.uint32(0xFFFFFFFF)

OP = np.dtype(
    [
        ("tensors", np.uint32),  # its first tensor; the next op's is one past its last
        ("releases", np.uint32),  # likewise, what it lets go of when it ends
        ("inputs", np.uint32),  # how many
        ("leader", np.uint32),  # first op of its co-location group, or itself
        ("size", np.int64),  # bytes that it allocates as it starts
        ("parameters", np.int64),  # bytes resident on its device
    ]
)
TENSOR = np.dtype(
    [
        ("uses", np.uint32),  # its first use
        ("producer", np.uint32),
        ("alias_use", np.uint32),  # the use whose storage this view holds, or NONE
        ("_pad", np.uint32),
        ("size", np.int64),  # bytes of a copy
        ("local_size", np.int64),  # bytes where it is produced: 0 for views and parameters
    ]
)
USE = np.dtype(
    [
        ("consumer", np.uint32),
        ("tensor", np.uint32),
        ("hold", np.int32),  # releases that this use brings: one, or one a view made of it
    ]
)
RELEASE = np.dtype([("use", np.uint32), ("tensor", np.uint32), ("producer", np.uint32)])
LINK = np.dtype([("ns_per_byte", np.float64), ("latency", np.int64)])


class Tables(NamedTuple):
    """Everything about a problem that a simulation reads. n ops, t tensors, u uses, d devices."""

    ops: np.ndarray  # (n + 1,) OP, the last one only ends the ranges
    tensors: np.ndarray  # (t + 1,) TENSOR, likewise
    uses: np.ndarray  # (u,) USE
    releases: np.ndarray  # (r,) RELEASE
    durations: np.ndarray  # (classes, n) int64 ns
    link_of: np.ndarray  # (d, d) uint16
    links: np.ndarray  # (links,) LINK
    device_class: np.ndarray  # (d,) uint32
    capacity: np.ndarray  # (d,) int64 bytes


def contention_code(problem: Problem) -> int:
    """The engine's number of the contention model."""
    return CONTENTION_MODELS.index(problem.cluster.contention)


def build_tables(problem: Problem) -> Tables:
    """The tables of ``problem``; takes about as long as a few simulations."""
    graph, cluster = problem.graph, problem.cluster
    n, t, u = graph.num_ops, graph.num_tensors, graph.num_uses
    alias_use = np.full(t, NONE, dtype=np.uint32)
    views = np.flatnonzero(graph.tensor_alias >= 0)
    if len(views):
        key = graph.use_tensor.astype(np.int64) * n + graph.use_consumer
        wanted = graph.tensor_alias[views].astype(np.int64) * n + graph.tensor_producer[views]
        alias_use[views] = np.searchsorted(key, wanted)
    views_of = np.bincount(alias_use[views], minlength=u)
    released = graph.op_uses[views_of[graph.op_uses] == 0]
    local_size = np.where(graph.tensor_alias == Alias.OWN, graph.tensor_bytes, 0)

    ops = np.zeros(n + 1, dtype=OP)
    ops["tensors"] = graph.op_tensor_ptr
    ops["releases"][1:] = np.cumsum(np.bincount(graph.use_consumer[released], minlength=n))
    ops["inputs"][:n] = np.diff(graph.op_use_ptr)
    ops["leader"][:n] = problem.colocation_leader
    np.add.at(ops["size"], graph.tensor_producer, local_size)
    ops["parameters"][:n] = graph.parameter_bytes

    tensors = np.zeros(t + 1, dtype=TENSOR)
    tensors["uses"] = graph.tensor_use_ptr
    tensors["producer"][:t] = graph.tensor_producer
    tensors["alias_use"][:t] = alias_use
    tensors["size"][:t] = graph.tensor_bytes
    tensors["local_size"][:t] = local_size

    uses = np.zeros(u, dtype=USE)
    uses["consumer"] = graph.use_consumer
    uses["tensor"] = graph.use_tensor
    uses["hold"] = np.maximum(views_of, 1)

    releases = np.zeros(len(released), dtype=RELEASE)
    releases["use"] = released
    releases["tensor"] = graph.use_tensor[released]
    releases["producer"] = graph.use_producer[released]

    links = np.zeros(len(cluster.links), dtype=LINK)
    links["ns_per_byte"] = [link.ns_per_byte for link in cluster.links]
    links["latency"] = [link.latency_ns for link in cluster.links]
    return Tables(
        ops=ops,
        tensors=tensors,
        uses=uses,
        releases=releases,
        durations=problem.durations.copy(),
        link_of=cluster.link_of.copy(),
        links=links,
        device_class=problem.device_class.astype(np.uint32),
        capacity=cluster.memory_bytes.copy(),
    )
