"""Tracing a program at ATen level, with nothing computed and no memory for tensors.

The one module that touches torch's private tracing interfaces. ``make_fx`` under FakeTensorMode
records the forward pass and, of a training step, the loss, ``torch.autograd.grad`` and a
functional optimizer; each recorded node is tagged, as it is made, with its phase, layer and
parameter.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import PythonKeyTracer, make_fx
from torch.utils import _pytree

from go_gym.capture.optimizers import Optimizer
from go_gym.errors import CaptureError

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
class Placeholder:
    """What one of the program's inputs is."""

    role: str  # parameter, state, buffer or input
    name: str  # "parameter:layer.weight", "first_moment:layer.weight", "input:0", …
    parameter: int | None = None  # the trained parameter that it is or belongs to


@dataclass(frozen=True)
class Traced:
    """A recorded program.

    Placeholders stand in this order: trained parameters, their states (all parameters' first,
    then all second ones, …), inputs, buffers and parameters that are not trained.
    """

    module: GraphModule
    placeholders: tuple[Placeholder, ...]
    outputs: tuple[str, ...]  # names: "loss", "gradient:…", "parameter:…", …; else "output:0", …

    @property
    def num_trained(self) -> int:
        return sum(
            each.role == "parameter" and each.parameter is not None for each in self.placeholders
        )


def trace_training_step(
    build: Callable[[], torch.nn.Module],
    inputs: Callable[[], Sequence[Any]],
    layer_of: Callable[[str], str | None],
    optimizer: Optimizer,
) -> Traced:
    """Record one training step.

    Args:
        build: makes the model; called on it, the inputs give a scalar loss.
        inputs: makes the inputs.
        layer_of: the layer tag of a module path, None for none.
        optimizer: updates the parameters that require a gradient.
    """
    with FakeTensorMode():
        model, (batch, whole) = build(), _split(inputs())
        resident = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        fixed = {name: t.detach() for name, t in resident.items() if name not in named}
        names, values = list(named), [value.detach() for value in named.values()]
        states = [optimizer.states(name, value) for name, value in zip(names, values, strict=True)]
        keys = list(dict.fromkeys(key for each in states for key in each))
        recorder = Recorder(layer_of)

        def step(parameters, states, batch, constants):
            leaves = [value.detach().requires_grad_() for value in parameters]
            tensors = dict(zip(names, leaves, strict=True))
            tensors.update(zip(fixed, constants, strict=True))
            recorder.phase = "forward"
            loss = torch.func.functional_call(model, tensors, whole(batch))
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
                own = {key: state[number] for key, state in states.items() if number in state}
                updated += optimizer.update(names[number], parameters[number], gradient, own)
            return [loss.detach(), *gradients, *updated]

        by_key = {
            key: {number: each[key] for number, each in enumerate(states) if key in each}
            for key in keys
        }
        module = _record(model, recorder, step, values, by_key, batch, list(fixed.values()))
    placeholders = [
        *(Placeholder("parameter", f"parameter:{name}", i) for i, name in enumerate(names)),
        *(
            Placeholder("state", f"{key}:{names[number]}", number)
            for key, state in by_key.items()
            for number in state
        ),
        *(Placeholder("input", f"input:{number}") for number in range(len(batch))),
        *_fixed(model, fixed),
    ]
    outputs = ["loss", *(f"gradient:{name}" for name in names)]
    for name, state in zip(names, states, strict=True):
        outputs += [f"parameter:{name}", *(f"{key}:{name}" for key in state)]
    return Traced(module, tuple(placeholders), tuple(outputs))


def trace_inference(
    build: Callable[[], torch.nn.Module],
    inputs: Callable[[], Sequence[Any]],
    layer_of: Callable[[str], str | None],
) -> Traced:
    """Record one forward pass without gradients; the arguments are as for a training step."""
    with FakeTensorMode():
        model, (batch, whole) = build(), _split(inputs())
        resident = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        fixed = {name: tensor.detach() for name, tensor in resident.items()}

        def forward(constants, batch):
            tensors = dict(zip(fixed, constants, strict=True))
            with torch.no_grad():
                results = torch.func.functional_call(model, tensors, whole(batch))
            return [leaf for leaf in _pytree.tree_leaves(results) if _is_tensor(leaf)]

        module = _record(model, Recorder(layer_of), forward, list(fixed.values()), batch)
    placeholders = [
        *_fixed(model, fixed),
        *(Placeholder("input", f"input:{number}") for number in range(len(batch))),
    ]
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    outputs = tuple(f"output:{number}" for number in range(len(output.args[0])))
    return Traced(module, tuple(placeholders), outputs)


def _fixed(model: torch.nn.Module, names: Iterable[str]) -> list[Placeholder]:
    """Placeholders of buffers, and of parameters that are not trained."""
    roles = dict.fromkeys(dict(model.named_parameters()), "parameter")
    return [
        Placeholder(roles.get(name, "buffer"), f"{roles.get(name, 'buffer')}:{name}")
        for name in names
    ]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _split(arguments: Sequence[Any]) -> tuple[list[torch.Tensor], Callable[[list[Any]], tuple]]:
    """The tensors in the arguments, and what puts tensors back into their places."""
    leaves, form = _pytree.tree_flatten(tuple(arguments))
    places = [number for number, leaf in enumerate(leaves) if _is_tensor(leaf)]

    def whole(tensors: list[Any]) -> tuple:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        return _pytree.tree_unflatten(filled, form)

    return [leaves[place] for place in places], whole


def _record(
    model: torch.nn.Module, recorder: Recorder, function: Callable[..., Any], *args: Any
) -> GraphModule:
    """The program that ``function`` runs on ``args``, tagged, without dead code."""
    hooks = _follow_modules(model, recorder)
    with _tagged_nodes(recorder):
        module = make_fx(function, tracing_mode="fake")(*args)
    for hook in hooks:
        hook.remove()
    module.graph.eliminate_dead_code()
    return module


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
    tracer: Any = PythonKeyTracer
    original = tracer.create_node

    def create_node(self, *args, **kwargs) -> Node:
        node = original(self, *args, **kwargs)
        node.meta[TAG] = recorder.tag()
        return node

    tracer.create_node = create_node
    try:
        yield
    finally:
        tracer.create_node = original
