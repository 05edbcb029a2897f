"""Training graphs of any size for benchmarks: an unrolled LSTM and a transformer, heads apart.

Forward ops are written out; the backward pass is derived from them op by op, and Adam follows,
as automatic differentiation at ATen level would do. Durations are a roofline's on a P100.
"""

from collections import defaultdict

import numpy as np

import go_gym
from go_gym.graph import Alias

PEAK_FLOPS, MEMORY_BANDWIDTH, LAUNCH_NS = 9.5e12, 732e9, 4000
FLOAT = 4


class Builder:
    """Ops, tensors (by number) and uses, as they are added."""

    def __init__(self) -> None:
        self.durations: list[int] = []
        self.layers: list[str] = []
        self.parameter_bytes: list[int] = []
        self.tensors: list[tuple[int, int]] = []
        self.aliases: list[int] = []
        self.uses: list[tuple[int, int]] = []
        self.tape: list[tuple[str, tuple[int, ...], tuple[int, ...], int, str]] = []
        self.parameters: list[int] = []
        self.layer = "0"

    def size(self, tensor: int) -> int:
        return self.tensors[tensor][1]

    def op(self, inputs, outputs, flops=0, aliases=None, free=False) -> tuple[int, ...]:
        """Add an op with outputs of these sizes; returns their numbers."""
        number = len(self.durations)
        moved = sum(self.size(tensor) for tensor in inputs) + sum(outputs)
        work = max(flops / PEAK_FLOPS, moved / MEMORY_BANDWIDTH) * 1e9
        self.durations.append(0 if free else LAUNCH_NS + round(work))
        self.layers.append(self.layer)
        self.parameter_bytes.append(0)
        self.uses += [(tensor, number) for tensor in dict.fromkeys(inputs)]
        first = len(self.tensors)
        self.tensors += [(number, size) for size in outputs]
        self.aliases += aliases or [Alias.OWN] * len(outputs)
        return tuple(range(first, len(self.tensors)))

    def _taped(self, kind, inputs, outputs, flops=0, **more) -> tuple[int, ...]:
        made = self.op(inputs, outputs, flops, **more)
        self.tape.append((kind, tuple(inputs), made, flops, self.layer))
        return made

    def source(self, size: int) -> int:
        return self.op([], [size], free=True)[0]

    def parameter(self, size: int) -> int:
        made = self.op([], [size], aliases=[Alias.PARAMETER], free=True)[0]
        self.parameter_bytes[-1] = 3 * size  # with Adam's two moments
        self.parameters.append(made)
        return made

    def view(self, a: int) -> int:
        return self._taped("view", [a], [self.size(a)], aliases=[a], free=True)[0]

    def split(self, a: int, parts: int) -> tuple[int, ...]:
        sizes = [self.size(a) // parts] * parts
        return self._taped("split", [a], sizes, aliases=[a] * parts, free=True)

    def cat(self, parts: list[int]) -> int:
        return self._taped("cat", parts, [sum(self.size(part) for part in parts)])[0]

    def matmul(self, a: int, b: int, rows: int, inner: int, columns: int) -> int:
        size, flops = rows * columns * FLOAT, 2 * rows * inner * columns
        return self._taped("matmul", [a, b], [size], flops)[0]

    def unary(self, a: int) -> int:
        return self._taped("unary", [a], [self.size(a)], self.size(a))[0]

    def mul(self, a: int, b: int) -> int:
        return self._taped("mul", [a, b], [self.size(a)])[0]

    def add(self, a: int, b: int) -> int:
        return self._taped("add", [a, b], [self.size(a)])[0]

    def backward(self, loss: int) -> None:
        """Gradients of all that was taped, then Adam on every parameter."""
        gradients: dict[int, list[int]] = defaultdict(list)
        gradients[loss] = [self.op([loss], [self.size(loss)])[0]]

        def total(tensor: int) -> int | None:
            parts = gradients.pop(tensor, [])
            while len(parts) > 1:
                parts.append(self.op([parts.pop(), parts.pop()], [self.size(tensor)])[0])
            return parts[0] if parts else None

        for kind, inputs, outputs, flops, layer in reversed(self.tape):
            self.layer = layer
            arrived = [total(tensor) for tensor in outputs]
            if not any(grad is not None for grad in arrived):
                continue
            grads = [grad for grad in arrived if grad is not None]
            grad = grads[0]
            if kind == "view":
                made = self.op([grad], [self.size(grad)], aliases=[grad], free=True)
                gradients[inputs[0]].append(made[0])
            elif kind == "split":
                made = self.op(grads, [self.size(inputs[0])])
                gradients[inputs[0]].append(made[0])
            elif kind == "cat":
                sizes = [self.size(part) for part in inputs]
                made = self.op([grad], sizes, aliases=[grad] * len(sizes), free=True)
                for tensor, part in zip(inputs, made, strict=True):
                    gradients[tensor].append(part)
            elif kind == "matmul":
                for mine, other in (inputs, inputs[::-1]):
                    turned = self.op([other], [self.size(other)], aliases=[other], free=True)[0]
                    made = self.op([grad, turned], [self.size(mine)], flops)
                    gradients[mine].append(made[0])
            elif kind == "unary":
                made = self.op([grad, outputs[0]], [self.size(inputs[0])])
                gradients[inputs[0]].append(made[0])
            elif kind == "mul":
                for mine, other in (inputs, inputs[::-1]):
                    gradients[mine].append(self.op([grad, other], [self.size(mine)])[0])
            else:  # add, with broadcasting of a smaller second one
                gradients[inputs[0]].append(grad)
                if self.size(inputs[1]) < self.size(grad):
                    grad = self.op([grad], [self.size(inputs[1])])[0]
                gradients[inputs[1]].append(grad)
        for tensor in self.parameters:
            self.layer = self.layers[self.tensors[tensor][0]]
            grad, size = total(tensor), self.size(tensor)
            if grad is None:
                continue
            first = self.op([grad], [size])[0]
            square = self.op([grad, grad], [size])[0]
            root = self.op([self.op([square], [size])[0]], [size])[0]
            step = self.op([first, root], [size])[0]
            self.op([tensor, step], [])

    def build(self, name: str) -> go_gym.ComputationGraph:
        return go_gym.ComputationGraph.from_costs(
            np.array(self.durations),
            self.tensors,
            self.uses,
            parameter_bytes=self.parameter_bytes,
            aliases=self.aliases,
            layers=self.layers,
            name=name,
        )


def lstm(layers: int, steps: int, batch: int = 64, hidden: int = 1024) -> go_gym.ComputationGraph:
    """An unrolled LSTM language model; about 50 ops a cell."""
    b = Builder()
    state, gates = batch * hidden * FLOAT, 4 * hidden
    weights, hs, cs = [], [], []
    for layer in range(layers):
        b.layer = str(layer)
        sizes = (hidden * gates * FLOAT, hidden * gates * FLOAT, gates * FLOAT)
        weights.append([b.parameter(size) for size in sizes])
        hs.append(b.source(state))
        cs.append(b.source(state))
    b.layer = "0"
    outputs = []
    for _ in range(steps):
        b.layer = "0"
        x = b.view(b.source(state))
        for layer, (wx, wh, bias) in enumerate(weights):
            b.layer = str(layer)
            from_x = b.matmul(x, b.view(wx), batch, hidden, gates)
            from_h = b.matmul(hs[layer], b.view(wh), batch, hidden, gates)
            i, f, g, o = b.split(b.add(b.add(from_x, from_h), bias), 4)
            i, f, g, o = (b.unary(gate) for gate in (i, f, g, o))
            cs[layer] = b.add(b.mul(f, cs[layer]), b.mul(i, g))
            x = hs[layer] = b.mul(o, b.unary(cs[layer]))
        outputs.append(b.view(x))
    b.layer = str(layers)
    vocabulary = 10_000
    head = b.parameter(hidden * vocabulary * FLOAT)
    every = b.cat(outputs)
    logits = b.matmul(every, b.view(head), batch * steps, hidden, vocabulary)
    b.backward(b.unary(logits))
    return b.build(f"lstm-{layers}x{steps}")


def transformer(
    layers: int, microbatches: int = 1, heads: int = 16, tokens: int = 512, width: int = 1024
) -> go_gym.ComputationGraph:
    """A transformer whose attention heads are ops of their own, over some microbatches."""
    b = Builder()
    weights = []
    for layer in range(layers):
        b.layer = str(layer)
        square, wide = width * width * FLOAT, 4 * width * width * FLOAT
        weights.append([b.parameter(size) for size in (square, square, square, square, wide, wide)])
    ends = []
    for _ in range(microbatches):
        b.layer = "0"
        x = b.source(tokens * width * FLOAT)
        for layer, (wq, wk, wv, wo, up, down) in enumerate(weights):
            b.layer = str(layer)
            normal = b.unary(x)
            mixed = (b.matmul(normal, b.view(w), tokens, width, width) for w in (wq, wk, wv))
            done = []
            for q, k, v in zip(*(b.split(each, heads) for each in mixed), strict=True):
                score = b.matmul(b.view(q), b.view(k), tokens, width // heads, tokens)
                done.append(b.matmul(b.unary(score), v, tokens, tokens, width // heads))
            x = b.add(x, b.matmul(b.cat(done), b.view(wo), tokens, width, width))
            inner = b.unary(b.matmul(b.unary(x), b.view(up), tokens, width, 4 * width))
            x = b.add(x, b.matmul(inner, b.view(down), tokens, 4 * width, width))
        ends.append(x)
    b.backward(b.unary(b.cat(ends)))
    return b.build(f"transformer-{layers}x{microbatches}")
