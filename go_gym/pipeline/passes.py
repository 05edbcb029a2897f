"""What each op of a captured step belongs to: forward, backward, weight gradients, the update, or
what is there before the step."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from go_gym.graph import PHASES, Alias, ComputationGraph

ADDITIONS = (["add"], ["add_"])
"""Names of addition, without namespace and overload."""
OPTIMIZER, BACKWARD = PHASES.index("optimizer"), PHASES.index("backward")


class Kind(IntEnum):
    """What an op is part of."""

    RESIDENT = 0
    """A parameter or a state, there before the step, or a view of one."""
    FORWARD = 1
    BACKWARD = 2
    """Backward, and gradients of earlier layers depend on it."""
    WEIGHTS = 3
    """Backward, for gradients of its own layer's parameters alone."""
    UPDATE = 4
    """The optimizer's step, what follows from it, and what adds up the gradients that a parameter
    has from several layers: each is summed over the micro-batches first, as runtimes do with tied
    embeddings."""


@dataclass(frozen=True, eq=False)
class StepParts:
    """The parts of a step of n ops and t tensors.

    Attributes:
        kind: (n,) int64, of :class:`Kind`.
        summed: (t,) bool: gradients, which the update reads and the passes make.
        whole: (t,) bool: gradients, what they are views of, and what is resident: of the same size
            however many examples there are.
    """

    kind: np.ndarray
    summed: np.ndarray
    whole: np.ndarray

    @property
    def once(self) -> np.ndarray:
        """(n,) bool: ops that run once a step, whatever the number of micro-batches."""
        return (self.kind == Kind.RESIDENT) | (self.kind == Kind.UPDATE)


def step_parts(graph: ComputationGraph) -> StepParts:
    """The parts of a captured step."""
    maker, user, tensor = graph.use_producer, graph.use_consumer, graph.use_tensor
    update = graph.phase == OPTIMIZER
    for op in range(graph.num_ops):  # topological: what follows from the update is part of it
        inputs = graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]
        update[op] |= bool(update[maker[inputs]].any()) and graph.phase[op] != BACKWARD
    resident = (np.diff(graph.op_use_ptr) == 0) & (graph.parameter_bytes > 0)
    for op in np.flatnonzero(graph.is_free & (np.diff(graph.op_use_ptr) > 0)).tolist():
        inputs = graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]
        resident[op] = resident[maker[inputs]].all()
    kind = np.where(graph.phase == BACKWARD, Kind.WEIGHTS, Kind.FORWARD)
    kind[update] = Kind.UPDATE
    kind[resident] = Kind.RESIDENT
    backward = kind == Kind.WEIGHTS
    for use in np.argsort(-maker, kind="stable").tolist():
        one, other = maker[use], user[use]
        if backward[one] and backward[other]:
            away = graph.layer[one] != graph.layer[other] or kind[other] == Kind.BACKWARD
            if away:
                kind[one] = Kind.BACKWARD
    _tie(graph, kind)
    summed = np.zeros(graph.num_tensors, dtype=bool)
    passed = ~np.isin(kind, (Kind.UPDATE, Kind.RESIDENT))
    summed[tensor[passed[maker] & (kind[user] == Kind.UPDATE)]] = True
    whole = summed | ~passed[graph.tensor_producer]
    for each in np.flatnonzero(summed).tolist():
        parent = int(graph.tensor_alias[each])
        while parent >= 0:
            whole[parent] = True
            parent = int(graph.tensor_alias[parent])
    return StepParts(kind, summed, whole | (graph.tensor_alias == Alias.PARAMETER))


def _tie(graph: ComputationGraph, kind: np.ndarray) -> None:
    """Make additions of several layers' gradients, and what follows from them, part of the
    update."""
    additions = [i for i, name in enumerate(graph.op_types) if name.split(".")[1:2] in ADDITIONS]
    adds = np.isin(graph.op_type, additions)
    for op in np.flatnonzero(kind == Kind.WEIGHTS).tolist():
        inputs = graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]
        makers = graph.use_producer[inputs]
        layers = np.unique(graph.layer[makers])
        if (adds[op] and len(layers) > 1) or (kind[makers] == Kind.UPDATE).any():
            kind[op] = Kind.UPDATE
