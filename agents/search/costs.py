"""What a search minimises: step times, those of decisions out of memory raised."""

from typing import Any

import numpy as np

from go_gym.problem import Problem
from go_gym.simulator import BatchResult, Result

MEMORY_PENALTY = 4.0
"""Cost of a device twice as full as it can be, in step times (our choice)."""


def cost(problem: Problem, result: Result) -> float:
    """:func:`costs` of one result."""
    return max(result.step_time_ns, 1) * float(_raised(problem, result.peak_memory))


def costs(problem: Problem, results: BatchResult) -> np.ndarray:
    """(b,) float64 ns: step times, those of decisions out of memory raised.

    The raise is in proportion to the bytes over each device's memory, so that a search that
    starts without a valid decision finds its way to one.
    """
    return np.maximum(results.step_time_ns, 1) * _raised(problem, results.peak_memory)


def _raised(problem: Problem, peak_memory: np.ndarray) -> Any:
    capacity = problem.cluster.memory_bytes
    over = np.maximum(peak_memory - capacity, 0) / capacity
    return 1.0 + MEMORY_PENALTY * over.sum(axis=-1)
