"""The columns of a computation graph, what their codes mean, and what follows from them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from go_gym.graph.frozen import ReadOnlyArrays, frozen

PHASES = ("forward", "backward", "optimizer")
DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "float8",
    "int64",
    "int32",
    "int8",
    "bool",
    "other",
)
SHAPE_DIMS = 6
"""Dimensions kept of an output shape; further ones are multiplied into the last."""

ANY_DEVICE = "*"
"""Kind of a measured duration that holds on every device."""
BY_POSITION = "device:"
"""Prefix of the kind of a measured duration that holds for the cluster's device of that number."""


class Alias:
    """Values of ``tensor_alias`` that are not a tensor number."""

    OWN = -1
    """The tensor has storage of its own."""
    PARAMETER = -2
    """The tensor is its producer's parameter, resident there for the whole step."""


class Outlives:
    """Values of ``tensor_outlives``: which tensors are there after the step, and where."""

    NO = 0
    """Gone with its last use."""
    HELD = 1
    """A result that is held where it is made until the step ends, such as the loss."""
    IN_PLACE = 2
    """A result written over what is resident there: the new value of a parameter, of a state of
    the optimizer or of a buffer. It takes no memory of its own where it is made."""


# Wide: an attribute for each column of the file
@dataclass(frozen=True, eq=False, repr=False)
class GraphColumns(ReadOnlyArrays):
    """What :class:`ComputationGraph` holds: the arrays alone, without the ways to make one.

    Arrays are read-only. ``n`` ops in topological order, ``t`` tensors (sorted by producer),
    ``u`` uses (sorted by tensor, then consumer), ``k`` kinds of measured duration.
    """

    name: str
    op_names: tuple[str, ...]
    op_types: tuple[str, ...]  # the table that op_type indexes
    layers: tuple[str, ...]  # the table that layer indexes, in order of first appearance
    duration_kinds: tuple[str, ...]  # (k,) device kind, ANY_DEVICE or BY_POSITION + number

    op_type: np.ndarray  # (n,) int32, index into op_types
    dtype: np.ndarray  # (n,) uint8, index into DTYPES: the arithmetic's
    flops: np.ndarray  # (n,) int64
    bytes_read: np.ndarray  # (n,) int64
    bytes_written: np.ndarray  # (n,) int64
    parameter_bytes: np.ndarray  # (n,) int64, resident on the op's device
    colocation: np.ndarray  # (n,) int32, group number or -1
    phase: np.ndarray  # (n,) uint8, index into PHASES
    layer: np.ndarray  # (n,) int32, index into layers or -1
    shape: np.ndarray  # (n, SHAPE_DIMS) int64, shape of the first output, padded with -1
    durations: np.ndarray  # (n, k) int64 ns, -1 where the cost model decides

    tensor_producer: np.ndarray  # (t,) int32
    tensor_bytes: np.ndarray  # (t,) int64
    tensor_alias: np.ndarray  # (t,) int32, tensor whose storage it shares, or Alias.*
    tensor_outlives: np.ndarray  # (t,) uint8, Outlives.*
    use_tensor: np.ndarray  # (u,) int32
    use_consumer: np.ndarray  # (u,) int32

    source_index: np.ndarray  # (n,) int64, number of each op in the caller's input
    tensor_source_index: np.ndarray  # (t,) int64, likewise for tensors
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_ops(self) -> int:
        """n."""
        return len(self.op_type)

    @property
    def num_tensors(self) -> int:
        """t."""
        return len(self.tensor_producer)

    @property
    def num_uses(self) -> int:
        """u."""
        return len(self.use_tensor)

    @cached_property
    def is_free(self) -> np.ndarray:
        """(n,) bool: ops that cost nothing anywhere (views, getitems, parameters, inputs)."""
        unmeasured = (self.durations <= 0).all(axis=1)
        idle = (self.flops == 0) & (self.bytes_read == 0) & (self.bytes_written == 0)
        return frozen(idle & unmeasured)

    @cached_property
    def op_tensor_ptr(self) -> np.ndarray:
        """(n + 1,) int64: tensors of op i are ``op_tensor_ptr[i]:op_tensor_ptr[i + 1]``."""
        return _pointers(self.tensor_producer, self.num_ops)

    @cached_property
    def tensor_use_ptr(self) -> np.ndarray:
        """(t + 1,) int64: uses of tensor j are ``tensor_use_ptr[j]:tensor_use_ptr[j + 1]``."""
        return _pointers(self.use_tensor, self.num_tensors)

    @cached_property
    def op_use_ptr(self) -> np.ndarray:
        """(n + 1,) int64: pointers into ``op_uses`` by consumer."""
        return _pointers(self.use_consumer, self.num_ops)

    @cached_property
    def op_uses(self) -> np.ndarray:
        """(u,) int32: use numbers sorted by consumer, then tensor: an op's inputs."""
        order = np.argsort(self.use_consumer, kind="stable")
        return frozen(order.astype(np.int32))

    @cached_property
    def use_producer(self) -> np.ndarray:
        """(u,) int32: the op that produces the used tensor."""
        return frozen(self.tensor_producer[self.use_tensor])

    @cached_property
    def content_hash(self) -> str:
        """Hex SHA-256 of all that a simulator or learner sees; not of the name or metadata.

        That of a graph of which nothing outlives the step is the one of before there was a column
        for that.
        """
        digest = hashlib.sha256()
        tables = [self.op_names, self.op_types, self.layers, self.duration_kinds]
        digest.update(json.dumps(tables, ensure_ascii=False).encode())
        for column, kind in COLUMNS.items():
            array = getattr(self, column)
            if column == "tensor_outlives" and not array.any():
                continue
            digest.update(f"{column}{array.shape}".encode())
            little = np.ascontiguousarray(array, dtype=np.dtype(kind).newbyteorder("<"))
            digest.update(little.data)
        return digest.hexdigest()


COLUMNS: dict[str, type[np.generic]] = {
    "op_type": np.int32,
    "dtype": np.uint8,
    "flops": np.int64,
    "bytes_read": np.int64,
    "bytes_written": np.int64,
    "parameter_bytes": np.int64,
    "colocation": np.int32,
    "phase": np.uint8,
    "layer": np.int32,
    "shape": np.int64,
    "durations": np.int64,
    "tensor_producer": np.int32,
    "tensor_bytes": np.int64,
    "tensor_alias": np.int32,
    "tensor_outlives": np.uint8,
    "use_tensor": np.int32,
    "use_consumer": np.int32,
}
"""The stored columns in file and hash order, with their dtypes."""


def _pointers(sorted_or_not: np.ndarray, size: int) -> np.ndarray:
    counts = np.bincount(sorted_or_not, minlength=size)
    pointers = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(counts, out=pointers[1:])
    return frozen(pointers)
