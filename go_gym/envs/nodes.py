"""The nodes that an agent sees and decides about: the ops, or groups of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from go_gym.graph.features import OP_FEATURES, edges, log_scaled, op_features
from go_gym.partitions.coarsening import bounded_groups
from go_gym.partitions.grouping import Groups, directed_edges
from go_gym.problem import Problem


@dataclass(frozen=True, eq=False)
class Nodes:
    """What a decision's rows stand for.

    Attributes:
        problem: whose ops.
        groups: a node a group; None for a node an op.
    """

    problem: Problem
    groups: Groups | None = None

    @classmethod
    def of(cls, problem: Problem, limit: int | None) -> "Nodes":
        """The ops, or at most ``limit`` groups of them (:func:`bounded_groups`)."""
        return cls(problem, None if limit is None else bounded_groups(problem, limit))

    @property
    def count(self) -> int:
        return self.problem.num_ops if self.groups is None else self.groups.count

    def spread(self, column: np.ndarray) -> np.ndarray:
        """(n,): to each op its node's entry of ``column`` (count,)."""
        return column if self.groups is None else column[self.groups.of_op]

    def gathered(self, column: np.ndarray) -> np.ndarray:
        """(count,): of each node its longest op's entry of ``column`` (n,)."""
        return column if self.groups is None else column[self.longest]

    def name(self, node: int) -> str:
        """What an error calls a node: its op, or its longest one."""
        op = node if self.groups is None else int(self.longest[node])
        kind = "op" if self.groups is None else "group of op"
        return f"{kind} {self.problem.graph.op_names[op]!r}"

    @cached_property
    def longest(self) -> np.ndarray:
        """(count,) int64: the op of each node that takes longest, the last of equal ones."""
        rising = np.argsort(self.problem.mean_durations, kind="stable")
        result = np.empty(self.count, dtype=np.int64)
        result[rising if self.groups is None else self.groups.of_op[rising]] = rising
        return result

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The ops of each node, rising."""
        if self.groups is None:
            return list(np.arange(self.count)[:, None])
        order = np.argsort(self.groups.of_op, kind="stable")
        sizes = np.bincount(self.groups.of_op, minlength=self.count)
        return np.split(order, np.cumsum(sizes)[:-1])

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends (e, 2) int32, producer and consumer, and features (e, 1) float32.

        A feature is log2(1 + bytes) / 64. Ops have an edge a use, groups one an ordered pair with
        each tensor counted once.
        """
        if self.groups is None:
            return edges(self.problem.graph)
        source, target, size = directed_edges(self.problem, self.groups)
        ends = np.stack([source, target], axis=1).astype(np.int32)
        return ends, log_scaled(size)[:, None].astype(np.float32)

    def durations(self) -> np.ndarray:
        """(count, devices) ns: the work of each node on each device."""
        table = self.problem.durations
        if self.groups is not None:
            table = np.stack([np.bincount(self.groups.of_op, row, self.count) for row in table])
        return table[self.problem.device_class].T

    def features(self) -> np.ndarray:
        """(count, len(OP_FEATURES)) float32 in [0, 1].

        Of a group: FLOPs and bytes are sums, inputs and consumers its edges to other groups, the
        shape that of its longest op; depth, position, free and phases are means over its ops.
        """
        graph, groups = self.problem.graph, self.groups
        table = op_features(graph)
        if groups is None:
            return table
        at = {name: index for index, name in enumerate(OP_FEATURES)}

        def total(values: np.ndarray) -> np.ndarray:
            return np.bincount(groups.of_op, values, groups.count)

        size = np.bincount(groups.of_op, minlength=groups.count)
        result = np.stack([total(column) / size for column in table.T], axis=1)
        produced = np.bincount(graph.tensor_producer, graph.tensor_bytes, graph.num_ops)
        sums = {
            "log_flops": total(graph.flops),
            "log_bytes_read": total(graph.bytes_read),
            "log_bytes_written": total(graph.bytes_written),
            "log_parameter_bytes": total(graph.parameter_bytes),
            "log_output_bytes": total(produced),
            "log_inputs": np.bincount(self.edges[0][:, 1], minlength=groups.count),
            "log_consumers": np.bincount(self.edges[0][:, 0], minlength=groups.count),
        }
        for name, values in sums.items():
            result[:, at[name]] = log_scaled(values)
        shape = [index for name, index in at.items() if name.startswith("log_shape")]
        result[:, shape] = table[self.longest][:, shape]
        return result.astype(np.float32)
