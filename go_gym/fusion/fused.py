"""The graph of kernels that a fusion plan gives, as a problem that any simulator takes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from go_gym.fusion.costs import kernel_table, new_scratch, rates
from go_gym.fusion.kinds import Kind
from go_gym.fusion.plan import FusionPlan, plan_levels
from go_gym.fusion.structure import structure
from go_gym.graph import ComputationGraph
from go_gym.graph.frozen import frozen
from go_gym.problem import Decision, Problem

_VIEW = int(Kind.VIEW)


@dataclass(frozen=True, eq=False)
class KernelProblem(Problem):
    """A problem whose durations are given: (classes, n) ns, and (d,) the row of each device."""

    kernel_durations: tuple[np.ndarray, np.ndarray] | None = None

    @cached_property
    def _durations(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.kernel_durations is not None
        return self.kernel_durations


@dataclass(frozen=True, eq=False)
class Fused:
    """What fusing made of a problem of n ops and a decision about it.

    Attributes:
        problem: the k kernels, in the order of the plan. Co-location is left out: it is the
            ops' own, and fusing keeps every op on its device.
        decision: the kernels' devices and priorities. A kernel has the highest of its parts'
            priorities: it waits no longer than its most urgent part would (our choice; XTAT,
            PACT 2021, takes the sum, which favours large kernels).
        plan: the kernels' roots and parts.
        tensor_of: (t',) int64, the original tensor of each tensor.
    """

    problem: Problem
    decision: Decision
    plan: FusionPlan
    tensor_of: np.ndarray

    def kernel_of(self, graph: ComputationGraph) -> np.ndarray:
        """(n,) int64: the kernel that stands for each op of the original ``graph``.

        The one that it is the root of; for an op inside others the first of these; for a view
        inside kernels that of its base.
        """
        plan, parts = self.plan, structure(graph)
        kernel = np.full(graph.num_ops, -1, dtype=np.int64)
        owner = np.repeat(np.arange(plan.num_kernels), np.diff(plan.part_ptr))
        kernel[plan.parts[::-1]] = owner[::-1]
        kernel[plan.roots] = np.arange(plan.num_kernels)
        inside = kernel < 0
        kernel[inside] = kernel[parts.ops["base"][:-1][inside]]
        return kernel


def fuse(problem: Problem, decision: Decision) -> Fused:
    """The kernels of ``decision``, whose fusion levels are given.

    Args:
        problem: any problem.
        decision: with ``fusion``; its placement and priorities are carried over.
    """
    assert decision.fusion is not None
    place, levels = np.asarray(decision.placement), np.asarray(decision.fusion)
    plan = plan_levels(problem.graph, place, levels)
    return fuse_plan(problem, decision, plan)


def fuse_plan(problem: Problem, decision: Decision, plan: FusionPlan) -> Fused:
    """The kernels of a ``plan`` that was made for the decision's placement."""
    graph = problem.graph
    parts = structure(graph)
    durations, read, flops = kernel_table(
        parts,
        new_scratch(parts),
        rates(problem),
        plan.roots,
        plan.part_ptr,
        plan.parts,
        plan.written,
    )
    roots = plan.roots
    tensor_of, use_tensor, use_consumer = _borders(parts, roots, plan.part_ptr, plan.parts)
    new_op = np.full(graph.num_ops, -1, dtype=np.int32)
    new_op[roots] = np.arange(len(roots))
    new_tensor = np.full(graph.num_tensors, -1, dtype=np.int32)
    new_tensor[tensor_of] = np.arange(len(tensor_of))
    alias = graph.tensor_alias[tensor_of]
    shows = alias >= 0
    alias = alias.copy()
    alias[shows] = new_tensor[alias[shows]]
    none = np.full(len(roots), -1, dtype=np.int32)
    columns = {
        "op_type": graph.op_type[roots],
        "dtype": graph.dtype[roots],
        "flops": flops,
        "bytes_read": read,
        "bytes_written": graph.bytes_written[roots] + plan.written,
        "parameter_bytes": graph.parameter_bytes[roots],
        "colocation": none,
        "phase": graph.phase[roots],
        "layer": graph.layer[roots],
        "shape": graph.shape[roots],
        "durations": np.empty((len(roots), 0), dtype=np.int64),
        "tensor_producer": new_op[graph.tensor_producer[tensor_of]],
        "tensor_bytes": graph.tensor_bytes[tensor_of],
        "tensor_alias": alias,
        "tensor_outlives": graph.tensor_outlives[tensor_of],
        "use_tensor": use_tensor,
        "use_consumer": use_consumer,
        "source_index": np.arange(len(roots)),
        "tensor_source_index": np.arange(len(tensor_of)),
    }
    for column in (durations, *columns.values()):
        column.setflags(write=False)
    fused = ComputationGraph(
        name=graph.name,
        op_names=tuple(_names(graph)[roots].tolist()),
        op_types=graph.op_types,
        layers=graph.layers,
        duration_kinds=(),
        metadata=graph.metadata,
        **columns,
    )
    place = np.asarray(decision.placement)[roots]
    priority = order = None
    if decision.order is not None:
        order = np.argsort(np.argsort(np.asarray(decision.order)[roots]))
    if decision.priority is not None:
        levels = np.asarray(decision.priority)
        priority = np.maximum.reduceat(levels[plan.parts], plan.part_ptr[:-1])
    kernels = KernelProblem(
        fused, problem.cluster, kernel_durations=(durations, problem.device_class)
    )
    return Fused(kernels, Decision(place, priority, order=order), plan, tensor_of)


def relaxed(problem: Problem) -> KernelProblem:
    """The problem with durations that hold under any fusion, for lower bounds.

    What can be fused takes at least the time of its FLOPs, which every kernel that computes it
    must do; the launch and the bytes may go. The rest keeps its duration.
    """
    ops, cost = structure(problem.graph).ops[:-1], rates(problem)
    arithmetic = ops["flops"] / cost.flop_rate[:, ops["dtype"]]
    least = np.floor(arithmetic * 1e9 * (1 - 1e-12)).astype(np.int64)
    durations = np.where(ops["kind"] > _VIEW, least, problem.durations)
    given = (frozen(durations), problem.device_class)
    return KernelProblem(problem.graph, problem.cluster, kernel_durations=given)


def _names(graph: ComputationGraph) -> np.ndarray:
    """(n,) object: the ops' names, built once a graph."""
    found: np.ndarray | None = graph.__dict__.get("_name_array")
    if found is None:
        found = graph.__dict__["_name_array"] = frozen(np.array(graph.op_names, dtype=object))
    return found


@njit(cache=True, nogil=True)
def _borders(parts, roots, part_ptr, members):
    """What crosses the borders of the kernels.

    Returns: the original number of each tensor that a root gives (t',) int64, and the uses,
    (u',) int32 tensor and (u',) int32 kernel, sorted by tensor, then kernel.
    """
    tensors = np.int64(0)
    for root in roots:
        tensors += parts.ops[root + 1].tensors - parts.ops[root].tensors
    tensor_of = np.empty(tensors, dtype=np.int64)
    new_tensor = np.full(len(parts.tensor_bytes), -1, dtype=np.int32)
    made = 0
    for root in roots:
        for tensor in range(parts.ops[root].tensors, parts.ops[root + 1].tensors):
            tensor_of[made] = tensor
            new_tensor[tensor] = made
            made += 1
    inside = np.full(len(parts.ops), -1, dtype=np.int32)
    last_reader = np.full(tensors, -1, dtype=np.int32)
    room = np.int64(0)
    for op in members:
        room += parts.ops[op + 1].inputs - parts.ops[op].inputs
    read = np.empty(room, dtype=np.int32)
    reader = np.empty(room, dtype=np.int32)
    start = np.zeros(tensors + 1, dtype=np.int64)
    uses = 0
    for kernel in range(len(roots)):
        for i in range(part_ptr[kernel], part_ptr[kernel + 1]):
            inside[members[i]] = kernel
        for i in range(part_ptr[kernel], part_ptr[kernel + 1]):
            op = members[i]
            alone = parts.ops[op].kind == _VIEW
            for j in range(parts.ops[op].inputs, parts.ops[op + 1].inputs):
                source = parts.inputs[j]
                if not alone and inside[parts.input_base[j]] == kernel:
                    continue
                tensor = new_tensor[source]
                if last_reader[tensor] != kernel:
                    last_reader[tensor] = kernel
                    read[uses] = tensor
                    reader[uses] = kernel
                    start[tensor + 1] += 1
                    uses += 1
    for tensor in range(tensors):
        start[tensor + 1] += start[tensor]
    use_tensor = np.empty(uses, dtype=np.int32)
    use_consumer = np.empty(uses, dtype=np.int32)
    for i in range(uses):
        place = start[read[i]]
        start[read[i]] += 1
        use_tensor[place] = read[i]
        use_consumer[place] = reader[i]
    return tensor_of, use_tensor, use_consumer
