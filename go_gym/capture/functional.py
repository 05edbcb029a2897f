"""A recorded program without ops that write to their inputs."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule, Interpreter, Node

from go_gym.capture.trace import LINE, TAG, Tag, Traced, fake, record


def without_mutation(traced: Traced) -> Traced:
    """The same program without ops that write to their inputs.

    Every op then depends on all that it needs, so devices may run them in any order that the
    graph allows. What the program writes to its inputs (running statistics) becomes a result.
    """
    calls = [node for node in traced.module.graph.nodes if node.op == "call_function"]
    module = _functional(traced.module) if any(map(_writes, calls)) else traced.module
    graph = module.graph
    (output,) = (node for node in graph.nodes if node.op == "output")
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    results, names = [_viewed(result) for result in output.args[0]], list(traced.outputs)
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.copy_.default and node.args[0] in inputs:
            name = traced.placeholders[inputs.index(node.args[0])].name
            if name not in names:
                results.append(node.args[1])
                names.append(name)
            graph.erase_node(node)
    output.args = (results,)
    graph.eliminate_dead_code()
    return replace(traced, module=module, outputs=tuple(names))


def _functional(module: GraphModule) -> GraphModule:
    """The program recorded again, each op that writes replaced by one that makes a tensor; what
    it writes to its inputs is copied there at the end."""
    replay = _Replay(module)
    nodes = [node for node in module.graph.nodes if node.op == "placeholder"]
    with FakeTensorMode(allow_non_fake_inputs=True):
        values = [fake(node.meta["val"]) for node in nodes]
        run = torch.func.functionalize(lambda *args: replay.run(*args), remove="mutations")
        return record(replay, run, *values)


def _viewed(result: Any) -> Any:
    """The node behind the detach that functionalisation puts around each result."""
    return result.args[0] if result.target is torch.ops.aten.detach.default else result


def _writes(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


class _Replay(Interpreter):
    """Runs a recorded program again; says of each op what was said when it was recorded."""

    said: Mapping[str, Any] = MappingProxyType({})

    def run_node(self, node: Node) -> Any:
        self.said = node.meta
        return super().run_node(node)

    def tag(self) -> Tag:
        return self.said.get(TAG) or Tag("forward", None)

    def line(self) -> str:
        return self.said.get(LINE, "")
