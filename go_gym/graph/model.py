"""ComputationGraph: the operations of one training step, their tensors, and who uses which."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

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


@dataclass(frozen=True, eq=False)
class ComputationGraph:
    """A directed acyclic graph of operations in topological order (structure of arrays).

    Arrays are read-only. ``n`` ops, ``t`` tensors (sorted by producer), ``u`` uses (sorted by
    tensor, then consumer), ``k`` kinds of measured duration. Build one with :meth:`from_costs`,
    :meth:`from_arrays` or :meth:`load`; the constructor itself checks nothing.
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
    use_tensor: np.ndarray  # (u,) int32
    use_consumer: np.ndarray  # (u,) int32

    source_index: np.ndarray  # (n,) int64, number of each op in the caller's input
    tensor_source_index: np.ndarray  # (t,) int64, likewise for tensors
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_costs(
        cls,
        durations: Sequence[int] | np.ndarray,
        tensors: Sequence[tuple[int, int]] | np.ndarray,
        uses: Sequence[tuple[int, int]] | np.ndarray,
        *,
        parameter_bytes: Sequence[int] | np.ndarray | None = None,
        colocation: Sequence[int] | np.ndarray | None = None,
        names: Sequence[str] | None = None,
        aliases: Sequence[int] | np.ndarray | None = None,
        layers: Sequence[str | None] | None = None,
        name: str = "graph",
    ) -> "ComputationGraph":
        """A graph from plain numbers, ops in any order.

        Args:
            durations: ns, whole numbers; shape (ops,) for every device alike, or (ops, devices),
                a column for each device of the cluster it will run on.
            tensors: (producer op, bytes) for each tensor; an op has any number of them.
            uses: (tensor, consumer op); repeated pairs count once.
            parameter_bytes: (ops,) bytes resident on the device of the op, default 0.
            colocation: (ops,) group numbers, -1 for none; ops of a group share a device.
            names: unique op names, default ``op0``, ``op1``, …
            aliases: (tensors,) the tensor whose storage each shares (an input of its producer),
                ``Alias.OWN`` (default) or ``Alias.PARAMETER``.
            layers: (ops,) layer tags, None for none.
            name: the graph's name.

        Returns:
            The graph in a stable topological order (smallest input number first);
            ``source_index[i]`` is the input number of stored op ``i``.

        Raises:
            GraphError: naming the op or tensor, for a cycle, a dangling id, a negative, NaN,
                fractional or overflowing cost, a wrong shape, or a repeated name.
        """
        from go_gym.graph.build import from_costs

        return from_costs(
            durations,
            tensors,
            uses,
            parameter_bytes=parameter_bytes,
            colocation=colocation,
            names=names,
            aliases=aliases,
            layers=layers,
            name=name,
        )

    @classmethod
    def from_arrays(cls, name: str, **columns: Any) -> "ComputationGraph":
        """A graph from full columns; see :func:`go_gym.graph.build.from_arrays`."""
        from go_gym.graph.build import from_arrays

        return from_arrays(name, **columns)

    @classmethod
    def load(cls, path: str | Path) -> "ComputationGraph":
        """Read a graph file, checking everything; raises FileFormatError or GraphError."""
        from go_gym.graph.io import load

        return load(path)

    def save(self, path: str | Path) -> None:
        """Write the graph to ``path`` (``.npz``), whole or not at all."""
        from go_gym.graph.io import save

        save(self, path)

    def __repr__(self) -> str:
        return (
            f"ComputationGraph({self.name!r}: {self.num_ops:,} ops, "
            f"{self.num_tensors:,} tensors, {self.num_uses:,} uses)"
        )

    @property
    def num_ops(self) -> int:
        return len(self.op_type)

    @property
    def num_tensors(self) -> int:
        return len(self.tensor_producer)

    @property
    def num_uses(self) -> int:
        return len(self.use_tensor)

    @cached_property
    def is_free(self) -> np.ndarray:
        """(n,) bool: ops that cost nothing anywhere (views, getitems, parameters, inputs)."""
        unmeasured = (self.durations <= 0).all(axis=1)
        idle = (self.flops == 0) & (self.bytes_read == 0) & (self.bytes_written == 0)
        return _frozen(idle & unmeasured)

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
        return _frozen(order.astype(np.int32))

    @cached_property
    def use_producer(self) -> np.ndarray:
        """(u,) int32: the op that produces the used tensor."""
        return _frozen(self.tensor_producer[self.use_tensor])

    @cached_property
    def depth(self) -> np.ndarray:
        """(n,) int32: number of uses on the longest path from a source op."""
        from go_gym.graph.topology import depths

        return _frozen(depths(self))

    @cached_property
    def content_hash(self) -> str:
        """Hex SHA-256 of all that a simulator or learner sees; not of the name or metadata."""
        digest = hashlib.sha256()
        tables = [self.op_names, self.op_types, self.layers, self.duration_kinds]
        digest.update(json.dumps(tables, ensure_ascii=False).encode())
        for column, kind in COLUMNS.items():
            array = getattr(self, column)
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
    "use_tensor": np.int32,
    "use_consumer": np.int32,
}
"""The stored columns in file and hash order, with their dtypes."""


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _pointers(sorted_or_not: np.ndarray, size: int) -> np.ndarray:
    counts = np.bincount(sorted_or_not, minlength=size)
    pointers = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(counts, out=pointers[1:])
    return _frozen(pointers)
