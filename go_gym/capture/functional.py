"""A recorded program without ops that write to their inputs.

An op that wrote in place becomes one that makes a tensor *in the storage* of its target: the
memory is torch's, and every op depends on all that it needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule, Interpreter, Node

from go_gym.capture.columns import SCATTERS
from go_gym.capture.trace import AFTER, INTO, LINE, TAG, Placeholder, Tag, Traced, fake, record


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
    _name_parameters(graph.nodes, traced.placeholders)
    _hold_back_updates(graph.nodes)
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
    running: Any = None

    def run_node(self, node: Node) -> Any:
        self.said, self.running = node.meta, node.target
        return super().run_node(node)

    def tag(self) -> Tag:
        return self.said.get(TAG) or Tag("forward", None)

    def line(self) -> str:
        return self.said.get(LINE, "")

    def into(self, target: Any, args: Sequence[Any]) -> tuple[Node, ...]:
        """By the schema of the op that ran when the program was recorded: the plain op of an
        in-place one makes its result where that wrote, and so does the scatter of a view."""
        if not isinstance(target, torch._ops.OpOverload):
            return ()
        name, ran = target.overloadpacket.__name__, self.running
        if not isinstance(ran, torch._ops.OpOverload):
            return ()
        was = ran.overloadpacket.__name__
        if name in SCATTERS and name != was:
            return (args[0],)
        if not ran._schema.is_mutable or name != was.removesuffix("_") or name == was:
            return ()
        written = {each.name for each in ran._schema.arguments if each.is_write}
        return tuple(
            node
            for known, given in zip(target._schema.arguments, args, strict=False)
            if known.name in written
            for node in (given if isinstance(given, list | tuple) else [given])
            if isinstance(node, Node)
        )


def _name_parameters(nodes: Iterable[Node], placeholders: Sequence[Placeholder]) -> None:
    """Give the ops of an optimizer that the program steps itself the parameter that they update:
    that of what they read, where it is one alone."""
    given = iter(placeholders)
    owner: dict[Node, int | None] = {}
    for node in nodes:
        if node.op == "placeholder":
            owner[node] = next(given).parameter
            continue
        tag = node.meta.get(TAG)
        if tag is None or tag.phase != "optimizer":
            owner[node] = owner.get(_stored(node))
            continue
        if tag.parameter is None:
            found = {owner.get(each) for each in node.all_input_nodes} - {None}
            tag = replace(tag, parameter=found.pop() if len(found) == 1 else None)
            node.meta[TAG] = tag
        owner[node] = tag.parameter


def _hold_back_updates(nodes: Iterable[Node]) -> None:
    """Let what an optimizer does without a gradient (weight decay, the decay of a moment) wait
    for the gradient that the same tensor is updated by, as it does in a step of torch."""
    root: dict[Node, Node] = {}  # node → the input whose storage it has
    gradient: dict[Node, Node] = {}  # node → what of the backward phase it comes from
    early: dict[Node, list[Node]] = {}  # input → its updates so far that come from none
    for node in nodes:
        root[node] = root.get(_stored(node), node)
        tag = node.meta.get(TAG)
        if tag is None or tag.phase == "forward" or node.op != "call_function":
            continue
        if tag.phase == "backward":
            gradient[node] = node
            continue
        found = next((gradient[each] for each in node.all_input_nodes if each in gradient), None)
        if found is None:
            early.setdefault(root[node], []).append(node)
            continue
        gradient[node] = found
        for waiting in early.pop(root[node], []):
            waiting.meta[AFTER] = found


def _stored(node: Node) -> Any:
    """The node whose storage this one's output has: of a view and of what wrote in place."""
    if into := node.meta.get(INTO):
        return into[0]
    if isinstance(node.target, torch._ops.OpOverload) and node.args:
        returns = node.target._schema.returns
        if len(returns) == 1 and returns[0].alias_info is not None:
            return node.args[0]
    return None
