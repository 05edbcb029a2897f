"""Which line of the user's code a failed trace stands at, and what would be right there."""

import linecache
import os
import sys
import sysconfig
from pathlib import Path
from types import FrameType

import torch

from go_gym.errors import CaptureError

_OURS = str(Path(__file__).parent) + os.sep
_TORCH = str(Path(torch.__file__).parent) + os.sep
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep

VALUES = (
    "the program needs the value of a tensor here (item(), if, int(), a data-dependent slice): "
    "compute with tensors (torch.where), or pass a plain number"
)
SHAPES = (
    "the shape of a result depends on values here (nonzero, masked_select, unique, a boolean "
    "index): use a mask of fixed shape (torch.where); GCN and GAT of torch_geometric: "
    "add_self_loops=False, and an edge_index that has its loops"
)
ADVICE = {
    "DataDependentOutputException": VALUES,
    "GuardOnDataDependentSymNode": VALUES,
    "DynamicOutputShapeException": SHAPES,
    "UnsupportedOperatorException": (
        "the op has no shape rule: register one with torch.library.register_fake"
    ),
    "UnsupportedFakeTensorException": "the op cannot run without values: leave it out of the step",
}
TEXTS = {
    "does not require grad": (
        "the loss depends on no parameter that requires a gradient: give the model, with "
        "requires_grad parameters, and leave backward() and step() to the capture"
    ),
    "Expected inputs of BF16 type": (
        "torch has no shape rule of a grouped product in other types than bfloat16: capture "
        "model.to(torch.bfloat16), or with the experts' products one by one (transformers: "
        "model.set_experts_implementation('batched_mm'))"
    ),
    ".numpy() is not supported": VALUES,
    "It appears that you're trying to get value out of a tracing tensor": VALUES,
}


def blamed(error: Exception, what: str) -> CaptureError:
    """The CaptureError for ``error``, raised while ``what`` was traced."""
    if isinstance(error, CaptureError):
        message = str(error)
    else:
        advice = ADVICE.get(type(error).__name__) or next(
            (text for start, text in TEXTS.items() if start in str(error)), None
        )
        first = str(error).strip().split("\n")[0] or type(error).__name__
        message = f"{advice} ({first})" if advice else first
    line = _user_line(error)
    return CaptureError(f"{what} cannot be traced: {f'{line}: ' if line else ''}{message}")


def line_here() -> str:
    """``file:line (its code)`` of the user code that is running, empty if there is none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and _is_foreign(frame):
        frame = frame.f_back
    return "" if frame is None else _line(frame.f_code.co_filename, frame.f_lineno)


def _user_line(error: BaseException) -> str:
    """The line of the innermost frame of user code, empty if there is none."""
    trace, seen = error.__traceback__, ""
    while trace is not None:
        if not _is_foreign(trace.tb_frame):
            seen = _line(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return seen


def _is_foreign(frame: FrameType) -> bool:
    return is_foreign_file(frame.f_code.co_filename)


def is_foreign_file(name: str) -> bool:
    """Whether code of this file is torch's, Python's or ours: never where the user errs."""
    return name.startswith((_OURS, _TORCH, "<")) or (
        name.startswith(_STANDARD) and "site-packages" not in name
    )


def _line(name: str, number: int) -> str:
    code = linecache.getline(name, number).strip()
    return f"{name}:{number}{f' ({code})' if code else ''}"
