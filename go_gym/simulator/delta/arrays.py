"""What delta simulation keeps beside the engine's working memory: the recorded run and the move.

n ops, t tensors, u uses, d devices. Times are ns, sizes bytes.
"""

from typing import NamedTuple

import numpy as np

from go_gym.graph import Outlives
from go_gym.problem import Problem
from go_gym.simulator.tables import Tables

OUTCOME = np.dtype(
    [
        ("step_time", np.int64),
        ("bytes_moved", np.int64),
        ("oom_time", np.int64),  # the first lack of memory, -1 if none
        ("oom_device", np.int64),
        ("misplaced", np.int64),  # the first op away from its co-location group, -1 if none
    ]
)


class GraphIndex(NamedTuple):
    """Who makes and who uses what, as far as the engine's tables do not tell."""

    op_use_ptr: np.ndarray  # (n + 1,) int64, stretches of
    input_producer: np.ndarray  # (u,) uint32: the ops that make an op's inputs
    op_tensor_ptr: np.ndarray  # (n + 1,) int64, tensors of each op
    tensor_producer: np.ndarray  # (t,) uint32
    tensor_use_ptr: np.ndarray  # (t + 1,) int64, stretches of
    use_consumer: np.ndarray  # (u,) uint32, uses numbered as in the tables
    lasting: np.ndarray  # (t,) bool: held until the end of the step
    shared: np.ndarray  # (s,) uint32: tensors of which one that lasts is a view
    leader: np.ndarray  # (n,) uint32: the op that each follows from, itself for no member
    member_ptr: np.ndarray  # (n + 1,) int64, stretches of the tables' members, by leader
    timed: np.ndarray  # (m,) uint32: ops that take time on some device
    parameter_bytes: np.ndarray  # (n,) int64
    grouped: np.ndarray  # (n,) bool: of a co-location group of several ops


def make_index(problem: Problem, tables: Tables) -> GraphIndex:
    """The GraphIndex of a problem's graph."""
    graph, leader, n = problem.graph, problem.colocation_leader, problem.num_ops
    lasting = graph.tensor_outlives != Outlives.NO
    follows = np.arange(n, dtype=np.uint32)
    follows[tables.members[:, 0]] = tables.members[:, 1]
    return GraphIndex(
        op_use_ptr=graph.op_use_ptr.astype(np.int64),
        input_producer=graph.use_producer[graph.op_uses].astype(np.uint32),
        op_tensor_ptr=graph.op_tensor_ptr.astype(np.int64),
        tensor_producer=graph.tensor_producer.astype(np.uint32),
        tensor_use_ptr=graph.tensor_use_ptr.astype(np.int64),
        use_consumer=tables.consumer.copy(),
        lasting=lasting,
        shared=_viewed(graph.tensor_alias, lasting),
        leader=follows,
        member_ptr=np.searchsorted(tables.members[:, 1], np.arange(n + 1)).astype(np.int64),
        timed=np.flatnonzero(problem.durations.max(axis=0) > 0).astype(np.uint32),
        parameter_bytes=graph.parameter_bytes.astype(np.int64),
        grouped=np.bincount(leader, minlength=n)[leader] > 1,
    )


def _viewed(alias: np.ndarray, lasting: np.ndarray) -> np.ndarray:
    """(s,) uint32: what ``lasting`` tensors are views of, and what that is a view of."""
    viewed: list[np.ndarray] = []
    views = np.flatnonzero(lasting & (alias >= 0))
    while len(views):
        viewed.append(np.unique(alias[views]))
        views = viewed[-1][alias[viewed[-1]] >= 0]
    return np.unique(np.concatenate([np.empty(0, dtype=np.uint32), *viewed])).astype(np.uint32)


