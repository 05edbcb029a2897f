"""Your own PyTorch model, or any function of tensors, as a computation graph."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from go_gym.capture.around import modules_around, optimizers_around
from go_gym.capture.blame import blamed
from go_gym.capture.columns import graph_of
from go_gym.capture.functional import without_mutation
from go_gym.capture.layers import in_order_of_execution
from go_gym.capture.optimizers import Optimizer, optimizer_of
from go_gym.capture.program import Program, program_of
from go_gym.capture.steps import LayerOf, module_path
from go_gym.capture.trace import (
    Run,
    Traced,
    check_dense,
    trace_function,
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
    may be of any size. Every op depends on all that it needs: one that writes in place becomes
    one whose result lies in the storage of its target. Checkpointed layers run again in the
    backward phase; what torch.compile made runs as it was written. Recurrent layers are unrolled
    (our choice), so that their steps can be placed apart.

    Without ``optimizer``: a forward pass without gradients, as the model is (``eval()`` it to
    serve it); a function may call ``torch.autograd.grad``, or ``loss.backward()`` and the
    ``step()`` of an optimizer of torch that it reads from around it (captured at its first step):
    its ops are forward before, backward while, and optimizer after autograd runs. With it: a
    training step, forward, loss, backward and update of all parameters that require a gradient
    and that the loss reaches; a CaptureWarning names the others. Optimizers update in place, one
    parameter after the other (``foreach=False``), each as soon as its gradient is there.

    Args:
        model_or_step: an ``nn.Module``, or a function; the modules that a function reads from
            around it (also in lists, mappings, partials and functions of the same kind) are
            found, and their parameters are resident like a model's.
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
    return in_order_of_execution(graph_of(traced, label, metadata or {}))


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
    program = program_of(traced, label, metadata or {})
    return replace(program, graph=in_order_of_execution(program.graph))


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
        with unrolled_layers(), _eagerly():
            if optimizer is not None:
                traced = _training(model, inputs, layer_of, optimizer_of(optimizer, model), run)
            elif model is plain:
                traced = trace_inference(lambda: model, lambda: inputs, layer_of, run)
            else:
                own = optimizers_around(plain)
                if own:
                    check_dense(model)
                traced = trace_function(model, inputs, layer_of, run, own)
            return without_mutation(traced), label
    except Exception as error:
        raise blamed(error, label) from error


def _training(
    model: torch.nn.Module, inputs: list[Any], layer_of: LayerOf, optimizer: Optimizer, run: Run
) -> Traced:
    check_dense(model)

    def traced(accumulating: bool) -> Traced:
        return trace_training_step(
            lambda: model, lambda: inputs, layer_of, optimizer, run, accumulating
        )

    try:
        return traced(accumulating=False)
    except RuntimeError as error:
        if not re.search(r"heckpoint.* (in|not )compatible with \.grad\(\)", str(error)):
            raise
        return traced(accumulating=True)


class _Step(torch.nn.Module):
    """A function as a model: it holds the modules that the function reads from around it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.go_gym_function = function
        for path, module in modules_around(function).items():
            inside: torch.nn.Module = self
            *holders, name = path.split(".")
            for holder in holders:
                label = _free(inside, holder)
                if label not in inside._modules:
                    inside.add_module(label, torch.nn.Module())
                inside = inside.get_submodule(label)
            inside.add_module(_free(inside, name), module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.go_gym_function(*args, **kwargs)

    @staticmethod
    def name_of(function: Callable[..., Any]) -> str:
        return getattr(function, "__name__", type(function).__name__).strip("<>")


def _free(module: torch.nn.Module, name: str) -> str:
    """The name, with a line below it where every module has an attribute called so."""
    return f"{name}_" if hasattr(torch.nn.Module, name) or name == "training" else name


@contextmanager
def _eagerly() -> Iterator[None]:
    """What torch.compile made (the model, a layer, a function) runs as it was written."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled, and importing it takes seconds
        yield
        return
    with (
        torch.compiler.set_stance("force_eager"),
        torch._dynamo.config.patch(error_on_nested_fx_trace=False),
    ):
        yield
