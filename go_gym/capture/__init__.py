"""Front ends that make a ComputationGraph from a real program. They import torch when called."""

import warnings
from importlib import import_module
from typing import Any

from go_gym.errors import CaptureError

_HOME = {
    "from_torch": "model:from_torch",
    "torch_program": "model:torch_program",
    "from_onnx": "onnx_graph:from_onnx",
    "capture_inference": "steps:capture_inference",
    "capture_training_step": "steps:capture_training_step",
    "inference_program": "steps:inference_program",
    "training_program": "steps:training_program",
    "Program": "program:Program",
    "Step": "program:Step",
    "Value": "program:Value",
}
__all__ = list(_HOME)
_OLD = {"torch": "from_torch", "onnx": "from_onnx"}
"""Names until 0.1: ``from go_gym.capture import torch`` hid the library of that name."""


def __getattr__(name: str) -> Any:
    if name in _OLD:
        text = f"go_gym.capture.{name} is now go_gym.capture.{_OLD[name]}"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        name = _OLD[name]
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name].split(":")
    try:
        return getattr(import_module(f"{__name__}.{module}"), attribute)
    except ModuleNotFoundError as error:
        raise CaptureError(
            f"capturing needs {error.name}, which is not installed: pip install go-gym[capture]"
        ) from error


def __dir__() -> list[str]:
    return __all__
