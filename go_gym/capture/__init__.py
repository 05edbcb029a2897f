"""Front ends that make a ComputationGraph from a real program. They import torch when called.

``torch`` and ``onnx`` here are functions: :func:`go_gym.capture.model.capture_torch` and
:func:`go_gym.capture.onnx_graph.capture_onnx`.
"""

from importlib import import_module
from typing import Any

from go_gym.errors import CaptureError

_HOME = {
    "torch": "model:capture_torch",
    "torch_program": "model:torch_program",
    "onnx": "onnx_graph:capture_onnx",
    "capture_inference": "steps:capture_inference",
    "capture_training_step": "steps:capture_training_step",
    "inference_program": "steps:inference_program",
    "training_program": "steps:training_program",
    "Program": "program:Program",
    "Step": "program:Step",
    "Value": "program:Value",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
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
