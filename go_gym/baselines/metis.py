"""The placement that METIS gives (Karypis and Kumar 1998)."""

import numpy as np

from go_gym.partitions.grouping import decided_groups
from go_gym.partitions.metis import partition
from go_gym.problem import Problem


def metis_placement(problem: Problem) -> np.ndarray:
    """(n,) int64: a part a device.

    A vertex a group (a co-location group, an op with its views), weighing its mean duration; an
    edge between groups, weighing the bytes that would travel. Parts are given work in proportion
    to the devices' speed, and METIS's own tolerance of imbalance. Deterministic.
    """
    d = problem.num_devices
    groups = decided_groups(problem)
    if d == 1:
        return np.zeros(problem.num_ops, dtype=np.int64)
    work = np.bincount(groups.of_op, weights=problem.mean_durations, minlength=groups.count)
    if groups.count <= d:
        return _longest_first(work, d)[groups.of_op]
    speed = 1.0 / np.maximum(problem.durations.sum(axis=1, dtype=np.float64), 1.0)
    share = speed[problem.device_class] / speed[problem.device_class].sum()
    return partition(problem, groups, work, d, share)[groups.of_op]


def _longest_first(work: np.ndarray, devices: int) -> np.ndarray:
    """Fewer groups than devices: a device each, the heaviest on device 0."""
    device_of = np.empty(len(work), dtype=np.int64)
    device_of[np.argsort(-work, kind="stable")] = np.arange(len(work)) % devices
    return device_of
