"""Which line of the user's code a failed trace stands at, and what would be right there."""

import linecache
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch

from go_gym.errors import CaptureError

_OURS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)
_STANDARD = sysconfig.get_paths()["stdlib"]

VALUES = (
    "the program needs the value of a tensor here (item(), if, int(), a data-dependent slice): "
    "compute with tensors (torch.where), or pass a plain number"
)
SHAPES = (
    "the shape of a result depends on values here (nonzero, masked_select, unique, a boolean "
    "index): use a mask of fixed shape (torch.where)"
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


def _user_line(error: BaseException) -> str | None:
    """``file:line (its code)`` of the innermost frame of user code, None if there is none."""
    seen = None
    for frame, number in _frames(error):
        name = frame.f_code.co_filename
        foreign = name.startswith((_OURS, _TORCH, "<")) or (
            name.startswith(_STANDARD) and "site-packages" not in name
        )
        if not foreign:
            seen = (name, number)
    if seen is None:
        return None
    name, number = seen
    code = linecache.getline(name, number).strip()
    return f"{name}:{number}{f' ({code})' if code else ''}"


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
