"""Comparing results of the same mathematics that were rounded in another order.

The width of a processor's vectors, its number of threads and the strides of a tensor decide in
which order a sum is taken. So a test may ask that results agree on the scale of what was summed,
and no more. A gradient that is zero in mathematics (of what a normalisation takes away, or of a
loss that a normalisation makes constant) is rounding noise; Adam's first step divides such noise
by its own size; equal bits, and a difference that must not be too small, hold on one machine only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from go_gym.capture.program import Program

ROOM = 32
"""Roundings of a whole operation allowed for each term's one (our choice)."""
LOSS, STEP = 100, 10_000
"""Terms that a small model's loss and its gradients are the sums of, as a tolerance counts."""


def tolerance(dtype: torch.dtype, terms: int = 1) -> float:
    """How far a sum of ``terms`` may be from itself in another order, over the largest term.

    Errors grow as the square root of the number of terms (Higham and Mary 2019, "A new approach to
    probabilistic rounding error analysis", theorem 2.4).
    """
    return ROOM * torch.finfo(dtype).eps * terms**0.5


def assert_near(
    found: torch.Tensor,
    expected: torch.Tensor,
    terms: int = 1,
    scale: float | None = None,
    what: str = "",
) -> None:
    """Both are the same but for the order of roundings.

    Args:
        found, expected: of one shape; the coarser dtype decides.
        terms: how many are summed for an entry, roughly.
        scale: the size of what is summed; default the largest entry of ``expected``. Give it where
            the sum may be zero.
        what: named if they differ.
    """
    assert found.shape == expected.shape, f"{what}: {found.shape}, expected {expected.shape}"
    if found.numel() == 0:
        return
    coarser = max((found.dtype, expected.dtype), key=lambda dtype: torch.finfo(dtype).eps)
    x, y = found.detach().double().cpu(), expected.detach().double().cpu()
    size = float(y.abs().max()) if scale is None else scale
    difference, allowed = float((x - y).abs().max()), tolerance(coarser, terms) * size
    assert difference <= allowed, f"{what}: {difference:.3g} apart, {allowed:.3g} allowed"


def assert_results_near(
    found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """All results of a program are, each on the scale of its own largest entry."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert_near(found[name], value, LOSS if name == "loss" else STEP, what=name)


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The norm of the difference over the norm of ``expected``."""
    x, y = found.detach().double().cpu(), expected.detach().double().cpu()
    return float((x - y).norm() / y.norm())


@contextmanager
def in_float64() -> Iterator[None]:
    """What is made within has 53 bits, where the code does not ask for less."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def along(output: torch.Tensor) -> torch.Tensor:
    """``output`` projected on a direction, cos 1, cos 2, …: a loss that tells all entries apart.

    The sum and the mean square of a normalised output are constants, and their gradients nothing.
    """
    place = torch.arange(1, output.numel() + 1, device=output.device)
    return (output * torch.cos(place.to(output.dtype)).view(output.shape)).sum()


def generic_inputs(program: Program, below: int, seed: int = 0) -> list[torch.Tensor]:
    """Inputs of a program at which no result is small for a reason of its own.

    ``Program.sample_inputs`` has zeros for all whole numbers, so that all words of a text are one;
    and an optimizer without history, whose first step divides each gradient by its own size. Here
    whole numbers are anything ``below``, and the optimizer is in the midst of its work.
    """
    random = torch.Generator().manual_seed(seed)
    made = []
    for each in program.inputs:
        if not each.dtype.is_floating_point:
            value = torch.randint(below, each.shape, generator=random, dtype=each.dtype)
        else:
            value = torch.randn(each.shape, generator=random, dtype=torch.float64)
            if each.role == "parameter":
                value *= 0.3
            if each.role == "buffer" or each.name.startswith("second_moment:"):
                value = 0.5 + value.square()
        made.append(value.to(each.dtype))
    return made
