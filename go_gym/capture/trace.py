"""Tracing a program at ATen level, with nothing computed and no memory for tensors.

This module and ``functional.py`` alone touch torch's private tracing interfaces. ``make_fx``'s
tracer under FakeTensorMode records the forward pass and, of a training step, the loss,
``torch.autograd.grad`` and a functional optimizer; each recorded node is tagged, as it is made,
with its phase, layer and parameter.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch._guards import detect_fake_mode
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import PythonKeyTracer, _MakefxTracer
from torch.utils import _pytree

from go_gym.capture.blame import line_here
from go_gym.capture.optimizers import HeldOptimizer, Optimizer
from go_gym.errors import CaptureError, CaptureWarning

TAG = "go_gym"
LINE = "go_gym_line"
INTO = "go_gym_into"
AFTER = "go_gym_after"
"""What a recorded node carries: its Tag; of one that holds something, the user's line; the nodes
whose storage its outputs take over, in order; a node that it must wait for and does not read."""


AFTER_BACKWARD = "after"
"""The phase of what follows a backward pass until all is recorded."""


@dataclass(frozen=True)
class Tag:
    """Where in the program a node was recorded."""

    phase: str
    layer: str | None
    parameter: int | None = None  # the parameter that an optimizer op updates


class Speaker(Protocol):
    """Says of the op that is being recorded where in the program it stands."""

    def tag(self) -> Tag:
        """Phase, module path and line of what is being recorded."""

    def line(self) -> str:
        """The line of the user's code, empty if it is not known."""
        ...

    def into(self, target: Any, args: Sequence[Any]) -> tuple[Node, ...]:
        """The inputs whose storage the outputs of this call take over, empty for none."""
        ...


@dataclass
class Recorder:
    """What the program is doing while it is traced.

    With ``own_phases`` the program calls backward itself: ops are forward before it, backward
    while autograd runs, and optimizer after it, without gradients; those with gradients are
    ``AFTER_BACKWARD``, until it is known whether another backward pass follows.
    """

    layer_of: Callable[[str], str | None]
    own_phases: bool = False
    phase: str = "forward"
    parameter: int | None = None
    path: list[str] = field(default_factory=list)
    layer_of_sequence: dict[int, str | None] = field(default_factory=dict)

    def tag(self) -> Tag:
        """Phase, module path and line of what is being recorded."""
        node = torch._C._current_autograd_node()
        if self.own_phases:
            self.phase = self._own_phase(node is not None)
        again = self.phase == "backward" and self.path and self.path[-1]  # a checkpointed layer
        if self.phase in ("forward", AFTER_BACKWARD) or again:
            layer = self.layer_of(self.path[-1]) if self.path else None
            # autograd numbers its node before the op is recorded
            self.layer_of_sequence[torch.autograd._get_sequence_nr() - 1] = layer
            return Tag(self.phase, layer)
        layer = None
        if node is not None and self.phase == "backward":
            layer = self.layer_of_sequence.get(node._sequence_nr())
        return Tag(self.phase, layer, self.parameter)

    def _own_phase(self, running: bool) -> str:
        if running:
            return "backward"
        if self.phase == "forward":
            return "forward"
        return AFTER_BACKWARD if torch.is_grad_enabled() else "optimizer"

    def line(self) -> str:
        """The line of the user's code, empty if it is not known."""
        return line_here()

    def into(self, target: Any, args: Sequence[Any]) -> tuple[Node, ...]:
        """None: what a program writes in place is recorded as it is."""
        return ()


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
        """How many parameters are trained."""
        return sum(
            each.role == "parameter" and each.parameter is not None for each in self.placeholders
        )


Run = Callable[[Callable[..., Any], Sequence[Any]], Any]
"""What a program does with the model, given as a function, and the inputs."""


def plainly(call: Callable[..., Any], inputs: Sequence[Any]) -> Any:
    """What the model gives on the inputs."""
    return call(*inputs)


