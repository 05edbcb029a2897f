"""What an ONNX operator with graphs of its own costs: If, Loop, Scan and their like."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onnx import AttributeProto, helper, numpy_helper

from go_gym.capture.onnx_costs import bytes_moved
from go_gym.capture.onnx_file import OnnxGraph, TensorInfo, infos_of

Flops = Callable[[Any, list[Any], list[Any]], int | None]
"""FLOPs of a node given its inputs and outputs, None for one that is not known."""


@dataclass
class InnerCost:
    """Work of the inner graphs of one operator.

    Attributes:
        flops, bytes_read, bytes_written: of all runs of its graphs.
        held: bytes of the weights in them, resident whether they run or not.
        unknown: the operators that have no formula or no shapes.
        counted_once: loops whose number of rounds is not known before the run.
    """

    flops: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    held: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    counted_once: int = 0

    def add(self, other: "InnerCost", times: int = 1) -> None:
        """Count another's work that many times; what it holds, once."""
        self.flops += times * other.flops
        self.bytes_read += times * other.bytes_read
        self.bytes_written += times * other.bytes_written
        self.held += other.held
        self.unknown += other.unknown
        self.counted_once += other.counted_once


def inner_graphs(node: Any) -> list[Any]:
    """The graphs among a node's attributes."""
    found = []
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            found.append(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            found += attribute.graphs
    return found


def inner_cost(node: Any, model: OnnxGraph, flops: Flops) -> InnerCost:
    """The work inside a node: of an If, the branch with more FLOPs; of a Loop or Scan, its body
    as often as it is known to run, else once."""
    return _inside(node, model.tensors, model.values, flops)


def _inside(
    node: Any, around: Mapping[str, TensorInfo], values: Mapping[str, Any], flops: Flops
) -> InnerCost:
    parts = [_graph_cost(graph, around, values, flops) for graph in inner_graphs(node)]
    total = InnerCost()
    if node.op_type == "If":
        heavier = max(parts, key=lambda part: (part.flops, part.bytes_read))
        total.add(heavier)
        total.held = sum(part.held for part in parts)
        return total
    rounds = _rounds(node, around, values)
    for part in parts:
        total.add(part, 1 if rounds is None else rounds)
    total.counted_once += rounds is None
    return total


def _rounds(node: Any, around: Mapping[str, TensorInfo], values: Mapping[str, Any]) -> int | None:
    """How often a body runs."""
    if node.op_type == "Loop" and node.input[0] in values:
        return max(0, int(values[node.input[0]].item()))
    if node.op_type == "Scan":
        known = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        count = int(known["num_scan_inputs"])
        axes = known.get("scan_input_axes", [0] * count)
        first = around.get(node.input[len(node.input) - count])
        return None if first is None else int(first.shape[axes[0]])
    return None


def _graph_cost(
    graph: Any, around: Mapping[str, TensorInfo], values: Mapping[str, Any], flops: Flops
) -> InnerCost:
    known = {**around, **infos_of("the inner graph", graph)}
    constants = {
        weight.name: numpy_helper.to_array(weight)
        for weight in graph.initializer
        if math.prod(weight.dims) == 1
    }
    here = {**values, **constants}
    total = InnerCost(held=sum(known[weight.name].bytes for weight in graph.initializer))
    for node in graph.node:
        outputs = [known.get(name) if name else None for name in node.output]
        if node.op_type == "Constant":
            total.held += outputs[0].bytes if outputs[0] else 0
            continue
        if inner_graphs(node):
            total.add(_inside(node, known, here, flops))
            continue
        inputs = [known.get(name) if name else None for name in node.input]
        missing = [name for name in [*node.input, *node.output] if name and name not in known]
        count = None if missing else flops(node, inputs, outputs)
        if count is None:
            total.unknown[node.op_type] += 1
        distinct = [known[name] for name in dict.fromkeys(node.input) if name in known]
        read, written = bytes_moved(node.op_type, distinct, outputs)
        total.add(InnerCost(count or 0, read, written))
    return total
