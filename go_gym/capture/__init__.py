"""Front ends that make a ComputationGraph from a real program. They import torch when called.

``torch`` and ``onnx`` here are functions: :func:`go_gym.capture.model.torch` and
:func:`go_gym.capture.onnx_graph.onnx`.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "capture_inference": "steps",
    "capture_training_step": "steps",
    "inference_program": "steps",
    "training_program": "steps",
    "Program": "program",
    "Step": "program",
    "Value": "program",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
