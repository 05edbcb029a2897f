"""A Decision: what an agent says of each op."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from go_gym.errors import DecisionError, refuse_masked
from go_gym.graph.frozen import ReadOnlyArrays


@dataclass(frozen=True, eq=False)
class Decision(ReadOnlyArrays):
    """What an agent decides, per stored op of the graph.

    Attributes:
        placement: (n,) device numbers.
        priority: (n,) whole numbers above -2⁶³, the highest ready op runs first; None for FIFO.
        fusion: (n,) whole numbers from 0: ops above 0 are fused with their consumers where that
            is legal, highest first (see :mod:`go_gym.fusion`); None for no fusion.
        order: (n,) the rank of each op in one sequence of all, a permutation of 0 to n - 1: each
            device starts its ops strictly in that sequence, and waits for its next one. Ops that
            take no time there do not queue, and so stand in no device's sequence; a kernel has the
            place of its root, the op that gives its result. None for none, and
            wherever a priority is given.

    Raises:
        DecisionError: for a column that is not one of whole numbers, or out of range.
    """

    placement: np.ndarray | Sequence[int]
    priority: np.ndarray | Sequence[int] | None = None
    fusion: np.ndarray | Sequence[int] | None = None
    order: np.ndarray | Sequence[int] | None = None

    @property
    def decides_order(self) -> bool:
        """Does it say more of the order of ops than first come, first served?"""
        return self.priority is not None or self.order is not None

    def __post_init__(self) -> None:
        object.__setattr__(self, "placement", whole_column("placement", self.placement))
        # the negative of -2^63, which would order a heap, is none
        for label, low, expected in (("priority", 1 - 2**63, "above -2^63"), ("fusion", 0, "0 up")):
            values = getattr(self, label)
            if values is not None:
                column = whole_column(label, values)
                place = int(column.argmin())
                if column[place] < low:
                    raise DecisionError(f"{label}[{place}]: {column[place]}, expected {expected}")
                object.__setattr__(self, label, column)
        if self.order is not None:
            if self.priority is not None:
                raise DecisionError("order: given with a priority, expected one of the two")
            column = whole_column("order", self.order)
            _check_permutation(column)
            object.__setattr__(self, "order", column)


def _check_permutation(order: np.ndarray) -> None:
    """Raise DecisionError unless each rank stands once."""
    outside = (order < 0) | (order >= len(order))
    if outside.any():
        op = int(np.argmax(outside))
        raise DecisionError(f"order[{op}]: {order[op]}, expected 0 to {len(order) - 1}")
    counts = np.bincount(order, minlength=len(order))
    if counts.max() > 1:
        op = int(np.argmax(counts[order] > 1))
        raise DecisionError(f"order[{op}]: rank {order[op]} is given to {counts[order[op]]} ops")


def whole_column(label: str, values: Any) -> np.ndarray:
    """(n,) int64, not writeable; raises DecisionError naming ``label`` for anything else."""
    refuse_masked(label, values, DecisionError)
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise DecisionError(f"{label}: not an array of whole numbers: {error}") from None
    if array.ndim != 1 or array.size == 0:
        raise DecisionError(f"{label}: shape {array.shape}, expected (ops,)")
    if array.dtype.kind not in "iu" or array.dtype == np.uint64:
        raise DecisionError(f"{label}: dtype {array.dtype}, expected whole numbers (int64)")
    if array.dtype == np.int64 and not array.flags.writeable and array.base is None:
        return array
    column = array.astype(np.int64)
    column.setflags(write=False)
    return column
