"""A training step of torch itself, to compare a captured program's results with.

Models are in float64, and the optimizer in the midst of its work: the first step of Adam divides
each gradient by its own size, those that are zero but for rounding too.
"""

from collections.abc import Callable, Mapping, Sequence

import torch

from go_gym.capture.program import Program
from tests.numeric import STEP, assert_near

KEYS = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}
"""Where torch.optim has other names for an optimizer's states."""


def history(program: Program) -> dict[str, torch.Tensor]:
    """States of the program's optimizer as after some steps, none of them near zero."""
    random = torch.Generator().manual_seed(1)
    return {
        each.name: 0.5 + torch.rand(each.shape, generator=random, dtype=each.dtype)
        for each in program.inputs
        if each.role == "state"
    }


def plain_step(
    model: torch.nn.Module,
    batch: Sequence[torch.Tensor],
    loss: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer,
    states: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Loss, gradients, updated parameters and states, by the names of a program's results."""
    owned: dict[str, list[str]] = {}
    for name in states:
        owned.setdefault(name.split(":", 1)[1], []).append(name)
    parameters = dict(model.named_parameters())
    for path, names in owned.items():
        own = {_key(name): states[name].clone() for name in names}
        numbers = {"step": torch.tensor(0.0), "mu_product": torch.tensor(1.0)}
        optimizer.state[parameters[path]] = {**numbers, **own}
    value = loss(model(*batch))
    value.backward()
    results = {"loss": value.detach()}
    results |= {f"gradient:{path}": each.grad.clone() for path, each in parameters.items()}
    optimizer.step()
    results |= {f"parameter:{path}": each.detach() for path, each in parameters.items()}
    for path, names in owned.items():
        results |= {name: optimizer.state[parameters[path]][_key(name)] for name in names}
    return results


def _key(name: str) -> str:
    kind = name.split(":", 1)[0]
    return KEYS.get(kind, kind)


def check_step(
    program: Program,
    model: torch.nn.Module,
    batch: Sequence[torch.Tensor],
    loss: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> dict[str, torch.Tensor]:
    """The program's results, all of which are those of the plain step.

    Gradients are compared on the scale of the largest: that of a bias before a normalisation is
    zero, and what is found are roundings.
    """
    states = history(program)
    results = program.run(program.bind(model, batch, states))
    expected = plain_step(model, batch, loss, optimizer, states)
    assert {name for name in results if not name.startswith("buffer:")} == set(expected)
    gradients = [value for name, value in expected.items() if name.startswith("gradient:")]
    largest = max(float(value.abs().max()) for value in gradients)
    for name, value in expected.items():
        scale = largest if name.startswith("gradient:") else None
        assert_near(results[name], value, STEP, scale, what=name)
    return results
