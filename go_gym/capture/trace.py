"""Tracing a full training step at ATen level, with nothing computed and no memory for tensors.

The one module that touches torch's private tracing interfaces. ``make_fx`` under FakeTensorMode
records the forward pass, the loss, ``torch.autograd.grad`` and our own functional Adam; each
recorded node is tagged, as it is made, with its phase, layer and parameter.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import PythonKeyTracer, make_fx

from go_gym.errors import CaptureError

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
"""Adam's defaults (Kingma and Ba 2015)."""

TAG = "go_gym"


@dataclass(frozen=True)
class Tag:
    """Where in the program a node was recorded."""

    phase: str
    layer: str | None
    parameter: int | None = None  # the parameter that an optimizer op updates


@dataclass
class Recorder:
    """What the program is doing while it is traced."""

    layer_of: Callable[[str], str | None]
    phase: str = "forward"
    parameter: int | None = None
    path: list[str] = field(default_factory=list)
    layer_of_sequence: dict[int, str | None] = field(default_factory=dict)

    def tag(self) -> Tag:
        if self.phase == "forward":
            layer = self.layer_of(self.path[-1]) if self.path else None
            # autograd numbers its node before the op is recorded
            self.layer_of_sequence[torch.autograd._get_sequence_nr() - 1] = layer
            return Tag(self.phase, layer)
        node = torch._C._current_autograd_node() if self.phase == "backward" else None
        layer = self.layer_of_sequence.get(node._sequence_nr()) if node is not None else None
        return Tag(self.phase, layer, self.parameter)


@dataclass(frozen=True)
class Traced:
    """A recorded training step.

    Placeholders stand in this order: parameters, first moments, second moments, inputs, buffers.
    """

    module: GraphModule
    parameters: tuple[str, ...]  # names
    num_inputs: int
    buffers: tuple[str, ...] = ()  # names


def trace_training_step(
    build: Callable[[], torch.nn.Module],
    inputs: Callable[[], Sequence[torch.Tensor]],
    layer_of: Callable[[str], str | None],
) -> Traced:
    """Record one training step with Adam.

    Args:
        build: makes the model; called on it, the inputs give a scalar loss.
        inputs: makes the inputs.
        layer_of: the layer tag of a module path, None for none.
    """
    with FakeTensorMode():
        model = build()
        batch = list(inputs())
        buffers = dict(model.named_buffers())
        named = dict(model.named_parameters())
        names, values = tuple(named), [value.detach() for value in named.values()]
        first = [torch.empty_like(value) for value in values]
        second = [torch.empty_like(value) for value in values]
        recorder = Recorder(layer_of)
        hooks = _follow_modules(model, recorder)

        def step(parameters, first, second, batch, constants):
            leaves = [value.detach().requires_grad_() for value in parameters]
            tensors = dict(zip(names, leaves, strict=True))
            tensors.update(zip(buffers, constants, strict=True))
            recorder.phase = "forward"
            loss = torch.func.functional_call(model, tensors, tuple(batch))
            recorder.phase = "backward"
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
            recorder.phase = "optimizer"
            updated = []
            for number, gradient in enumerate(gradients):
                if gradient is None:
                    raise CaptureError(
                        f"parameter {names[number]!r} does not reach the loss: leave it out"
                    )
                recorder.parameter = number
                updated += adam(parameters[number], first[number], second[number], gradient)
            return [loss.detach(), *updated]

        with _tagged_nodes(recorder):
            module = make_fx(step, tracing_mode="fake")(
                values, first, second, batch, list(buffers.values())
            )
        for hook in hooks:
            hook.remove()
    module.graph.eliminate_dead_code()
    return Traced(module, names, len(batch), tuple(buffers))


def adam(
    parameter: torch.Tensor, first: torch.Tensor, second: torch.Tensor, gradient: torch.Tensor
) -> list[torch.Tensor]:
    """New parameter and moments after the first step of Adam (Kingma and Ba 2015, algorithm 1)."""
    first = first * BETA1 + gradient * (1 - BETA1)
    second = second * BETA2 + gradient * gradient * (1 - BETA2)
    size = torch.sqrt(second / (1 - BETA2)) + EPSILON
    return [parameter - first / size * (LEARNING_RATE / (1 - BETA1)), first, second]


def _follow_modules(model: torch.nn.Module, recorder: Recorder) -> list[Any]:
    hooks = []
    for path, module in model.named_modules():

        def enter(module, args, path=path):
            recorder.path.append(path)

        def leave(module, args, output):
            recorder.path.pop()

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    return hooks


@contextmanager
def _tagged_nodes(recorder: Recorder) -> Iterator[None]:
    """Have every node that make_fx records carry the recorder's tag."""
    original = PythonKeyTracer.create_node

    def create_node(self, *args, **kwargs) -> Node:
        node = original(self, *args, **kwargs)
        node.meta[TAG] = recorder.tag()
        return node

    PythonKeyTracer.create_node = create_node
    try:
        yield
    finally:
        PythonKeyTracer.create_node = original