def trace_training_step(
    build: Callable[[], torch.nn.Module],
    inputs: Callable[[], Sequence[Any]],
    layer_of: Callable[[str], str | None],
    optimizer: Optimizer,
    score: Run = plainly,
    accumulating: bool = False,
) -> Traced:
    """Record one training step.

    A parameter that the loss does not reach is resident and not updated, and a CaptureWarning
    names it.

    Args:
        build: makes the model; called on it, the inputs give a scalar loss.
        inputs: makes the inputs.
        layer_of: the layer tag of a module path, None for none.
        optimizer: updates the parameters that require a gradient.
        score: the scalar loss, given the model as a function, and the inputs.
        accumulating: by ``loss.backward()`` instead of ``torch.autograd.grad``, which re-entrant
            checkpoints refuse.
    """
    unreached: set[str] = set()
    with FakeTensorMode(allow_non_fake_inputs=True):
        model, (batch, whole) = build(), _split(inputs())
        resident = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        fixed = {name: fake(t) for name, t in resident.items() if name not in named}
        names, values = list(named), [fake(value) for value in named.values()]
        if not names:
            raise CaptureError("no parameter requires a gradient: capture it without an optimizer")
        states = [optimizer.states(name, value) for name, value in zip(names, values, strict=True)]
        keys = list(dict.fromkeys(key for each in states for key in each))
        recorder = Recorder(layer_of)

        def step(parameters, states, batch, constants):
            leaves = [value.detach().requires_grad_() for value in parameters]
            tensors = dict(zip(names, leaves, strict=True))
            tensors.update(zip(fixed, constants, strict=True))
            recorder.phase = "forward"

            def differentiate():
                loss = score(model, whole(batch))
                _check_loss(loss)
                recorder.phase = "backward"
                return loss, _gradients(loss, leaves, accumulating)

            loss, gradients = _with_tensors(model, tensors, differentiate)
            recorder.phase = "optimizer"
            updated = []
            unreached.update(names[i] for i, each in enumerate(gradients) if each is None)
            for number, gradient in enumerate(gradients):
                if gradient is not None:
                    recorder.parameter = number
                    own = {key: state[number] for key, state in states.items() if number in state}
                    updated += optimizer.update(names[number], parameters[number], gradient, own)
            return [loss.detach(), *(each for each in gradients if each is not None), *updated]

        by_key = {
            key: {number: each[key] for number, each in enumerate(states) if key in each}
            for key in keys
        }
        module = _record(model, recorder, step, values, by_key, batch, list(fixed.values()))
    placeholders = [*_changing(names, by_key, len(batch)), *_fixed(model, fixed)]
    outputs = ["loss", *(f"gradient:{name}" for name in names if name not in unreached)]
    for name, state in zip(names, states, strict=True):
        if name not in unreached:
            outputs += [f"parameter:{name}", *(f"{key}:{name}" for key in state)]
    if unreached:
        kept = ", ".join(name for name in names if name in unreached)
        text = f"the loss does not reach {kept}: not updated, and without state, as in torch"
        warnings.warn(text, CaptureWarning, stacklevel=2)
        states_of = {f"{key}:{name}" for name in unreached for key in keys}
        placeholders = _without(module, placeholders, states_of)
    return Traced(module, tuple(placeholders), tuple(outputs))


def _changing(
    names: list[str], by_key: Mapping[str, Mapping[int, Any]], inputs: int
) -> Iterator[Placeholder]:
    """The parameters that are trained, by number their states of the optimizer, and the inputs."""
    for number, name in enumerate(names):
        yield Placeholder("parameter", f"parameter:{name}", number)
    for key, state in by_key.items():
        for number in state:
            yield Placeholder("state", f"{key}:{names[number]}", number)
    for number in range(inputs):
        yield Placeholder("input", f"input:{number}")


def _gradients(
    loss: torch.Tensor, leaves: list[torch.Tensor], accumulating: bool
) -> Sequence[torch.Tensor | None]:
    if not accumulating:
        return torch.autograd.grad(loss, leaves, allow_unused=True)
    loss.backward()  # type: ignore[no-untyped-call]
    return [leaf.grad for leaf in leaves]


def _without(
    module: GraphModule, placeholders: list[Placeholder], names: set[str]
) -> list[Placeholder]:
    """The placeholders but those of these names, which nothing reads and which are erased."""
    nodes = [node for node in module.graph.nodes if node.op == "placeholder"]
    for node, known in zip(nodes, placeholders, strict=True):
        if known.name in names:
            module.graph.erase_node(node)
    return [known for known in placeholders if known.name not in names]


