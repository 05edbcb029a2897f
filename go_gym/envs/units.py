"""The units that an agent sees and decides about: the ops, or the parts of a partition of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.graph.features import OP_FEATURES, edges, log_scaled, op_features
from go_gym.partitions import Partition
from go_gym.partitions.bounded import bounded_partition
from go_gym.partitions.quotient import directed_edges
from go_gym.problem import Problem


@dataclass(frozen=True, eq=False)
class Units:
    """What a decision's rows stand for.

    Attributes:
        problem: whose ops.
        partition: a unit a part; None for a unit an op.
    """

    problem: Problem
    partition: Partition | None = None

    @classmethod
    def of(cls, problem: Problem, limit: int | None) -> "Units":
        """The ops, or at most ``limit`` parts of them (:func:`bounded_partition`)."""
        return cls(problem, None if limit is None else bounded_partition(problem, limit))

    @property
    def count(self) -> int:
        """How many units the learner sees: parts, or ops where there is no partition."""
        return self.problem.num_ops if self.partition is None else self.partition.count

    def spread(self, column: np.ndarray) -> np.ndarray:
        """(n,): to each op its unit's entry of ``column`` (count,)."""
        return column if self.partition is None else column[self.partition.part_of]

    def gathered(self, column: np.ndarray) -> np.ndarray:
        """(count,): of each unit its longest op's entry of ``column`` (n,)."""
        return column if self.partition is None else column[self.longest]

    def name(self, unit: int) -> str:
        """What an error calls a unit: its op, or its longest one."""
        op = unit if self.partition is None else int(self.longest[unit])
        kind = "op" if self.partition is None else "group of op"
        return f"{kind} {self.problem.graph.op_names[op]!r}"

    @cached_property
    def longest(self) -> np.ndarray:
        """(count,) int64: the op of each unit that takes longest, the last of equal ones."""
        if self.partition is None:
            return np.arange(self.count)
        return self.partition.longest(self.problem.mean_durations, ties="last")

    @cached_property
    def parameter_bytes(self) -> np.ndarray:
        """(count,) int64: what each unit's ops hold on their device during the whole step."""
        found = np.zeros(self.count, dtype=np.int64)
        partition = self.partition or Partition.singletons(self.count)
        np.add.at(found, partition.part_of, self.problem.graph.parameter_bytes)
        return found

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The ops of each unit, rising."""
        partition = self.partition or Partition.singletons(self.count)
        return np.split(partition.order, partition.pointers[1:-1])

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends (e, 2) int32, producer and consumer, and features (e, 1) float32.

        A feature is log2(1 + bytes) / 64. Ops have an edge a use, parts one an ordered pair with
        each tensor counted once.
        """
        if self.partition is None:
            return edges(self.problem.graph)
        source, target, size = directed_edges(self.problem, self.partition)
        ends = np.stack([source, target], axis=1).astype(np.int32)
        return ends, log_scaled(size)[:, None].astype(np.float32)

    def durations(self) -> np.ndarray:
        """(count, devices) ns: the work of each unit on each device."""
        table = self.problem.durations
        if self.partition is not None:
            part_of = self.partition.part_of
            table = np.stack([np.bincount(part_of, row, self.count) for row in table])
        found: np.ndarray = table[self.problem.device_class].T
        return found

    def features(self) -> np.ndarray:
        """(count, len(OP_FEATURES)) float32 in [0, 1].

        Of a part: FLOPs and bytes are sums, inputs and consumers its edges to other parts, the
        shape that of its longest op; depth, position, free and phases are means over its ops.
        """
        graph, partition = self.problem.graph, self.partition
        table = op_features(graph)
        if partition is None:
            return table
        at = {name: index for index, name in enumerate(OP_FEATURES)}

        def total(values: np.ndarray) -> np.ndarray:
            return np.bincount(partition.part_of, values, partition.count)

        result = np.stack([total(column) / partition.sizes for column in table.T], axis=1)
        produced = np.bincount(graph.tensor_producer, graph.tensor_bytes, graph.num_ops)
        sums = {
            "log_flops": total(graph.flops),
            "log_bytes_read": total(graph.bytes_read),
            "log_bytes_written": total(graph.bytes_written),
            "log_parameter_bytes": total(graph.parameter_bytes),
            "log_output_bytes": total(produced),
            "log_inputs": np.bincount(self.edges[0][:, 1], minlength=partition.count),
            "log_consumers": np.bincount(self.edges[0][:, 0], minlength=partition.count),
        }
        for name, values in sums.items():
            result[:, at[name]] = log_scaled(values)
        shape = [index for name, index in at.items() if name.startswith("log_shape")]
        result[:, shape] = table[self.longest][:, shape]
        return result.astype(np.float32)


def some_fit(fits: np.ndarray) -> np.ndarray:
    """(…, devices) bool: ``fits``, and all devices where none fits."""
    return fits | ~fits.any(axis=-1, keepdims=True)
