"""A tape of forward ops that writes down the backward pass and Adam, as autograd would."""

from dataclasses import dataclass, field
from math import prod

from go_gym.graph import Alias, Outlives
from go_gym.graph.builder import GraphBuilder, Op

Shape = tuple[int, ...]
FLOAT = 4
"""Bytes of a float32, which all tensors hold."""
ADAM = (
    "aten.mul.Tensor",
    "aten.mul.Tensor",
    "aten.add.Tensor",
    "aten.mul.Tensor",
    "aten.mul.Tensor",
    "aten.mul.Tensor",
    "aten.add.Tensor",
    "aten.div.Tensor",
    "aten.sqrt",
    "aten.add.Tensor",
    "aten.div.Tensor",
    "aten.mul.Tensor",
    "aten.sub.Tensor",
)
"""The types of one parameter's update in captured graphs, in order."""
ADAM_RESULTS = (2, 6, 12)
"""Those that give the new moments and the new parameter."""


@dataclass(frozen=True)
class Forward:
    """An op that was recorded, for the way back."""

    kind: str  # linear, joint, elementwise, product, add, cat, slice
    inputs: tuple[int, ...]  # tensors
    output: int
    layer: str
    weights: tuple[int, ...] = ()  # the tensors of its parameters


@dataclass
class Tape:
    """The graph under construction, and what was recorded of its forward pass."""

    builder: GraphBuilder = field(default_factory=GraphBuilder)
    tensor_shapes: list[Shape] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    parameters: list[tuple[int, int, str]] = field(default_factory=list)  # tensor, group, layer
    groups: int = 0
    phase: str = "forward"

    @property
    def num_ops(self) -> int:
        """How many ops are recorded."""
        return len(self.builder.ops)

    # -- what models are made of; each takes and gives tensor numbers

    def input(self, shape: Shape, layer: str) -> int:
        """A tensor from outside."""
        return self._op("input", (), shape, layer, free=True)

    def parameter(self, shape: Shape, layer: str) -> int:
        """A trained tensor, with an optimizer's update of its own at the end."""
        group = self._new_group()
        tensor = self._resident("parameter", shape, layer, group)
        self.parameters.append((tensor, group, layer))
        return tensor

    def linear(self, x: int, weight: int, layer: str, bias: int | None = None) -> int:
        """(rows, inner) times (columns, inner) transposed, plus (columns,)."""
        turned = self._view("aten.t", weight, layer)
        (rows, inner), columns = self.tensor_shapes[x], self.tensor_shapes[weight][0]
        kind = "aten.mm"
        sources: tuple[int, ...] = (x, turned)
        weights: tuple[int, ...] = (weight,)
        if bias is not None:
            kind, sources, weights = "aten.addmm", (bias, x, turned), (weight, bias)
        y = self._op(kind, sources, (rows, columns), layer, 2 * rows * inner * columns)
        return self._record("linear", (x,), y, layer, weights)

    def convolution(self, x: int, weight: int, layer: str, stride: int = 1) -> int:
        """(batch, channels, side, side) by (outputs, channels, kernel, kernel), sides kept."""
        batch, _, side, _ = self.tensor_shapes[x]
        outputs = self.tensor_shapes[weight][0]
        shape = (batch, outputs, -(-side // stride), -(-side // stride))
        products = 2 * prod(shape) * prod(self.tensor_shapes[weight][1:])
        y = self._op("aten.convolution", (x, weight), shape, layer, products)
        return self._record("joint", (x,), y, layer, (weight,))

    def norm(self, kind: str, x: int, layer: str) -> int:
        """A normalisation with scale and shift over dimension 1."""
        shape = self.tensor_shapes[x]
        weights = tuple(self.parameter((shape[1],), layer) for _ in range(2))
        y = self._op(kind, (x, *weights), shape, layer, 8 * prod(shape))
        return self._record("joint", (x,), y, layer, weights)

    def elementwise(self, kind: str, x: int, layer: str, cost: int = 1) -> int:
        """An op of ``cost`` FLOPs an element, its output shaped as ``x``."""
        shape = self.tensor_shapes[x]
        y = self._op(kind, (x,), shape, layer, cost * prod(shape))
        return self._record("elementwise", (x,), y, layer)

    def product(self, x: int, y: int, layer: str) -> int:
        """Element by element."""
        return self._pair("product", "aten.mul.Tensor", x, y, layer)

    def add(self, x: int, y: int, layer: str) -> int:
        """Element by element."""
        return self._pair("add", "aten.add.Tensor", x, y, layer)

    def cat(self, parts: list[int], layer: str) -> int:
        """Along dimension 1."""
        shapes = [self.tensor_shapes[part] for part in parts]
        shape = (shapes[0][0], sum(s[1] for s in shapes), *shapes[0][2:])
        y = self._op("aten.cat", tuple(parts), shape, layer)
        return self._record("cat", tuple(parts), y, layer)

    def slices(self, x: int, count: int, layer: str) -> list[int]:
        """Equal parts along dimension 1: views."""
        rows, columns = self.tensor_shapes[x]
        parts = []
        for _ in range(count):
            part = self._view("aten.slice.Tensor", x, layer, (rows, columns // count))
            parts.append(self._record("slice", (x,), part, layer))
        return parts

    # -- the way back

    def finish(self, loss: int) -> None:
        """Record the backward pass from tensor ``loss`` and the update of every parameter."""
        self.phase = "backward"
        self.builder.outlives[loss] = Outlives.HELD
        last = self.builder.producer(loss).layer or ""
        gradients = {loss: [self._op("aten.ones_like", (), self.tensor_shapes[loss], last)]}
        for forward in reversed(self.forwards):
            parts = gradients.pop(forward.output, None)
            if parts:
                self._backward(forward, self._total(parts, forward.layer), gradients)
        self.phase = "optimizer"
        for tensor, group, layer in self.parameters:
            if tensor in gradients:
                self._update(group, tensor, self._total(gradients[tensor], layer), layer)

    def _backward(self, forward: Forward, gradient: int, gradients: dict[int, list[int]]) -> None:
        def give(tensor: int, kind: str, sources: tuple[int, ...], flops: int) -> None:
            shape = self.tensor_shapes[tensor]
            found = self._op(kind, sources, shape, forward.layer, flops)
            gradients.setdefault(tensor, []).append(found)

        size = prod(self.tensor_shapes[gradient])
        if forward.kind == "linear":
            (weight, *biases), (x,) = forward.weights, forward.inputs
            products = 2 * size * self.tensor_shapes[weight][1]
            turned = self._view("aten.t", gradient, forward.layer)
            give(x, "aten.mm", (gradient, weight), products)
            give(weight, "aten.mm", (turned, x), products)
            for bias in biases:
                give(bias, "aten.sum.dim_IntList", (gradient,), size)
        elif forward.kind == "joint":
            self._joint(forward, gradient, gradients)
        elif forward.kind == "elementwise":
            kind = self.builder.producer(forward.output).kind + "_backward"
            kept = self._view("aten.detach", forward.output, forward.layer)
            give(forward.inputs[0], kind, (gradient, kept), size)
        elif forward.kind == "product":
            for x, other in (forward.inputs, forward.inputs[::-1]):
                give(x, "aten.mul.Tensor", (gradient, other), size)
        elif forward.kind == "add":
            for x in forward.inputs:
                gradients.setdefault(x, []).append(gradient)
        elif forward.kind == "cat":
            for x in forward.inputs:
                part = self._view(
                    "aten.slice.Tensor", gradient, forward.layer, self.tensor_shapes[x]
                )
                gradients.setdefault(x, []).append(part)
        else:
            give(forward.inputs[0], "aten.slice_backward", (gradient,), 0)

    def _joint(self, forward: Forward, gradient: int, gradients: dict[int, list[int]]) -> None:
        """One op for the gradients of input and parameters, each picked by a getitem."""
        producer = self.builder.producer(forward.output)
        wanted = (*forward.inputs, *forward.weights)
        group, kind = self._new_group(), producer.kind + "_backward"
        shape = self.tensor_shapes[wanted[0]]
        sources = (gradient, *wanted)
        first = self._op(kind, sources, shape, forward.layer, 2 * producer.flops, group=group)
        op = self.num_ops - 1
        for tensor in wanted:
            shape = self.tensor_shapes[tensor]
            made = first if tensor == wanted[0] else self._output(op, shape, Alias.OWN)
            picked = self._view("getitem", made, forward.layer, shape, group)
            gradients.setdefault(tensor, []).append(picked)
        written = sum(FLOAT * prod(self.tensor_shapes[tensor]) for tensor in wanted)
        self.builder.ops[op].bytes_written = written

    def _total(self, parts: list[int], layer: str) -> int:
        total = parts[0]
        for part in parts[1:]:
            shape = self.tensor_shapes[total]
            total = self._op("aten.add.Tensor", (total, part), shape, layer, prod(shape))
        return total

    def _update(self, group: int, tensor: int, gradient: int, layer: str) -> None:
        shape = self.tensor_shapes[tensor]
        self.phase = "forward"  # where resident tensors stand
        first, second = (self._resident("state", shape, layer, group) for _ in range(2))
        self.phase = "optimizer"
        value = gradient
        others = (first, gradient, second, gradient, tensor)
        for number, kind in enumerate(ADAM):
            sources = (value, others[number % len(others)])
            value = self._op(kind, sources, shape, layer, prod(shape), group=group)
            if number in ADAM_RESULTS:
                self.builder.outlives[value] = Outlives.IN_PLACE

    # -- columns

    def _pair(self, role: str, kind: str, x: int, y: int, layer: str) -> int:
        shape = self.tensor_shapes[x]
        output = self._op(kind, (x, y), shape, layer, prod(shape))
        return self._record(role, (x, y), output, layer)

    def _record(
        self,
        kind: str,
        inputs: tuple[int, ...],
        output: int,
        layer: str,
        weights: tuple[int, ...] = (),
    ) -> int:
        self.forwards.append(Forward(kind, inputs, output, layer, weights))
        return output

    def _new_group(self) -> int:
        self.groups += 1
        return self.groups - 1

    def _view(
        self, kind: str, x: int, layer: str, shape: Shape | None = None, group: int = -1
    ) -> int:
        shape = self.tensor_shapes[x] if shape is None else shape
        return self._op(kind, (x,), shape, layer, free=True, alias=x, group=group)

    def _resident(self, kind: str, shape: Shape, layer: str, group: int) -> int:
        tensor = self._op(kind, (), shape, layer, free=True, alias=Alias.PARAMETER, group=group)
        self.builder.ops[-1].parameter_bytes = FLOAT * prod(shape)
        return tensor

    def _op(
        self,
        kind: str,
        inputs: tuple[int, ...],
        shape: Shape,
        layer: str,
        flops: int = 0,
        *,
        free: bool = False,
        alias: int = Alias.OWN,
        group: int = -1,
    ) -> int:
        used = sorted(set(inputs))
        read = sum(FLOAT * prod(self.tensor_shapes[x]) for x in used)
        op = Op(
            kind,
            shape=shape,
            phase=self.phase,
            layer=layer,
            flops=0 if free else flops,
            bytes_read=0 if free else read,
            bytes_written=0 if free else FLOAT * prod(shape),
            colocation=group,
        )
        return self._output(self.builder.add_op(op, used), shape, alias)

    def _output(self, op: int, shape: Shape, alias: int) -> int:
        self.tensor_shapes.append(shape)
        return self.builder.add_tensor(op, FLOAT * prod(shape), alias)
