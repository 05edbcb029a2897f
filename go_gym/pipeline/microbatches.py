"""A captured step in micro-batches: forward and backward run once for each, the update once.

What an op does for each example is parted evenly, to the last unit; what it does whatever the
batch is repeated: reading parameters, and writing gradients, each of which is added in place to
the sum of those before it. A graph does not say what depends on the batch: all that is neither
resident nor a gradient is thought to (our choice). Measured durations are parted evenly too.
"""

from dataclasses import dataclass

import numpy as np

from go_gym.errors import GoGymError
from go_gym.graph import DTYPES, PHASES, ComputationGraph, Outlives
from go_gym.graph.builder import GraphBuilder, Op
from go_gym.pipeline.passes import StepParts, step_parts

SUM = "aten.add_"
ITEM_BYTES = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "float8": 1, "int8": 1}
"""Bytes of an element, where they are not 4."""
ONCE = -1
"""Micro-batch of an op that runs once a step."""
MOST = 1024
"""Micro-batches, at most (our choice)."""


@dataclass(frozen=True, eq=False)
class MicroBatched:
    """A step in micro-batches.

    Attributes:
        graph: N ops.
        op: (N,) int64, the op of the captured step that each is a copy of, or whose gradient it
            adds up.
        micro: (N,) int64, of each, ONCE for what is resident and for the update.
        parts: of the captured step.
    """

    graph: ComputationGraph
    op: np.ndarray
    micro: np.ndarray
    parts: StepParts


def micro_batched(graph: ComputationGraph, micro: int) -> MicroBatched:
    """The step of ``graph`` in ``micro`` micro-batches; raises GoGymError for too many or none."""
    if not 1 <= micro <= MOST:
        raise GoGymError(f"micro-batches: {micro}, expected 1 to {MOST}")
    parts = step_parts(graph)
    copying = _Copying(graph, parts, micro)
    for op in range(graph.num_ops):
        copying.copy(op)
    name = graph.name if micro == 1 else f"{graph.name}/{micro}"
    made = copying.builder.graph(
        name, graph.metadata, np.array(copying.durations), graph.duration_kinds
    )
    back = made.source_index
    return MicroBatched(made, np.array(copying.op)[back], np.array(copying.micro)[back], parts)


class _Copying:
    """Copies ops in topological order; ``tensor[j]`` are the copies of tensor j by micro-batch,
    one where there is one, and ``total[j]`` the sum that stands for them in the update."""

    def __init__(self, graph: ComputationGraph, parts: StepParts, micro: int) -> None:
        self.graph, self.parts, self.parted = graph, parts, micro
        self.builder = GraphBuilder()
        self.op: list[int] = []
        self.micro: list[int] = []
        self.durations: list[list[int]] = []
        self.tensor: list[list[int]] = []
        self.total: dict[int, int] = {}
        whole = np.where(parts.whole, graph.tensor_bytes, 0)
        self.read = np.zeros(graph.num_ops, dtype=np.int64)
        np.add.at(self.read, graph.use_consumer, whole[graph.use_tensor])
        self.written = np.zeros(graph.num_ops, dtype=np.int64)
        np.add.at(self.written, graph.tensor_producer, whole)

    def copy(self, op: int) -> None:
        """All copies of an op, and the sums of its gradients."""
        graph = self.graph
        once = bool(self.parts.once[op])
        inputs = graph.use_tensor[graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]]
        outputs = range(graph.op_tensor_ptr[op], graph.op_tensor_ptr[op + 1])
        self.tensor += [[] for _ in outputs]
        for number in range(1 if once else self.parted):
            used = [self._input(tensor, number, once) for tensor in inputs.tolist()]
            made = self._add(self._row(op, number, once), used, op, ONCE if once else number)
            self.durations.append(
                [
                    each if once or each <= 0 else max(self._share(each, number), 1)
                    for each in graph.durations[op].tolist()
                ]
            )
            for tensor in outputs:
                self._output(tensor, made, number, once)
        for tensor in outputs:
            if self.parts.summed[tensor] and self.parted > 1:
                self._sum(tensor, op)

    def _add(self, row: Op, inputs: list[int], op: int, micro: int) -> int:
        self.op.append(op)
        self.micro.append(micro)
        return self.builder.add_op(row, inputs)

    def _share(self, amount: int, number: int) -> int:
        """The part of micro-batch ``number``; all parts add up to ``amount``."""
        return amount * (number + 1) // self.parted - amount * number // self.parted

    def _row(self, op: int, number: int, once: bool) -> Op:
        graph = self.graph
        costs = {
            label: int(getattr(graph, label)[op])
            for label in ("flops", "bytes_read", "bytes_written")
        }
        stays = {"bytes_read": int(self.read[op]), "bytes_written": int(self.written[op])}
        if not once:
            for label, amount in costs.items():
                kept = min(amount, stays.get(label, 0))
                costs[label] = kept + self._share(amount - kept, number)
        alone = once or self.parted == 1
        return Op(
            graph.op_types[graph.op_type[op]],
            graph.op_names[op] if alone else f"{graph.op_names[op]}/{number}",
            DTYPES[graph.dtype[op]],
            tuple(d for d in graph.shape[op].tolist() if d >= 0),
            PHASES[graph.phase[op]],
            None if graph.layer[op] < 0 else graph.layers[graph.layer[op]],
            parameter_bytes=int(graph.parameter_bytes[op]) if number == 0 else 0,
            colocation=int(graph.colocation[op]),
            **costs,
        )

    def _input(self, tensor: int, number: int, once: bool) -> int:
        """The copy of a tensor that micro-batch ``number`` uses, or the update."""
        if once and tensor in self.total:
            return self.total[tensor]
        copies = self.tensor[tensor]
        return copies[number] if len(copies) > 1 else copies[0]

    def _output(self, tensor: int, made: int, number: int, once: bool) -> None:
        graph = self.graph
        size = int(graph.tensor_bytes[tensor])
        if not once and not self.parts.whole[tensor]:
            size = self._share(size, number)
        alias = int(graph.tensor_alias[tensor])
        if alias >= 0:
            alias = self._input(alias, number, once)
        self.tensor[tensor].append(self.builder.add_tensor(made, size, alias))
        if self.parted == 1 or not self.parts.summed[tensor]:
            self.builder.outlives[-1] = int(graph.tensor_outlives[tensor])

    def _sum(self, tensor: int, op: int) -> None:
        """Add the gradients of later micro-batches to the first's, as each is made."""
        graph, size = self.graph, int(self.graph.tensor_bytes[tensor])
        dtype = DTYPES[graph.dtype[op]]
        so_far, *others = self.tensor[tensor]
        for number, each in enumerate(others, start=1):
            row = Op(
                SUM,
                f"{graph.op_names[op]}/{number}+{tensor}",
                dtype,
                phase=PHASES[graph.phase[op]],
                layer=None if graph.layer[op] < 0 else graph.layers[graph.layer[op]],
                flops=size // ITEM_BYTES.get(dtype, 4),
                bytes_read=2 * size,
                bytes_written=size,
                colocation=int(graph.colocation[op]),
            )
            made = self._add(row, [so_far, each], op, number)
            self.durations.append([-1] * len(graph.duration_kinds))
            so_far = self.builder.add_tensor(made, size, so_far)
        self.builder.outlives[-1] = int(graph.tensor_outlives[tensor]) & Outlives.HELD
        self.total[tensor] = so_far