class _Within(torch.nn.Module):
    """A module whose call runs a function around the model that it holds."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[], Any]) -> Any:
        return function()


def _with_tensors(
    model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], function: Callable[[], Any]
) -> Any:
    """What the function gives while the model has these tensors for its own; not only while it is
    called: what autograd runs again of a checkpointed layer reads them too."""
    held = {f"model.{name}": tensor for name, tensor in tensors.items()}
    return torch.func.functional_call(_Within(model), held, (function,))


def trace_inference(
    build: Callable[[], torch.nn.Module],
    inputs: Callable[[], Sequence[Any]],
    layer_of: Callable[[str], str | None],
    run: Run = plainly,
) -> Traced:
    """Record one forward pass without gradients; the arguments are as for a training step.

    ``run`` gives the results, given the model as a function, and the inputs.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        model, (batch, whole) = build(), _split(inputs())
        resident = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        fixed = {name: fake(tensor) for name, tensor in resident.items()}

        def forward(constants, batch):
            tensors = dict(zip(fixed, constants, strict=True))
            with torch.no_grad():
                return _results(_with_tensors(model, tensors, lambda: run(model, whole(batch))))

        module = _record(model, Recorder(layer_of), forward, list(fixed.values()), batch)
    placeholders = [
        *_fixed(model, fixed),
        *(Placeholder("input", f"input:{number}") for number in range(len(batch))),
    ]
    return Traced(module, tuple(placeholders), _numbered(module))


def trace_function(
    model: torch.nn.Module,
    inputs: Sequence[Any],
    layer_of: Callable[[str], str | None],
    run: Run,
    optimizers: Sequence[torch.optim.Optimizer],
) -> Traced:
    """Record a function that may call backward and its own optimizers, each at its first step.

    Args:
        model: calls the function; holds the modules that the function reads.
        inputs: the function's arguments.
        layer_of: the layer tag of a module path, None for none.
        run: the results, given the model as a function, and the inputs.
        optimizers: those that the function reads; while it is recorded they update what stands
            for their parameters.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        batch, whole = _split(inputs)
        parameters = dict(model.named_parameters())
        values = {name: fake(each) for name, each in parameters.items()}
        fixed = {name: fake(each) for name, each in model.named_buffers()}
        name_of = {id(each): name for name, each in parameters.items()}
        held = [HeldOptimizer.of(each, name_of, values) for each in optimizers]
        states = {label: state for each in held for label, state in each.states.items()}
        owned = [name for name in values if any(name in each.names.values() for each in held)]
        order = [*owned, *(name for name in values if name not in owned)]

        def step(given, kept, batch, constants):
            leaves = {
                name: value.detach().requires_grad_(parameters[name].requires_grad)
                for name, value in zip(order, given, strict=True)
            }
            tensors = {**leaves, **dict(zip(fixed, constants, strict=True))}
            with ExitStack() as stack:
                for each in held:
                    stack.enter_context(each.on(leaves, dict(zip(states, kept, strict=True))))
                stack.enter_context(torch.enable_grad())
                return _results(_with_tensors(model, tensors, lambda: run(model, whole(batch))))

        kept = list(states.values())
        given = [values[name] for name in order]
        recorder = Recorder(layer_of, own_phases=True)
        module = _record(model, recorder, step, given, kept, batch, list(fixed.values()))
    number = {name: index for index, name in enumerate(owned)}
    placeholders = [
        *(Placeholder("parameter", f"parameter:{name}", number.get(name)) for name in order),
        *(Placeholder("state", label, number[label.split(":", 1)[1]]) for label in states),
        *(Placeholder("input", f"input:{index}") for index in range(len(batch))),
        *(Placeholder("buffer", f"buffer:{name}") for name in fixed),
    ]
    _settle_phases(module.graph.nodes)
    return Traced(module, tuple(placeholders), _numbered(module))


def _settle_phases(nodes: Iterable[Node]) -> None:
    """What follows a backward pass is forward if another one comes of it, else optimizer."""
    forward: set[Node] = set()
    for node in reversed(list(nodes)):
        tag = node.meta.get(TAG)
        if tag is None:
            continue
        if tag.phase == AFTER_BACKWARD:
            tag = replace(tag, phase="forward" if node in forward else "optimizer")
            node.meta[TAG] = tag
        if tag.phase == "backward" or node in forward:
            forward.update(node.all_input_nodes)


def _results(given: Any) -> list[torch.Tensor]:
    leaves = [leaf for leaf in _pytree.tree_leaves(given) if _is_tensor(leaf)]
    if not leaves:
        raise CaptureError(
            "the program gives no tensor: return its results, in lists, tuples or dicts"
        )
    return [leaf.detach() if leaf.requires_grad else leaf for leaf in leaves]


def _numbered(module: GraphModule) -> tuple[str, ...]:
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    return tuple(f"output:{number}" for number in range(len(output.args[0])))


def _fixed(model: torch.nn.Module, names: Iterable[str]) -> list[Placeholder]:
    """Placeholders of buffers, and of parameters that are not trained."""
    roles = dict.fromkeys(dict(model.named_parameters()), "parameter")
    return [
        Placeholder(roles.get(name, "buffer"), f"{roles.get(name, 'buffer')}:{name}")
        for name in names
    ]


def _check_loss(loss: Any) -> None:
    if not _is_tensor(loss):
        raise CaptureError(
            f"the loss is a {type(loss).__name__}, expected a scalar tensor: give loss=, which "
            "makes it from what the model gives"
        )
    if loss.numel() != 1:
        raise CaptureError(
            f"the loss has shape {tuple(loss.shape)}, expected a scalar: reduce it (mean or sum), "
            "or give loss="
        )


def fake(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without values or gradient; of shape, strides and dtype of one that has them."""
    if isinstance(tensor, FakeTensor) and tensor.fake_mode is detect_fake_mode():
        return tensor.detach()
    if tensor.layout != torch.strided:
        raise CaptureError(f"a {tensor.layout} tensor is given, expected a dense one")
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")


