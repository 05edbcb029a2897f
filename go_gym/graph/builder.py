"""A graph under construction, op by op."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from go_gym.graph.columns import Alias, Outlives
from go_gym.graph.model import ComputationGraph


@dataclass(slots=True)
class Op:
    """One op, as a row of :meth:`ComputationGraph.from_arrays`; it may be filled in later.

    Attributes:
        kind: its type, as ``"aten.mm"``.
        name: unique, None for ``op0``, ``op1``, … by number.
        dtype, shape: of its first output.
        phase: one of ``PHASES``.
        layer: the layer tag, None for none.
        flops, bytes_read, bytes_written: what it costs; all 0 for one that costs nothing.
        parameter_bytes: resident on its device for the whole step.
        colocation: number of the group that shares a device, -1 for none.
    """

    kind: str
    name: str | None = None
    dtype: str = "float32"
    shape: tuple[int, ...] = ()
    phase: str = "forward"
    layer: str | None = None
    flops: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    parameter_bytes: int = 0
    colocation: int = -1


@dataclass
class GraphBuilder:
    """Ops, tensors and uses in the order in which they are added; :meth:`graph` checks and sorts.

    >>> builder = GraphBuilder()
    >>> tensor = builder.add_tensor(builder.add_op(Op("matmul", flops=2_000)), size=400)
    >>> consumer = builder.add_op(Op("relu", flops=100), inputs=[tensor])
    >>> builder.graph("pair").num_ops
    2

    Attributes:
        ops: the rows of the ops.
        tensors: (producer op, bytes) of each tensor.
        aliases: the tensor whose storage each shares, or ``Alias.*``.
        outlives: what of them is there after the step, ``Outlives.*``.
        uses: (tensor, consumer op).
    """

    ops: list[Op] = field(default_factory=list)
    tensors: list[tuple[int, int]] = field(default_factory=list)
    aliases: list[int] = field(default_factory=list)
    outlives: list[int] = field(default_factory=list)
    uses: list[tuple[int, int]] = field(default_factory=list)

    def add_op(self, op: Op, inputs: Iterable[int] = ()) -> int:
        """Add an op that uses the tensors ``inputs``; its number."""
        self.ops.append(op)
        number = len(self.ops) - 1
        self.uses += [(tensor, number) for tensor in inputs]
        return number

    def add_tensor(self, producer: int, size: int, alias: int = Alias.OWN) -> int:
        """Add an output of ``size`` bytes to op ``producer``; the tensor's number."""
        self.tensors.append((producer, size))
        self.aliases.append(alias)
        self.outlives.append(Outlives.NO)
        return len(self.tensors) - 1

    def producer(self, tensor: int) -> Op:
        """The op that makes a tensor."""
        return self.ops[self.tensors[tensor][0]]

    def spread_layers(self) -> None:
        """Give each op without a layer that of an input, else of a consumer."""
        for tensor, number in self.uses:
            op = self.ops[number]
            if op.layer is None:
                op.layer = self.producer(tensor).layer
        for tensor, number in reversed(self.uses):
            producer = self.producer(tensor)
            if producer.layer is None:
                producer.layer = self.ops[number].layer

    def graph(
        self,
        name: str,
        metadata: Mapping[str, Any] | None = None,
        durations: Any = None,
        duration_kinds: Sequence[str] = (),
    ) -> ComputationGraph:
        """The checked graph, its ops in topological order; measured ``durations`` (ops, kinds) ns.

        Raises:
            GraphError: naming the op, tensor or column at fault.
        """
        ops = self.ops
        return ComputationGraph.from_arrays(
            name,
            num_ops=len(ops),
            tensors=self.tensors,
            uses=self.uses,
            aliases=self.aliases,
            outlives=self.outlives,
            op_names=[op.name or f"op{number}" for number, op in enumerate(ops)],
            op_types=[op.kind for op in ops],
            layers=[op.layer for op in ops],
            phases=[op.phase for op in ops],
            dtypes=[op.dtype for op in ops],
            shapes=[op.shape for op in ops],
            flops=[op.flops for op in ops],
            bytes_read=[op.bytes_read for op in ops],
            bytes_written=[op.bytes_written for op in ops],
            parameter_bytes=[op.parameter_bytes for op in ops],
            colocation=[op.colocation for op in ops],
            durations=durations,
            duration_kinds=duration_kinds,
            metadata=metadata,
        )


def with_counts(graph: ComputationGraph, metadata: Mapping[str, Any]) -> ComputationGraph:
    """The same graph with ``metadata``, the number of its ops (with views and getitems:
    ``raw_ops``) and of those that cost something (``contracted_ops``)."""
    counts = {"raw_ops": graph.num_ops, "contracted_ops": int((~graph.is_free).sum())}
    return replace(graph, metadata={**metadata, **counts})
