"""The steps of a Program as functions on one device's tensors, as fast as Python allows.

A device keeps its tensors in a list by the graph's tensor number. Each step becomes a function
of that list. Functions are generated, one text for each form of call: to interpret an op's
arguments takes as long as a small op does.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import torch

from go_gym.capture.program import Program, Slot, Step
from go_gym.errors import HardwareError
from go_gym.graph import Alias

Values = list[Any]
"""(t,) the tensors that a device holds, None for all others."""
Call = Callable[[Values], None]

_random = Lock()  # random ops draw from generators that all threads share


def compile_step(program: Program, step: Step) -> Call | None:
    """The function of a step; None if its tensor is there from the start.

    Args:
        program: whose step it is.
        step: the step, as :meth:`Step.on` made it for the device that runs it.

    Raises:
        HardwareError: for an op that writes into a tensor which others know by other names.
    """
    if step.placeholder is not None or step.constant is not None:
        return None
    sources = [program.steps[value.op].tensors[value.position] for value in step.inputs]
    if step.target is None:  # a getitem passes its input on
        return _make("v[s0]", len(sources), 0, False)(None, step.tensors, *sources)
    constants: list[Any] = []
    arguments = [_text(value, constants) for value in step.args]
    arguments += [f"{name}={_text(value, constants)}" for name, value in step.kwargs.items()]
    if _writes(step) and _has_other_readers(program, step, sources[0]):
        arguments[0] += ".clone()"
    target = step.target
    if not hasattr(target, "_schema"):  # a fused kernel
        call = f"f({', '.join(arguments)})"
        return _make(call, len(sources), 0, True)(target, step.tensors, *sources)
    if torch.Tag.nondeterministic_seeded in target.tags:
        target = _seeded(target, step.op)
    returns = step.target._schema.returns
    several = len(returns) > 1 or isinstance(returns[0].type, torch.ListType)
    make = _make(f"f({', '.join(arguments)})", len(sources), len(constants), several)
    return make(target, step.tensors, *sources, *constants)


@cache
def _make(expression: str, sources: int, constants: int, several: bool) -> Callable[..., Call]:
    """``make(f, tensors, *sources, *constants)`` for a form of call, such as ``f(v[s0], c0)``."""
    names = [*(f"s{i}" for i in range(sources)), *(f"c{i}" for i in range(constants))]
    body = [f"v[t] = {expression}"]
    if several:
        body = [f"for t, x in zip(tensors, {expression}):", "    if t >= 0: v[t] = x"]
    lines = [
        f"def make({', '.join(['f', 'tensors', *names])}):",
        "    t = tensors[0]",
        f"    def call(v{'' if several else ', t=t'}):",
        *(f"        {line}" for line in body),
        "    return call",
    ]
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    return scope["make"]


def _text(value: Any, constants: list[Any]) -> str:
    """The Python text of an argument; what is no tensor and no list becomes a constant."""
    if type(value) is Slot:
        return f"v[s{value.number}]"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(item, constants) for item in value)}]"
    constants.append(value)
    return f"c{len(constants) - 1}"


def _writes(step: Step) -> bool:
    if not hasattr(step.target, "_schema"):
        return False  # a getitem, or a fused kernel
    return any(each.alias_info and each.alias_info.is_write for each in step.target._schema.returns)


def _has_other_readers(program: Program, step: Step, tensor: int) -> bool:
    """Whether others read what an in-place op writes to: it then works on a copy.

    Those who are to see what was written read the op's own output. Where they see it through a
    view that was taken before, or where the op itself writes through a view, it is refused.
    """
    graph = program.graph
    if graph.tensor_alias[tensor] == Alias.PARAMETER:
        return True
    maker = program.steps[graph.tensor_producer[tensor]]
    if maker.placeholder is not None or maker.constant is not None:
        return True  # the next step needs it as it is
    related = np.flatnonzero(graph.tensor_alias == tensor).tolist()
    if graph.tensor_alias[tensor] >= 0:
        related.append(tensor)
    for view in related:
        maker = program.steps[graph.tensor_producer[view]]
        if maker.op != step.op and not _writes(maker):
            raise HardwareError(
                f"op {step.name!r} writes into a tensor that op {maker.name!r} gives a view of: "
                "such a program cannot be run in another order; write it without the in-place op"
            )
    return int((graph.use_tensor == tensor).sum()) > 1


def _seeded(target: Callable[..., Any], op: int) -> Callable[..., Any]:
    """A random op that draws the same whenever and wherever it runs: its seed is its number."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with _random:
            torch.manual_seed(op)
            return target(*args, **kwargs)

    return call