def check_dense(model: torch.nn.Module) -> None:
    """Refuse layers whose gradients are sparse: they have no storage to count.

    Raises:
        CaptureError: naming the layers, and what to set.
    """
    sparse = [
        path for path, each in model.named_modules() if getattr(each, "sparse", False) is True
    ]
    if sparse:
        raise CaptureError(
            f"layer {', '.join(sparse)} asks for sparse gradients, which are not captured: make it "
            "with sparse=False (its gradient is then as large as its table)"
        )


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

    return [fake(leaves[place]) for place in places], whole


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's log of a failing op: the error that we raise says it."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = disabled


@contextmanager
def unrolled_layers() -> Iterator[None]:
    """Without oneDNN, for which a recurrent layer over all its steps is one op."""
    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


def _record(
    model: torch.nn.Module, recorder: Recorder, function: Callable[..., Any], *args: Any
) -> GraphModule:
    """The program that ``function`` runs on ``args``, tagged, without dead code."""
    hooks = _follow_modules(model, recorder)
    try:
        with _quiet():
            module = record(recorder, function, *args)
    finally:
        for hook in hooks:
            hook.remove()
    for node in reversed(module.graph.nodes):  # marks of torch.profiler: no ops
        if isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "profiler":
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    return module


def _follow_modules(model: torch.nn.Module, recorder: Recorder) -> list[Any]:
    hooks = []
    for full, module in model.named_modules():
        path = full.replace("._orig_mod", "")  # torch.compile's wrapper of a layer

        def enter(module, args, path=path):
            recorder.path.append(path)

        def leave(module, args, output):
            recorder.path.pop()

        hooks += [
            module.register_forward_pre_hook(enter),
            module.register_forward_hook(leave, always_call=True),
        ]
    return hooks


class _TaggingTracer(PythonKeyTracer):
    """A tracer whose nodes carry the speaker's tag."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self.speaker = speaker

    def create_node(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(kind, target, *args, **kwargs)
        node.meta[TAG] = self.speaker.tag()
        if kind == "get_attr":  # it may be no tensor: then the error has the line
            node.meta[LINE] = self.speaker.line()
        if kind == "call_function" and (into := self.speaker.into(target, node.args)):
            node.meta[INTO] = into
        return node


class _TaggingRecorder(_MakefxTracer):
    """make_fx with a tracer of ours; ``make_fx`` itself has no way to give it one."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__(
            decomposition_table=None,
            tracing_mode="fake",
            _allow_non_fake_inputs=False,
            pre_dispatch=False,
            record_module_stack=False,
            _allow_fake_constant=False,
            _error_on_data_dependent_ops=True,
        )
        self.speaker = speaker

    def _construct_modes_with_fx_tracer(self, fx_tracer: Any) -> None:
        self.fx_tracer = _TaggingTracer(self.speaker)
        super()._construct_modes_with_fx_tracer(self.fx_tracer)

    def trace_subgraph(self, f: Callable[..., Any], *args: object) -> GraphModule:
        raise CaptureError(
            "the program branches or loops on values here: leave out torch.cond and other control "
            "flow on values"
        )


def record(speaker: Speaker, function: Callable[..., Any], *args: Any) -> GraphModule:
    """What ``function`` runs on ``args``, recorded; each node carries the speaker's tag."""
    return _TaggingRecorder(speaker).trace(function, *args)
