"""Models named on the command line: ``file.py:function``, or an ``.onnx`` file."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from go_gym import capture
from go_gym.errors import CaptureError
from go_gym.graph import ComputationGraph

if TYPE_CHECKING:
    from go_gym.capture.program import Program

OPTIONS = ("model_or_step", "example_inputs", "optimizer", "loss", "target", "layer_of", "name")


def capture_source(
    source: str,
    *,
    optimizer: str | None = None,
    name: str | None = None,
    dims: Mapping[str, int] | None = None,
) -> ComputationGraph:
    """Capture what ``source`` names.

    Args:
        source: ``path.py:function``, whose result is ``(model_or_step, example_inputs)`` or a
            mapping of the arguments of ``go_gym.capture.from_torch``; or a path ending in
            ``.onnx``.
        optimizer: ``"adam"`` or ``"sgd"``, in place of what the function says.
        name: the graph's name, likewise.
        dims: of an ONNX file: the sizes of its named dimensions.

    Raises:
        CaptureError: naming what is missing or cannot be captured.
    """
    if source.endswith(".onnx"):
        if optimizer is not None:
            raise CaptureError(f"{source}: an ONNX file has no training step: leave the optimizer")
        return capture.from_onnx(source, dims=dims, name=name)
    if dims:
        raise CaptureError(f"{source}: sizes of dimensions are for .onnx files")
    return capture.from_torch(**_called(source, optimizer, name))


def source_program(source: str, optimizer: str | None = None) -> "Program":
    """The executable program of a model named ``path.py:function``, as capture_source takes it."""
    return capture.torch_program(**_called(source, optimizer, None))


def _called(source: str, optimizer: str | None, name: str | None) -> dict[str, Any]:
    """The arguments of ``go_gym.capture.from_torch`` that the function of ``source`` gives."""
    from go_gym.capture.blame import blamed

    path, function = _parts(source)
    try:
        with _beside(path):
            module = _module(path)
            if not callable(getattr(module, function, None)):
                raise CaptureError(f"{path} has no function {function!r}")
            arguments = _arguments(source, getattr(module, function)())
    except CaptureError:
        raise
    except Exception as error:
        raise blamed(error, source) from error
    arguments.setdefault("name", function)
    if optimizer is not None:
        arguments["optimizer"] = optimizer
    if name is not None:
        arguments["name"] = name
    return arguments


def _parts(source: str) -> tuple[Path, str]:
    file, _, function = source.rpartition(":")
    path = Path(file)
    if not file.endswith(".py") or not function.isidentifier():
        raise CaptureError(f"{source!r}: expected path.py:function or a path ending in .onnx")
    if not path.is_file():
        raise CaptureError(f"{path}: no such file")
    return path, function


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Modules in the file's folder can be imported, as where Python runs the file itself."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _arguments(source: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        unknown = [key for key in given if key not in OPTIONS]
        missing = [key for key in OPTIONS[:2] if key not in given]
        if unknown or missing:
            raise CaptureError(
                f"{source}: the mapping has {', '.join(map(str, given))}, expected model_or_step, "
                f"example_inputs and any of {', '.join(OPTIONS[2:])}"
            )
        return dict(given)
    if isinstance(given, tuple | list) and len(given) == 2:
        return dict(zip(OPTIONS[:2], given, strict=True))
    raise CaptureError(
        f"{source}: gives a {type(given).__name__}, expected (model_or_step, example_inputs) or a "
        "mapping of the arguments of go_gym.capture.from_torch"
    )
