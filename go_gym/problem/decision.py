"""A Decision: what an agent says of each op."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from go_gym.errors import DecisionError, refuse_masked


@dataclass(frozen=True, eq=False)
class Decision:
    """What an agent decides, per stored op of the graph.

    Attributes:
        placement: (n,) device numbers.
        priority: (n,) whole numbers above -2⁶³, the highest ready op runs first; None for FIFO.
        fusion: (n,) whole numbers from 0: ops above 0 are fused with their consumers where that
            is legal, highest first (see :mod:`go_gym.fusion`); None for no fusion.

    Raises:
        DecisionError: for a column that is not one of whole numbers, or out of range.
    """

    placement: np.ndarray | Sequence[int]
    priority: np.ndarray | Sequence[int] | None = None
    fusion: np.ndarray | Sequence[int] | None = None

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
