"""ONNX models as computation graphs."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onnx import AttributeProto, helper

from go_gym.capture.layers import in_order_of_execution
from go_gym.capture.onnx_costs import VIEWS, bytes_moved, flops
from go_gym.capture.onnx_file import OnnxGraph, TensorInfo, read_onnx
from go_gym.capture.onnx_inner import inner_cost, inner_graphs
from go_gym.capture.onnx_shapes import SMALL
from go_gym.errors import CaptureError, CaptureWarning
from go_gym.graph import Alias, ComputationGraph, Outlives
from go_gym.graph.builder import GraphBuilder, Op, with_counts

STATIC = frozenset(["Constant", "Shape", "Size"])
"""Their results are known before the run."""
KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft")
OURS = {("com.microsoft", "Attention"): "com.microsoft.Attention"}
"""Operators whose name means something else in another domain."""


def from_onnx(
    path: str | Path,
    *,
    dims: Mapping[str, int] | None = None,
    layer_of: Callable[[str], str | None] = lambda path: path or None,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ComputationGraph:
    """Capture an ONNX model's forward pass.

    An If costs what its heavier branch does, a Loop or Scan its body as often as is known to run
    (else once, with a warning); the weights inside are resident with it. Weights are resident,
    each an op of type ``parameter``; files of external data need not be
    there. What is known before the run (constants, shapes and what is computed from them alone)
    is no op, what leads to no output neither. An operator that has no formula is costed as bound
    by memory, and all of these are listed in one CaptureWarning.

    Args:
        path: the ``.onnx`` file.
        dims: sizes of named dimensions: ``{"batch": 8}``; one without a name goes by its input
            and axis: ``{"x.0": 8}``.
        layer_of: the layer tag of a module path, which is read from the exporter's node names
            (``/encoder/layer.0/MatMul`` is of ``encoder.layer.0``).
        name: the graph's name; by default that in the file.
        metadata: facts to keep with the graph; counts of raw and contracted ops are added.

    Raises:
        FileFormatError: for a file that is no ONNX model, or too large.
        CaptureError: for what has no shape, naming tensor and operator.
    """
    model = read_onnx(path, dims or {})
    captured = _OnnxCapture(path, model, layer_of)
    try:
        captured.fill()
    except (IndexError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CaptureError(f"{path}: {captured.where} is malformed: {error}") from error
    if captured.unknown:
        listed = ", ".join(f"{kind} ({count})" for kind, count in captured.unknown.most_common())
        warnings.warn(
            f"{path}: no cost formula for {listed}: taken as bound by memory",
            CaptureWarning,
            stacklevel=2,
        )
    if captured.counted_once:
        text = f"{path}: {captured.counted_once} loops whose rounds are not known: counted once"
        warnings.warn(text, CaptureWarning, stacklevel=2)
    graph = with_counts(captured.builder.graph(name or model.name), metadata or {})
    return in_order_of_execution(graph)


@dataclass
class _OnnxCapture:
    """The graph of an ONNX model under construction."""

    path: str | Path
    model: OnnxGraph
    layer_of: Callable[[str], str | None]
    where: str = "the graph"
    unknown: Counter[str] = field(default_factory=Counter)
    counted_once: int = 0
    builder: GraphBuilder = field(default_factory=GraphBuilder)
    made: dict[str, int] = field(default_factory=dict)  # tensor name → tensor number
    static: set[str] = field(default_factory=set)

    def fill(self) -> None:
        self._find_static()
        live = self._live_nodes()
        used = {name for node in live for name in _inputs(node)}
        for name in self.model.inputs:
            if name in used:
                self._add_source(name, "input", Alias.OWN)
        for name in self.model.weights:
            if name in used and name not in self.static:
                self._add_source(name, "parameter", Alias.PARAMETER)
        for number, node in enumerate(live):
            self.where = f"node {node.name or number!r} ({node.op_type})"
            if node.op_type == "Constant":
                self._add_source(node.output[0], "parameter", Alias.PARAMETER)
            else:
                self._add_node(node, number)
        for name in self.model.outputs:
            if name in self.made:
                self.builder.outlives[self.made[name]] = Outlives.HELD
        self.builder.spread_layers()

    def _find_static(self) -> None:
        """Small whole-number weights, small constants, shapes, and what comes of these alone."""
        for name in self.model.weights:
            info = self.model.tensors[name]
            if info.elements <= SMALL and info.dtype.startswith("int"):
                self.static.add(name)
        for node in self.model.nodes:
            known = node.op_type in STATIC or (
                all(name in self.static for name in _inputs(node)) and len(node.input) > 0
            )
            infos = [self.model.tensors.get(name) for name in node.output if name]
            if known and all(info is not None and info.elements <= SMALL for info in infos):
                self.static.update(node.output)

    def _live_nodes(self) -> list[Any]:
        needed = set(self.model.outputs)
        live = []
        for node in reversed(self.model.nodes):
            wanted = any(name in needed for name in node.output)
            if wanted and not all(name in self.static for name in node.output if name):
                live.append(node)
                needed.update(_inputs(node))
        return live[::-1]

    def _info(self, name: str) -> TensorInfo:
        info = self.model.tensors.get(name)
        if info is None:
            raise CaptureError(
                f"{self.path}: {self.where}: the shape of tensor {name!r} is not known before the "
                "run: export with fixed shapes, or simplify the model"
            )
        return info

    def _add_source(self, name: str, kind: str, alias: int) -> None:
        info = self._info(name)
        op = self._append(f"{kind}:{name}", kind, info, None)
        self.builder.ops[op].parameter_bytes = info.bytes if alias == Alias.PARAMETER else 0
        self._output(op, name, info, alias)

    def _add_node(self, node: Any, number: int) -> None:
        given = [
            None if name == "" or name in self.static else self._info(name) for name in node.input
        ]
        shapes = [self.model.tensors.get(name) if name else None for name in node.input]
        outputs = [self._info(name) if name else None for name in node.output]
        first = next(info for info in outputs if info is not None)
        label = f"{number}:{node.name}" if node.name else f"{number}:{node.op_type}"
        op = self._append(label, node.op_type, first, self.layer_of(_module_path(node)))
        sources = list(dict.fromkeys(n for n in _inputs(node) if n not in self.static))
        for name in sources:
            if name not in self.made:
                raise CaptureError(f"{self.path}: {self.where} uses {name!r}, which nothing makes")
            self.builder.uses.append((self.made[name], op))
        view = node.op_type in VIEWS and given[0] is not None
        if not view:
            distinct = [self._info(name) for name in sources]
            added = self.builder.ops[op]
            read, written = bytes_moved(node.op_type, distinct, outputs)
            if inner_graphs(node):
                inside = inner_cost(node, self.model, self._known_flops)
                self.unknown += inside.unknown
                self.counted_once += inside.counted_once
                added.flops, added.parameter_bytes = inside.flops, inside.held
                read, written = max(read, inside.bytes_read), max(written, inside.bytes_written)
            else:
                added.flops = self._flops(node, shapes, outputs)
            added.bytes_read, added.bytes_written = read, written
        for name, info in zip(node.output, outputs, strict=True):
            if info is not None:
                alias = self.made[node.input[0]] if view else Alias.OWN
                self._output(op, name, info, alias)
                view = False  # a dropout's mask is its own

    def _known_flops(self, node: Any, inputs: list[Any], outputs: list[Any]) -> int | None:
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        known = node.domain in KNOWN_DOMAINS
        kind = OURS.get((node.domain, node.op_type), node.op_type)
        return flops(kind, attributes, inputs, outputs) if known else None

    def _flops(self, node: Any, inputs: list[Any], outputs: list[Any]) -> int:
        count = self._known_flops(node, inputs, outputs)
        if count is None:
            self.unknown[f"{node.domain}.{node.op_type}" if node.domain else node.op_type] += 1
            return 0
        return count

    def _append(self, name: str, kind: str, info: TensorInfo, layer: str | None) -> int:
        op = Op(kind, name=name, dtype=info.dtype, shape=info.shape, layer=layer)
        return self.builder.add_op(op)

    def _output(self, op: int, name: str, info: TensorInfo, alias: int) -> None:
        if name in self.made:
            raise CaptureError(f"{self.path}: {self.where} makes {name!r} a second time")
        self.made[name] = self.builder.add_tensor(op, info.bytes, alias)


def _inputs(node: Any) -> list[str]:
    """The tensors that a node reads, with those that its inner graphs take from outside."""
    found = [name for name in node.input if name]
    for attribute in node.attribute:
        inner = [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs
        for graph in inner:
            found += _taken(graph)
    return found


def _taken(graph: Any) -> Iterator[str]:
    own = {value.name for value in graph.input} | {weight.name for weight in graph.initializer}
    for node in graph.node:
        yield from (name for name in _inputs(node) if name not in own)
        own.update(node.output)


def _module_path(node: Any) -> str:
    """``encoder.layer.0`` of a node that torch's exporter named ``/encoder/layer.0/MatMul``.

    A list that is called itself is named twice: ``/layers/layers.0/…`` is ``layers.0``.
    """
    parts = node.name.rpartition("/")[0].strip("/").split("/")
    kept = [
        part
        for part, after in zip(parts, [*parts[1:], ""], strict=True)
        if not after.startswith(f"{part}.")
    ]
    return ".".join(kept)
