"""ComputationGraph: the operations of one training step, their tensors, and who uses which."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from go_gym.files import atomic_write, read_bytes
from go_gym.graph import build, io, topology
from go_gym.graph.columns import GraphColumns
from go_gym.graph.frozen import frozen


@dataclass(frozen=True, eq=False, repr=False)
class ComputationGraph(GraphColumns):
    """A directed acyclic graph of operations in topological order (structure of arrays).

    Arrays are read-only. ``n`` ops, ``t`` tensors (sorted by producer), ``u`` uses (sorted by
    tensor, then consumer), ``k`` kinds of measured duration. Build one with :meth:`from_costs`,
    :meth:`from_arrays` or :meth:`load`; the constructor itself checks nothing.
    """

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
        outlives: Sequence[int] | np.ndarray | None = None,
        layers: Sequence[str | None] | None = None,
        name: str = "graph",
    ) -> Self:
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
            outlives: (tensors,) which are there after the step: ``Outlives.NO`` (default),
                ``Outlives.HELD`` or ``Outlives.IN_PLACE``.
            layers: (ops,) layer tags, None for none.
            name: the graph's name.

        Returns:
            The graph in a stable topological order (smallest input number first);
            ``source_index[i]`` is the input number of stored op ``i``.

        Raises:
            GraphError: naming the op or tensor, for a cycle, a dangling id, a negative, NaN,
                fractional or overflowing cost, a wrong shape, or a repeated name.
        """
        return build.from_costs(
            cls,
            durations,
            tensors,
            uses,
            parameter_bytes=parameter_bytes,
            colocation=colocation,
            names=names,
            aliases=aliases,
            outlives=outlives,
            layers=layers,
            name=name,
        )

    @classmethod
    def from_arrays(cls, name: str, **columns: Any) -> Self:
        """A graph from full columns; see :func:`go_gym.graph.build.from_arrays`."""
        return build.from_arrays(cls, name, **columns)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a graph file, checking everything; raises FileFormatError or GraphError."""
        return cls.from_bytes(read_bytes(path), path)

    @classmethod
    def from_bytes(cls, data: bytes, where: str | Path = "graph") -> Self:
        """The graph in a file's bytes; ``where`` names the file in errors."""
        return io.loads(cls, data, where)

    def save(self, path: str | Path) -> None:
        """Write the graph to ``path`` (``.npz``), whole or not at all."""
        atomic_write(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """What :meth:`save` writes; equal graphs give equal bytes."""
        return io.dumps(self)

    def __repr__(self) -> str:
        return (
            f"ComputationGraph({self.name!r}: {self.num_ops:,} ops, "
            f"{self.num_tensors:,} tensors, {self.num_uses:,} uses)"
        )

    @cached_property
    def depth(self) -> np.ndarray:
        """(n,) int32: number of uses on the longest path from a source op."""
        return frozen(topology.depths(self))
