"""Which steps of a measurement count."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from go_gym.hardware.measure.measurement import NOISY
from go_gym.hardware.runtime.executor import StepTimes

TRIES = 3
"""At most so many times the steps asked for are measured, to find quiet ones (our choice)."""


def measure_steps(
    run: Callable[[int], Sequence[StepTimes]], steps: int, warmups: int, seconds: float
) -> dict[str, Any]:
    """Warm up, then measure until enough quiet steps are found or the patience is over.

    Args:
        run: runs so many steps and gives their times.
        steps: how many are to count.
        warmups: how many come first and do not count (memory is touched, caches fill).
        seconds: no more steps are repeated once so many have gone by.

    Returns:
        The fields of a Measurement that come from its steps.
    """
    end = time.monotonic() + seconds
    if warmups:
        run(warmups)
    found: list[StepTimes] = []
    quiet: list[StepTimes] = []
    while len(quiet) < steps and len(found) < TRIES * steps:
        found += run(steps if not found else 1)
        quiet = [each for each in found if each.taken <= NOISY]
        if time.monotonic() >= end:
            break
    noisy = len(quiet) < steps
    if noisy:
        order = sorted(range(len(found)), key=lambda number: found[number].taken)
        quiet = [found[number] for number in sorted(order[:steps])]
    quiet = quiet[:steps]
    return {
        "step_ns": tuple(each.step_ns for each in quiet),
        "taken": tuple(round(each.taken, 4) for each in quiet),
        "repeated": len(found) - len(quiet),
        "noisy": noisy,
    }
