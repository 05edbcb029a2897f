"""Graphs of models that are built where nothing is allocated: a training step, or an inference."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from go_gym.capture.blame import blamed
from go_gym.capture.columns import graph_of
from go_gym.capture.optimizers import Adam
from go_gym.capture.program import Program, program_of
from go_gym.capture.trace import Traced, trace_inference, trace_training_step
from go_gym.graph import ComputationGraph

Build = Callable[[], torch.nn.Module]
Inputs = Callable[[], Sequence[Any]]
LayerOf = Callable[[str], str | None]


def module_path(path: str) -> str | None:
    """The default layer tag: the path of the innermost module, None outside all."""
    return path or None


def capture_training_step(
    name: str,
    build: Build,
    inputs: Inputs,
    layer_of: LayerOf = module_path,
    metadata: Mapping[str, Any] | None = None,
) -> ComputationGraph:
    """Capture forward, loss, backward and Adam of a model as a ComputationGraph.

    Nothing is computed and no tensor is allocated, so models of any size can be captured.

    Args:
        name: the graph's name.
        build: makes the model; called on the inputs it gives a scalar loss.
        inputs: makes the inputs (any device or dtype; their values do not matter).
        layer_of: the layer tag of a module path (``"encoder.0"``), None for none.
        metadata: facts to keep with the graph; counts of raw ops (with views and getitems) and of
            contracted ops (those that cost something) are added.

    Raises:
        CaptureError: naming the op, for what cannot be traced.
    """
    return graph_of(_training(name, build, inputs, layer_of), name, metadata or {})


def training_program(
    name: str,
    build: Build,
    inputs: Inputs,
    layer_of: LayerOf = module_path,
    metadata: Mapping[str, Any] | None = None,
) -> Program:
    """The graph of :func:`capture_training_step` with its executable program."""
    return program_of(_training(name, build, inputs, layer_of), name, metadata or {})


def capture_inference(
    name: str,
    build: Build,
    inputs: Inputs,
    layer_of: LayerOf = module_path,
    metadata: Mapping[str, Any] | None = None,
) -> ComputationGraph:
    """Capture a model's forward pass without gradients; every op is of phase forward.

    ``build`` should put the model into the mode in which it serves (``model.eval()``). The
    arguments and errors are those of :func:`capture_training_step`, but the model may give any
    tensors.
    """
    return graph_of(_inference(name, build, inputs, layer_of), name, metadata or {})


def inference_program(
    name: str,
    build: Build,
    inputs: Inputs,
    layer_of: LayerOf = module_path,
    metadata: Mapping[str, Any] | None = None,
) -> Program:
    """The graph of :func:`capture_inference` with its executable program."""
    return program_of(_inference(name, build, inputs, layer_of), name, metadata or {})


def _training(name: str, build: Build, inputs: Inputs, layer_of: LayerOf) -> Traced:
    try:
        return trace_training_step(build, inputs, layer_of, Adam())
    except Exception as error:
        raise blamed(error, f"{name}: the training step") from error


def _inference(name: str, build: Build, inputs: Inputs, layer_of: LayerOf) -> Traced:
    try:
        return trace_inference(build, inputs, layer_of)
    except Exception as error:
        raise blamed(error, f"{name}: the forward pass") from error
