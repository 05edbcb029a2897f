"""Fused kernels on real devices: each becomes one step, compiled by torch.compile.

What is fused is the plan's: an op of a kernel is computed inside it, and again inside every other
kernel that has it. Results that a plan does not write (see :mod:`go_gym.fusion.structure`) are
none of the fused program's. A compiled kernel checks its arguments at every call, some 10 µs: where
ops are as short, fusing does not pay on a core.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.fx import Graph, GraphModule, Node

from go_gym.capture.program import Program, Slot, Step, Value
from go_gym.cluster import Cluster
from go_gym.errors import HardwareError
from go_gym.fusion.fused import Fused, fuse_plan
from go_gym.fusion.plan import FusionPlan
from go_gym.problem import Decision, Problem


def fused_program(
    program: Program, decision: Decision, plan: FusionPlan
) -> tuple[Program, Decision]:
    """The program of a plan's kernels, op ``k`` the kernel ``k``, and what is decided about them.

    Args:
        program: the ops'.
        decision: about the ops; its placement is the one that the plan was made for.
        plan: which ops are one kernel.
    """
    devices = int(np.asarray(decision.placement).max()) + 1
    problem = Problem(program.graph, Cluster.uniform(devices, 1e9))  # only its graph matters
    fused = fuse_plan(problem, decision, plan)
    kernel_of = {root: kernel for kernel, root in enumerate(plan.roots.tolist())}
    steps = tuple(_step(program, fused, kernel_of, kernel) for kernel in range(plan.num_kernels))
    outputs = {
        name: Value(kernel_of[value.op], value.position)
        for name, value in program.outputs.items()
        if value.op in kernel_of
    }
    made = Program(fused.problem.graph, steps, program.inputs, outputs)
    return made, fused.decision


def compile_kernels(program: Program, inputs: Sequence[torch.Tensor]) -> None:
    """Run a step once, so that all kernels are compiled for the shapes that they get.

    Raises:
        HardwareError: naming the kernel, if torch.compile cannot do it here.
    """
    torch._inductor.config.compile_threads = 1  # no processes that stay
    made: list[Any] = []
    with torch.no_grad():
        for step in program.steps:
            if step.placeholder is not None:
                made.append((inputs[step.placeholder],))
                continue
            given = [made[value.op][value.position] for value in step.inputs]
            try:
                made.append(step.call(given))
            except Exception as error:
                if not isinstance(step.target, Kernel):
                    raise
                reason = " ".join(str(error).split("\n")[:2]).strip()
                raise HardwareError(
                    "fused kernels are not supported here: torch.compile cannot make the kernel "
                    f"of op {step.name!r}: {reason} (it needs a C++ compiler, such as g++, for "
                    "cores); measure the decision without its fusion"
                ) from error


class Kernel:
    """The call of a fused kernel: its border's tensors in, the root's outputs out."""

    def __init__(self, graph: Graph) -> None:
        module = GraphModule(torch.nn.Module(), graph)
        self.parts = sum(node.op == "call_function" for node in graph.nodes)
        self.compiled = torch.compile(module, fullgraph=True, dynamic=False)

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """The kernel's outputs."""
        return self.compiled(*tensors)


def _step(program: Program, fused: Fused, kernel_of: dict[int, int], kernel: int) -> Step:
    plan, graph = fused.plan, fused.problem.graph
    root = program.steps[int(plan.roots[kernel])]
    first = int(graph.op_tensor_ptr[kernel])
    numbers = iter(range(first, int(graph.op_tensor_ptr[kernel + 1])))
    tensors = tuple(next(numbers) if tensor >= 0 else -1 for tensor in root.tensors)
    if plan.part_ptr[kernel + 1] - plan.part_ptr[kernel] == 1:
        inputs = tuple(Value(kernel_of[value.op], value.position) for value in root.inputs)
        return replace(root, op=kernel, inputs=inputs, tensors=tensors)
    border = fused.tensor_of[graph.use_tensor[graph.use_consumer == kernel]].tolist()
    values = [_value(program, tensor) for tensor in border]
    return Step(
        op=kernel,
        name=root.name,
        placeholder=None,
        constant=None,
        target=Kernel(_subgraph(program, root, values)),
        inputs=tuple(Value(kernel_of[value.op], value.position) for value in values),
        tensors=tensors,
        args=tuple(Slot(number) for number in range(len(values))),
        kwargs={},
    )


def _value(program: Program, tensor: int) -> Value:
    op = int(program.graph.tensor_producer[tensor])
    return Value(op, program.steps[op].tensors.index(tensor))


def _subgraph(program: Program, root: Step, border: Sequence[Value]) -> Graph:
    """What computes ``root`` from the values at the border, with the views on the way."""
    graph = Graph()
    known: dict[Value, Node] = {
        value: graph.placeholder(f"x{number}") for number, value in enumerate(border)
    }
    needed: set[int] = set()
    pending = [root.op]
    while pending:
        op = pending.pop()
        if op in needed:
            continue
        needed.add(op)
        pending += [v.op for v in program.steps[op].inputs if v not in known]
    for op in sorted(needed):
        step = program.steps[op]
        given = [known[value] for value in step.inputs]
        if step.target is None:  # a getitem passes its input on
            known[Value(op, 0)] = given[0]
            continue
        args = _filled(list(step.args), given)
        kwargs = {key: _filled(value, given) for key, value in step.kwargs.items()}
        node = graph.call_function(step.target, tuple(args), kwargs)
        if len(step.tensors) == 1:
            known[Value(op, 0)] = node
        else:
            for position in range(len(step.tensors)):
                known[Value(op, position)] = graph.call_function(_item, (node, position))
    graph.output([known[Value(root.op, position)] for position in range(len(root.tensors))])
    return graph


def _filled(value: Any, nodes: Sequence[Node]) -> Any:
    if type(value) is Slot:
        return nodes[value.number]
    if isinstance(value, list | tuple):
        return [_filled(item, nodes) for item in value]
    return value


def _item(values: Sequence[torch.Tensor], position: int) -> torch.Tensor:
    return values[position]
