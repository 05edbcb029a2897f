"""A recorded program as a computation graph."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from go_gym.capture.costs import bytes_read, bytes_written, flops, storage_bytes, tensors_in
from go_gym.capture.trace import AFTER, INTO, LINE, TAG, Tag, Traced
from go_gym.errors import CaptureError
from go_gym.graph import DTYPES, Alias, ComputationGraph, Outlives
from go_gym.graph.builder import GraphBuilder, Op, with_counts

UNSAFE_VIEWS = frozenset(["_unsafe_view", "unsafe_split", "unsafe_split_with_sizes"])
"""Views whose schema hides that they share storage."""
SCATTERS = frozenset(["select_scatter", "slice_scatter", "diagonal_scatter", "as_strided_scatter"])
"""What a view that was written to is put back into its base with: in place, nothing moves."""

GRADIENT = "gradient:"
"""How outputs begin that are gradients."""


def graph_of(traced: Traced, name: str, metadata: Mapping[str, Any]) -> ComputationGraph:
    """The graph of a recorded program: op i of the columns is node i of the program.

    Counts of raw ops (with views and getitems) and of contracted ops (those that cost something)
    are added to the metadata.

    Raises:
        CaptureError: naming the node that is not supported.
    """
    recorded = _Recorded(traced)
    for node in traced.module.graph.nodes:
        if node.op == "placeholder":
            recorded.add_placeholder(node)
        elif node.op == "call_function":
            recorded.add_call(node)
        elif node.op == "get_attr":
            recorded.add_constant(node)
        elif node.op == "output":
            recorded.mark_results(node)
        else:
            raise CaptureError(f"{name}: node {node.name!r} of kind {node.op} is not supported")
    recorded.spread_layers()
    return with_counts(recorded.builder.graph(name), metadata)


@dataclass
class _Recorded:
    """The graph of a recorded program under construction."""

    traced: Traced
    builder: GraphBuilder = field(default_factory=GraphBuilder)
    outputs: dict[Node, list[int]] = field(default_factory=dict)  # tensor numbers
    next_group: int = 0

    def add_placeholder(self, node: Node) -> None:
        """Parameters, optimizer states and buffers are resident; inputs are made at the start."""
        known, value = self.traced.placeholders[len(self.builder.ops)], node.meta["val"]
        self.next_group = self.traced.num_trained
        if known.role == "input":
            op = self._append(node, known.name, "input", value, Tag("forward", None), -1)
            self._output(op, node, storage_bytes(value), Alias.OWN)
        else:
            group = -1 if known.parameter is None else known.parameter
            self._add_resident(node, known.name, known.role, group)

    def add_constant(self, node: Node) -> None:
        """A tensor that the program itself holds: resident, as a buffer is."""
        held = getattr(self.traced.module, str(node.target))
        if not isinstance(held, torch.Tensor):
            line = node.meta.get(LINE)
            raise CaptureError(
                f"{f'{line}: ' if line else ''}the program holds a {type(held).__name__}, expected "
                "tensors alone: leave out torch.cond and other control flow on values, and "
                "generators of your own"
            )
        node.meta.setdefault("val", held)
        kind = "parameter" if isinstance(held, torch.nn.Parameter) else "buffer"
        self._add_resident(node, f"constant:{node.name}", kind, -1)

    def _add_resident(self, node: Node, name: str, kind: str, group: int) -> None:
        value = node.meta["val"]
        op = self._append(node, name, kind, value, Tag("forward", None), group)
        size = self.builder.ops[op].parameter_bytes = storage_bytes(value)
        self._output(op, node, size, Alias.PARAMETER)

    def add_call(self, node: Node) -> None:
        tag: Tag = node.meta.get(TAG) or Tag("forward", None)
        out = node.meta.get("val")
        if node.target is operator.getitem:
            self._add_getitem(node, tag)
            return
        group = tag.parameter if tag.phase == "optimizer" and tag.parameter is not None else -1
        target = node.target
        if not isinstance(target, torch._ops.OpOverload):
            raise CaptureError(f"op {node.name!r} of layer {tag.layer!r} is {target}: no ATen op")
        shared, in_place = self._shares_with(node, out)
        into = [self.outputs[each][0] for each in node.meta.get(INTO, ())]
        if in_place and shared is not None:
            group = self._group_of(shared)
        op = self._append(node, node.name, str(target).removesuffix(".default"), out, tag, group)
        inputs = self._inputs(node, op)
        written = bool(into) and target.overloadpacket.__name__ in SCATTERS
        if (shared is None or in_place) and not written:
            args, kwargs = _values(node.args), _values(node.kwargs)
            added = self.builder.ops[op]
            added.flops = flops(target, args, kwargs, out)
            added.bytes_read = bytes_read(target, args, kwargs, out, bool(into))
            added.bytes_written = bytes_written(target, args, kwargs, out, bool(into))
        for position, value in enumerate(out if isinstance(out, list | tuple) else [out]):
            if value is None:  # a result that was not asked for keeps its position
                self.outputs.setdefault(node, []).append(-1)
                continue
            alias = Alias.OWN if shared is None else self.outputs[shared][0]
            if position < len(into):
                alias = into[position]
            if alias >= 0 and alias not in inputs:
                raise CaptureError(f"node {node.name!r} shares storage with no input of its own")
            self._output(op, node, storage_bytes(value), alias)

    def mark_results(self, output: Node) -> None:
        """What the program gives back outlives the step, but for gradients, which the updates use
        up. The new value of what is resident is written over it where both share a device."""
        builder = self.builder
        resident = {
            known.name: op
            for op, known in enumerate(self.traced.placeholders)
            if known.role != "input"
        }
        given: Any = output.args[0]
        for name, node in zip(self.traced.outputs, given, strict=True):
            found = self.outputs.get(node, [-1])[0] if isinstance(node, Node) else -1
            if found < 0 or name.startswith(GRADIENT):
                continue
            stored = found
            while builder.aliases[stored] >= 0:
                stored = builder.aliases[stored]
            group = builder.producer(stored).colocation
            together = name in resident and 0 <= group == builder.ops[resident[name]].colocation
            if together and builder.aliases[stored] == Alias.OWN:
                builder.outlives[stored] = Outlives.IN_PLACE
            else:
                builder.outlives[found] = Outlives.HELD

    def _add_getitem(self, node: Node, tag: Tag) -> None:
        """Costs nothing, stays with its producer, shares the storage of the tensor it picks."""
        arguments: Any = node.args
        producer, position = arguments
        group = self._group_of(producer)
        op = self._append(node, node.name, "getitem", node.meta["val"], tag, group)
        picked = self.outputs[producer][position]
        self.builder.uses.append((picked, op))
        self._output(op, node, self.builder.tensors[picked][1], picked)

    def _group_of(self, node: Node) -> int:
        op = self.builder.producer(max(self.outputs[node]))
        if op.colocation < 0:
            op.colocation = self.next_group
            self.next_group += 1
        return op.colocation

    def _append(self, node: Node, name: str, kind: str, out: Any, tag: Tag, group: int) -> int:
        values = tensors_in(out)
        dtype = str(values[0].dtype).removeprefix("torch.") if values else "other"
        return self.builder.add_op(
            Op(
                kind,
                name=name,
                dtype=dtype if dtype in DTYPES else "other",
                shape=tuple(values[0].shape) if values else (),
                phase=tag.phase,
                layer=tag.layer,
                colocation=group,
            )
        )

    def _inputs(self, node: Node, op: int) -> set[int]:
        sources = [*node.all_input_nodes, *([node.meta[AFTER]] if AFTER in node.meta else [])]
        found = {tensor for source in sources for tensor in self.outputs.get(source, [])[:1]}
        self.builder.uses += [(tensor, op) for tensor in sorted(found)]
        return found

    def _output(self, op: int, node: Node, size: int, alias: int) -> None:
        self.outputs.setdefault(node, []).append(self.builder.add_tensor(op, size, alias))

    def _shares_with(self, node: Node, out: Any) -> tuple[Node | None, bool]:
        """The input whose storage all outputs share, and whether the op writes to it.

        By the schema and by the storage itself: the unsafe views declare no sharing, and
        ``reshape`` and ``contiguous`` share only sometimes.
        """
        target: Any = node.target
        aliases = [result.alias_info for result in target._schema.returns]
        in_place = any(alias and alias.is_write for alias in aliases)
        unsafe_view = target.overloadpacket.__name__ in UNSAFE_VIEWS
        if not any(aliases) and not unsafe_view:
            return None, False
        storages = {value.untyped_storage()._cdata for value in tensors_in(out)}
        for source in node.all_input_nodes:
            value = source.meta.get("val")
            same = isinstance(value, torch.Tensor) and (
                unsafe_view or in_place or storages == {value.untyped_storage()._cdata}
            )
            if same:
                return source, in_place
        return None, in_place

    def spread_layers(self) -> None:
        """Give each op without a layer that of an input, else of a consumer; parameters and
        their updates that of the first op with a layer that reads the parameter or a view of it."""
        ops, count = self.builder.ops, self.traced.num_trained
        producer = [op for op, _ in self.builder.tensors]
        reader: dict[int, str] = {}
        viewed: dict[int, int] = {}  # an op without a layer → what it reads first
        for tensor, number in self.builder.uses:
            op, source = ops[number], viewed.get(producer[tensor], producer[tensor])
            if op.phase == "forward":
                if op.layer is None:
                    viewed.setdefault(number, source)
                else:
                    reader.setdefault(source, op.layer)
        for number, op in enumerate(ops):
            if op.kind in ("parameter", "buffer", "input") and number in reader:
                op.layer = reader[number]
        for op, known in zip(ops, self.traced.placeholders, strict=False):
            if known.role == "state" and known.parameter is not None:
                op.layer = ops[known.parameter].layer
        for op in ops:
            if op.phase == "optimizer" and 0 <= op.colocation < count:
                op.layer = ops[op.colocation].layer
        self.builder.spread_layers()


def _values(arguments: Any) -> Any:
    """A node's arguments with every node replaced by its fake value."""
    return torch.fx.node.map_arg(arguments, lambda node: node.meta.get("val"))
