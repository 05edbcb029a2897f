"""A problem's numbers as the engine wants them: small packed records, in topological order."""

from typing import NamedTuple

import numpy as np

from go_gym.cluster.model import CONTENTION_MODELS
from go_gym.graph import Alias
from go_gym.problem import Problem

NONE = np.uint32(0xFFFFFFFF)

OP = np.dtype([("packet", np.uint32), ("inputs", np.uint32)])  # where its part of the program is
TENSOR = np.dtype(
    [
        ("device", np.uint32),  # of its producer, set by a simulation as that ends
        ("holders", np.int32),  # what still needs it there, likewise
        ("alias", np.uint32),  # the tensor whose storage this view shares, or NONE
        ("alias_use", np.uint32),  # and its producer's use of it
        ("local_size", np.int64),  # bytes there: 0 for views and parameters
        ("size", np.int64),  # bytes of a copy
    ]
)
LINK = np.dtype([("ns_per_byte", np.float64), ("latency", np.int64)])


class Tables(NamedTuple):
    """Everything about a problem that a simulation reads. n ops, t tensors, u uses, d devices."""

    program: np.ndarray  # (words,) uint64, what happens as each op starts and ends: see `_program`
    op: np.ndarray  # (n,) OP
    tensor: np.ndarray  # (t,) TENSOR
    sources: np.ndarray  # (s,) uint32, the ops without inputs
    parameters: np.ndarray  # (k, 2) int64: op, bytes resident on its device
    followers: np.ndarray  # (m, 2) int64: op, first op of its co-location group
    link: np.ndarray  # (d, d) LINK
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
    op = np.zeros(n, dtype=OP)
    op["inputs"] = np.diff(graph.op_use_ptr)
    program, op["packet"] = _program(problem, local_size, released, np.maximum(views_of, 1))

    tensor = np.zeros(t, dtype=TENSOR)
    tensor["alias"] = np.where(graph.tensor_alias >= 0, graph.tensor_alias, np.int64(NONE))
    tensor["alias_use"] = alias_use
    tensor["local_size"] = local_size
    tensor["size"] = graph.tensor_bytes

    links = np.zeros(len(cluster.links), dtype=LINK)
    links["ns_per_byte"] = [link.ns_per_byte for link in cluster.links]
    links["latency"] = [link.latency_ns for link in cluster.links]

    holding = np.flatnonzero(graph.parameter_bytes)
    following = np.flatnonzero(problem.colocation_leader != np.arange(n))
    return Tables(
        program=program,
        op=op,
        tensor=tensor,
        sources=np.flatnonzero(op["inputs"] == 0).astype(np.uint32),
        parameters=np.stack([holding, graph.parameter_bytes[holding]], axis=1),
        followers=np.stack([following, problem.colocation_leader[following]], axis=1),
        link=links[cluster.link_of],
        device_class=problem.device_class.astype(np.uint32),
        capacity=cluster.memory_bytes.copy(),
    )


def _program(
    problem: Problem, local_size: np.ndarray, released: np.ndarray, hold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Everything that the end of an op needs, in one place a op; pairs are 32 bits each, low first.

    The words of an op: its duration on each class of devices, the last class first; then, where
    its packet begins, bytes that it allocates; (number of releases, of tensors); (its first tensor,
    its own number); each release as (tensor, use); and for each tensor (first use, number of uses),
    followed by each use as (consumer, releases that it brings: one, or one a view made of it).

    Returns:
        (words,) uint64, and (n,) uint32 where the packets begin.
    """
    graph = problem.graph
    n, t, u = graph.num_ops, graph.num_tensors, graph.num_uses
    producer, consumer = graph.tensor_producer.astype(np.int64), graph.use_consumer.astype(np.int64)
    classes = len(problem.durations)
    releases = np.bincount(consumer[released], minlength=n)
    tensors, uses = np.diff(graph.op_tensor_ptr), np.diff(graph.tensor_use_ptr)
    uses_of_op = np.bincount(producer, uses, minlength=n).astype(np.int64)
    end = np.cumsum(3 + classes + releases + tensors + uses_of_op)
    packet = np.concatenate([[0], end[:-1]]) + classes
    program = np.zeros(int(end[-1]) + 1, dtype=np.uint64)  # an op may be asked for a release

    def pair(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return low.astype(np.uint64) | high.astype(np.uint64) << np.uint64(32)

    size = np.zeros(n, dtype=np.int64)
    np.add.at(size, producer, local_size)
    for row, durations in enumerate(problem.durations):
        program[packet - 1 - row] = durations
    program[packet] = size
    program[packet + 1] = pair(releases, tensors)
    program[packet + 2] = pair(graph.op_tensor_ptr[:-1], np.arange(n))
    at = packet + 3
    nth = np.arange(len(released)) - (np.cumsum(releases) - releases)[consumer[released]]
    program[at[consumer[released]] + nth] = pair(graph.use_tensor[released], released)
    before = np.arange(t) + graph.tensor_use_ptr[:-1]  # words of all earlier tensors
    first = graph.op_tensor_ptr[producer]
    start = (at + releases)[producer] + before - before[first]
    program[start] = pair(graph.tensor_use_ptr[:-1], uses)
    nth = np.arange(u) - graph.tensor_use_ptr[graph.use_tensor]
    program[start[graph.use_tensor] + 1 + nth] = pair(consumer, hold)
    return program, packet.astype(np.uint32)
