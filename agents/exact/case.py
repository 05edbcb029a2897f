"""A problem as whole numbers for the solver: groups, durations, edges, delays, sizes."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from go_gym.baselines.bounds import heads_and_tails
from go_gym.graph import Alias, Outlives
from go_gym.problem import Problem


@dataclass(frozen=True, eq=False)
class Case:
    """What the model is built from; times in units of ``unit`` ns, the greatest that divides all.

    Attributes:
        problem: graph and cluster.
    """

    problem: Problem

    @cached_property
    def group(self) -> list[int]:
        """(n,) what each op shares a device with, numbered from 0 in op order."""
        first: dict[int, int] = {}
        return [first.setdefault(op, len(first)) for op in self.problem.colocation_leader.tolist()]

    @cached_property
    def members(self) -> list[list[int]]:
        """The ops of each group."""
        found: list[list[int]] = [[] for _ in range(max(self.group) + 1)]
        for op, group in enumerate(self.group):
            found[group].append(op)
        return found

    @cached_property
    def _delays_ns(self) -> np.ndarray:
        """(t, d, d) int64 ns: what moving each tensor takes."""
        cluster, sizes = self.problem.cluster, self.problem.graph.tensor_bytes.tolist()
        d = cluster.num_devices
        return np.array(
            [
                [
                    [cluster.transfer_ns(s, k, m) if k != m else 0 for m in range(d)]
                    for k in range(d)
                ]
                for s in sizes
            ],
            dtype=np.int64,
        ).reshape(len(sizes), d, d)

    @cached_property
    def unit(self) -> int:
        """ns."""
        used = np.unique(np.concatenate([self.problem.durations.ravel(), self._delays_ns.ravel()]))
        return gcd(*used.tolist()) or 1

    @cached_property
    def durations(self) -> list[list[int]]:
        """(d, n) of each op on each device."""
        rows = [self.problem.durations_on(k) // self.unit for k in range(self.problem.num_devices)]
        return [row.tolist() for row in rows]

    @cached_property
    def delays(self) -> list[list[list[int]]]:
        """(t, d, d) of each tensor between devices."""
        return (self._delays_ns // self.unit).tolist()

    @cached_property
    def window(self) -> tuple[list[int], list[int]]:
        """(n,) each: no op starts earlier, and after its end the step goes on for as long."""
        fastest = self.problem.durations.min(axis=0) // self.unit
        head, tail = heads_and_tails(self.problem, fastest)
        return head.tolist(), tail.tolist()

    @cached_property
    def consumers(self) -> list[list[int]]:
        """The ops that use each tensor."""
        found: list[list[int]] = [[] for _ in range(self.problem.graph.num_tensors)]
        graph = self.problem.graph
        for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
            found[tensor].append(op)
        return found

    @cached_property
    def producer(self) -> list[int]:
        """(t,) the op that makes each tensor."""
        return self.problem.graph.tensor_producer.tolist()

    @cached_property
    def moved(self) -> list[int]:
        """Tensors that take time to move, and have consumers that may be elsewhere."""
        return [
            tensor
            for tensor, delay in enumerate(self._delays_ns)
            if delay.any()
            and any(
                self.group[op] != self.group[self.producer[tensor]] for op in self.consumers[tensor]
            )
        ]

    @cached_property
    def equal_devices(self) -> bool:
        """Whether devices can be renamed: the same speed, memory and links, placement open."""
        problem = self.problem
        links = {tuple(self._delays_ns[:, k, m]) for k, m in _pairs(problem.num_devices)}
        return (
            problem.placement is None
            and len(problem.durations) == 1
            and len(set(problem.cluster.memory_bytes.tolist())) == 1
            and len(links) <= 1
        )

    @cached_property
    def memory_binds(self) -> bool:
        """Whether some placement runs out of memory, as far as one can see at once."""
        graph = self.problem.graph
        local = (graph.tensor_alias == Alias.OWN) & (graph.tensor_outlives != Outlives.IN_PLACE)
        own = np.where(local, graph.tensor_bytes, 0)
        copies = graph.tensor_bytes.sum() if self.problem.num_devices > 1 else 0
        total = graph.parameter_bytes.sum() + own.sum() + copies
        return bool(total > self.problem.cluster.memory_bytes.min())


def _pairs(d: int) -> list[tuple[int, int]]:
    return [(k, m) for k in range(d) for m in range(d) if k != m]
