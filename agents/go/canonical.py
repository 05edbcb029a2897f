"""One name for each of several equal devices, so that a policy can imitate a decision."""

import numpy as np

from ..search.encoding import Encoding


def canonical(encoding: Encoding, genome: np.ndarray) -> np.ndarray:
    """``genome`` with equal devices numbered by where their units lie in the topological order.

    Decisions that differ in the names of equal devices are one; a policy that imitates them needs
    one name for each. Left as it is where devices or links differ, or nothing is placed.
    """
    problem = encoding.problem
    d, memory = problem.num_devices, problem.cluster.memory_bytes
    alike = len(problem.durations) == len(problem.cluster.links) == 1
    if "placement" not in encoding.columns or not alike or (memory != memory[0]).any():
        return genome
    row = encoding.columns.index("placement")
    placement = genome[row]
    count = np.bincount(placement, minlength=d)
    middle = np.bincount(placement, np.arange(len(placement)), d) / np.maximum(count, 1)
    order = np.argsort(np.where(count > 0, middle, np.inf), kind="stable")
    renamed = genome.copy()
    renamed[row] = np.argsort(order)[placement]
    return renamed
