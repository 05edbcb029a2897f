"""The front door of the simulator: simulate and simulate_batch."""

from collections.abc import Sequence

import numpy as np

from go_gym.problem import Decision, Problem
from go_gym.simulator.reference import simulate_reference
from go_gym.simulator.result import BatchResult, Result


def simulate(problem: Problem, decision: Decision, trace: bool = False) -> Result:
    return simulate_reference(problem, decision, trace)


def simulate_batch(problem: Problem, decisions: Sequence[Decision]) -> BatchResult:
    results = [simulate_reference(problem, d) for d in decisions]
    return BatchResult(
        np.array([r.step_time_ns for r in results]), np.array([r.valid for r in results]),
        tuple(r.violation for r in results), np.stack([r.busy_ns for r in results]),
        np.stack([r.peak_memory for r in results]), np.array([r.bytes_moved for r in results]))