class RecordedRun(NamedTuple):
    """The whole run of the decision at hand, which the checkpoints are of."""

    placement: np.ndarray  # (n,) int64
    start: np.ndarray  # (n,) int64, when each op starts
    finish: np.ndarray  # (n,) int64, and ends
    busy: np.ndarray  # (d,) int64
    last_peak: np.ndarray  # (d,) int64, peak of memory since the last checkpoint
    outcome: np.ndarray  # (1,) OUTCOME


class Move(NamedTuple):
    """The move that is simulated. ``affected`` is False between runs."""

    placement: np.ndarray  # (n,) int64, the recorded one, but for the ops that move
    ops: np.ndarray  # (n,) uint32, the ops that do, as many as `place` says
    affected: np.ndarray  # (t,) bool, what they make, and what that is a view of
    device_ops: np.ndarray  # (d,) uint64, how many ops each device has
    apart: np.ndarray  # (1,) int64, how many groups of members are not on one device
    device_ns: np.ndarray  # (d,) int64, how long they take in all
    room: np.ndarray  # (d,) int64, bytes that it has beside the parameters


COPY = np.dtype([("until", np.int64), ("open", np.bool_)])
"""Until when ops are known to need a copy of a tensor (0: none does, the last moment: that cannot
be known); whether a view that no move affects shares it as well, which may be for longer."""


class Scratch(NamedTuple):
    """Memory for comparing a run with the recorded one; all but ``mark``, ``rest_peak`` is 0
    between uses."""

    mark: np.ndarray  # (max(n, d + u),) int64
    copy: np.ndarray  # (2, d) COPY, of one tensor: in the recorded run, and in the other
    home: np.ndarray  # (2, t) COPY, where a tensor was made: likewise
    changed: np.ndarray  # (d,) bool: does a device hold more or fewer bytes than it did?
    least: np.ndarray  # (d, k + 1) int64: by how many bytes at least its peak up to each of the k
    most: np.ndarray  # (d, k + 1) int64: checkpoints, and after the last, changes, and at most
    rest_peak: np.ndarray  # (d,) int64, peak of memory from a checkpoint on


def make_arrays(
    problem: Problem, tables: Tables, placement: np.ndarray, checkpoints: int
) -> tuple[RecordedRun, Move, Scratch]:
    """Room for the run of a placement (n,) of which nothing is recorded yet, and no move."""
    n, t, d = problem.num_ops, problem.graph.num_tensors, problem.num_devices
    room = problem.cluster.memory_bytes.copy()
    np.subtract.at(room, placement, problem.graph.parameter_bytes)
    device_ns = np.zeros(d, dtype=np.int64)
    took = problem.durations[problem.device_class[placement], np.arange(n)]
    np.add.at(device_ns, placement, took)
    run = RecordedRun(
        placement=np.array(placement, dtype=np.int64),
        start=np.zeros(n, dtype=np.int64),
        finish=np.zeros(n, dtype=np.int64),
        busy=np.zeros(d, dtype=np.int64),
        last_peak=np.zeros(d, dtype=np.int64),
        outcome=np.zeros(1, dtype=OUTCOME),
    )
    leader = tables.members[:, 1]
    elsewhere = placement[tables.members[:, 0]] != placement[leader]
    move = Move(
        placement=run.placement.copy(),
        ops=np.zeros(n, dtype=np.uint32),
        affected=np.zeros(t, dtype=np.bool_),
        device_ops=np.bincount(placement, minlength=d).astype(np.uint64),
        apart=np.array([len(np.unique(leader[elsewhere]))]),
        device_ns=device_ns,
        room=room,
    )
    scratch = Scratch(
        mark=np.zeros(max(n, d + problem.graph.num_uses), dtype=np.int64),
        copy=np.zeros((2, d), dtype=COPY),
        home=np.zeros((2, t), dtype=COPY),
        changed=np.zeros(d, dtype=np.bool_),
        least=np.zeros((d, checkpoints + 1), dtype=np.int64),
        most=np.zeros((d, checkpoints + 1), dtype=np.int64),
        rest_peak=np.zeros(d, dtype=np.int64),
    )
    return run, move, scratch
