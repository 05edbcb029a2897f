"""Your own PyTorch model, or any function of tensors, as a computation graph."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from go_gym.capture.blame import blamed
from go_gym.capture.columns import graph_of
from go_gym.capture.functional import without_mutation
from go_gym.capture.optimizers import optimizer_of
from go_gym.capture.program import Program, program_of
from go_gym.capture.steps import LayerOf, module_path
from go_gym.capture.trace import (
    Traced,
    trace_inference,
    trace_training_step,
    unrolled_layers,
)
from go_gym.errors import CaptureError
from go_gym.graph import ComputationGraph


def from_torch(
    model_or_step: Callable[..., Any],
    example_inputs: Sequence[Any] | Mapping[str, Any],
    *,
    optimizer: Any = None,
    loss: Callable[..., Any] | None = None,
    target: Any = None,
    layer_of: LayerOf = module_path,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ComputationGraph:
    """Capture a model or function as a ComputationGraph.

    Nothing is computed and no tensor is allocated: a model made under ``torch.device("meta")``
    may be of any size. The program is captured without mutation: an op that writes in place
    becomes one that makes a new tensor. Recurrent layers are unrolled (our choice), so that
    their steps can be placed apart.

    Without ``optimizer``: a forward pass without gradients, as the model is (``eval()`` it to
    serve it); a function may call ``torch.autograd.grad`` itself, and its ops are then forward
    before, backward while, and optimizer after autograd runs. With it: a training step, forward,
    loss, backward and update of all parameters that require a gradient.

    Args:
        model_or_step: an ``nn.Module``, or a function; the modules that a function reads from
            around it are found, and their parameters are resident like a model's.
        example_inputs: its arguments, in a list or tuple, or by name in a dict: tensors (any
            device; values do not matter), nested ones too, and plain values, kept as they are.
        optimizer: ``"adam"``, ``"sgd"``, a class of ``torch.optim`` or an instance that holds the
            model's parameters (its groups' settings are used), None for none.
        loss: makes the scalar loss from what the model gives, and from ``target`` if there is
            one: ``loss=torch.nn.functional.cross_entropy, target=labels``. Without it the model
            gives the loss itself.
        target: tensors given to ``loss``.
        layer_of: the layer tag of a module path; the path itself by default.
        name: the graph's name; by default the class or function's.
        metadata: facts to keep with the graph.

    Raises:
        CaptureError: for what cannot be captured, naming the line of the user's code.
    """
    traced, label = _traced(model_or_step, example_inputs, optimizer, loss, target, layer_of, name)
    return graph_of(traced, label, metadata or {})


def torch_program(
    model_or_step: Callable[..., Any],
    example_inputs: Sequence[Any] | Mapping[str, Any],
    *,
    optimizer: Any = None,
    loss: Callable[..., Any] | None = None,
    target: Any = None,
    layer_of: LayerOf = module_path,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Program:
    """The graph of :func:`from_torch` with its executable program; the same arguments."""
    traced, label = _traced(model_or_step, example_inputs, optimizer, loss, target, layer_of, name)
    return program_of(traced, label, metadata or {})


def _traced(
    model_or_step: Callable[..., Any],
    example_inputs: Sequence[Any] | Mapping[str, Any],
    optimizer: Any,
    loss: Callable[..., Any] | None,
    target: Any,
    layer_of: LayerOf,
    name: str | None,
) -> tuple[Traced, str]:
    if not callable(model_or_step):
        raise CaptureError(f"{model_or_step!r} is no model and no function")
    if isinstance(example_inputs, torch.Tensor) or not isinstance(
        example_inputs, Sequence | Mapping
    ):
        raise CaptureError(
            f"example_inputs is a {type(example_inputs).__name__}, expected a list or tuple of "
            "the arguments, or a dict of them by name"
        )
    if optimizer is None and (loss is not None or target is not None):
        raise CaptureError("a loss is given without optimizer: expected optimizer='adam', …")
    plain = getattr(model_or_step, "_orig_mod", model_or_step)  # of one that torch.compile made
    if isinstance(plain, torch.nn.Module):
        model, label = plain, name or type(plain).__name__
    else:
        model, label = _Step(plain), name or _Step.name_of(plain)
    inputs = [example_inputs, target]

    def run(call: Callable[..., Any], given: Sequence[Any]) -> Any:
        arguments, wanted = given
        by_name = isinstance(arguments, Mapping)
        output = call(**arguments) if by_name else call(*arguments)
        if loss is None:
            return output
        return loss(output) if target is None else loss(output, wanted)

    try:
        with unrolled_layers():
            if optimizer is None:
                own_phases = model is not plain
                traced = trace_inference(lambda: model, lambda: inputs, layer_of, run, own_phases)
            else:
                chosen = optimizer_of(optimizer, model)
                traced = trace_training_step(lambda: model, lambda: inputs, layer_of, chosen, run)
            return without_mutation(traced), label
    except Exception as error:
        raise blamed(error, label) from error


class _Step(torch.nn.Module):
    """A function as a model: it holds the modules that the function reads from around it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        for name, module in modules_around(function).items():
            self.add_module(name, module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @staticmethod
    def name_of(function: Callable[..., Any]) -> str:
        return getattr(function, "__name__", type(function).__name__).strip("<>")


def modules_around(function: Callable[..., Any]) -> dict[str, torch.nn.Module]:
    """The modules among a function's closure and globals, and of the object of a method."""
    around: dict[str, Any] = {}
    inner = inspect.unwrap(function)
    if inspect.ismethod(inner):
        around.update(self=inner.__self__, **getattr(inner.__self__, "__dict__", {}))
        inner = inner.__func__
    if inspect.isfunction(inner):
        seen = inspect.getclosurevars(inner)
        around.update({**seen.globals, **seen.nonlocals})
    return {name: value for name, value in around.items() if isinstance(value, torch.nn.Module)}
