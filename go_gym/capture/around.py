"""What a function reads from around it: modules and optimizers."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import torch

from go_gym.capture.blame import is_foreign_file


def modules_around(function: Callable[..., Any]) -> dict[str, torch.nn.Module]:
    """The modules that a function reads, by where: ``model``, or ``layers.0`` in a list."""
    return {path: value for path, value in _reached(function) if isinstance(value, torch.nn.Module)}


def optimizers_around(function: Callable[..., Any]) -> list[torch.optim.Optimizer]:
    """The optimizers that a function reads, each once."""
    found = [each for _, each in _reached(function) if isinstance(each, torch.optim.Optimizer)]
    return list({id(each): each for each in found}.values())


def _reached(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Modules and optimizers in closures and globals, in lists, tuples, mappings, partials and
    the object of a method, and in functions of the user's own that are read there."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", function)]
    while waiting:
        path, value = waiting.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.nn.Module | torch.optim.Optimizer):
            yield path, value
        else:
            waiting += [(_below(path, key), each) for key, each in _parts(value)]


def _below(path: str, key: Any) -> str:
    return ".".join(part for part in (path, str(key).replace(".", "_")) if part)


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """What may hold modules in a value, by name; functions and their parts have none."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, functools.partial):
        yield "", value.func
        yield from enumerate(value.args)
        yield from value.keywords.items()
    elif inspect.ismethod(value):
        yield "self", value.__self__
        yield "", value.__func__
    elif isinstance(value, FunctionType):
        inner = inspect.unwrap(value)
        if inner is not value:
            yield "", inner
        elif not is_foreign_file(value.__code__.co_filename):
            around = inspect.getclosurevars(value)
            yield from {**around.globals, **around.nonlocals}.items()
    elif _is_users_own(value):
        yield from vars(value).items()


def _is_users_own(value: Any) -> bool:
    """An object of a class that the user wrote, or a dataclass: its attributes count."""
    kind = type(value)
    if kind.__module__ in ("builtins", "types") or isinstance(value, type | torch.Tensor):
        return False
    try:
        return hasattr(value, "__dict__") and not is_foreign_file(inspect.getfile(kind))
    except (TypeError, OSError):
        return False
