"""A problem's numbers as the engine wants them: small packed records, in topological order."""

from typing import NamedTuple

import numpy as np

from go_gym.cluster.model import CONTENTION_MODELS
from go_gym.graph import Alias, Outlives
from go_gym.problem import Problem
from go_gym.simulator.program import make_program

NONE = np.uint32(0xFFFFFFFF)

INSTANT = np.uint32(1 << 31)
"""Added to the number of an op's inputs if there are devices on which it takes no time."""

OP = np.dtype(
    [
        ("packet", np.uint32),  # where its part of the program is, with what its members do,
        ("plain", np.uint32),  # and without
        ("inputs", np.uint32),  # how many, but for given ones, and INSTANT
    ]
)
TENSOR = np.dtype(
    [
        ("device", np.uint32),  # of its producer, set by a simulation as that ends
        ("holders", np.int32),  # what still needs it there, likewise
        ("alias", np.uint32),  # the tensor whose storage this view shares, or NONE
        ("alias_use", np.uint32),  # and its producer's use of it
        ("local_size", np.int64),  # bytes there: 0 for views and what is resident
        ("size", np.int64),  # bytes of a copy
    ]
)
LINK = np.dtype([("ns_per_byte", np.float64), ("latency", np.int64)])


# Wide: an array for each kind of thing that a run reads, as compiled code takes them
class Tables(NamedTuple):
    """Everything about a problem that a simulation reads. n ops, t tensors, u uses, d devices."""

    program: np.ndarray  # (words,) uint64, what happens as each op starts and ends
    op: np.ndarray  # (n,) OP
    durations: np.ndarray  # (classes, n) int64 ns
    tensor: np.ndarray  # (t,) TENSOR
    consumer: np.ndarray  # (u,) uint32: of each use, as the program numbers them
    members: np.ndarray  # (v, 2) uint32: op that takes no time, op that it follows from; by that
    given: np.ndarray  # (g, 3) uint32, the given ops: op, its stretch of ``members``
    sources: np.ndarray  # (s,) uint32, the others that are ready if all given ones are there
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
    n, t = graph.num_ops, graph.num_tensors
    local = (graph.tensor_alias == Alias.OWN) & (graph.tensor_outlives != Outlives.IN_PLACE)
    local_size = np.where(local, graph.tensor_bytes, 0)
    program = make_program(problem, local_size)
    position = np.empty(graph.num_uses, dtype=np.uint32)
    position[program.use] = np.arange(graph.num_uses)
    alias_use = np.full(t, NONE, dtype=np.uint32)
    views = np.flatnonzero(graph.tensor_alias >= 0)
    if len(views):
        key = graph.use_tensor.astype(np.int64) * n + graph.use_consumer
        wanted = graph.tensor_alias[views].astype(np.int64) * n + graph.tensor_producer[views]
        alias_use[views] = position[np.searchsorted(key, wanted)]
    inputs = np.diff(graph.op_use_ptr)
    given = np.flatnonzero(program.given)
    stretch = program.member_ptr[given], program.member_ptr[given + 1]
    counted = ~program.given[program.leader[graph.use_producer]]
    inputs = np.bincount(graph.use_consumer[counted], minlength=n)
    op = np.zeros(n, dtype=OP)
    op["packet"], op["plain"] = program.packet, program.plain
    op["inputs"] = inputs + np.where((problem.durations == 0).any(axis=0), INSTANT, 0)
    leads = program.leader == np.arange(n)

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
        program=program.words,
        op=op,
        durations=np.ascontiguousarray(problem.durations, dtype=np.int64),
        tensor=tensor,
        consumer=graph.use_consumer[program.use].astype(np.uint32),
        members=np.stack([program.members, program.leader[program.members]], axis=1).astype(
            np.uint32
        ),
        given=np.stack([given, *stretch], axis=1).astype(np.uint32),
        sources=np.flatnonzero((inputs == 0) & leads & ~program.given).astype(np.uint32),
        parameters=np.stack([holding, graph.parameter_bytes[holding]], axis=1),
        followers=np.stack([following, problem.colocation_leader[following]], axis=1),
        link=links[cluster.link_of],
        device_class=problem.device_class.astype(np.uint32),
        capacity=cluster.memory_bytes.copy(),
    )
