"""The placement that METIS gives (Karypis and Kumar 1998)."""

from math import fsum

import numpy as np

from go_gym.partitions.metis import metis_parts
from go_gym.partitions.quotient import undirected_edges
from go_gym.partitions.rules import colocation_partition
from go_gym.problem import Problem


def metis_placement(problem: Problem) -> np.ndarray:
    """(n,) int64: a part a device.

    A vertex a co-location group or an op with its views, weighing its mean duration; an edge
    between two, weighing the bytes that would travel. Parts are given work in proportion
    to the devices' speed, and METIS's own tolerance of imbalance. Deterministic.
    """
    d = problem.num_devices
    partition = colocation_partition(problem)
    if d == 1:
        return np.zeros(problem.num_ops, dtype=np.int64)
    work = partition.sums(problem.mean_durations)
    if partition.count <= d:
        return _longest_first(work, d)[partition.part_of]
    speed = 1.0 / np.maximum(problem.durations.sum(axis=1, dtype=np.float64), 1.0)
    share = speed[problem.device_class] / fsum(speed[problem.device_class])
    parts = metis_parts(undirected_edges(problem, partition), work, d, share)
    return parts[partition.part_of]


def _longest_first(work: np.ndarray, devices: int) -> np.ndarray:
    """Fewer vertices than devices: a device each, the heaviest on device 0."""
    device_of = np.empty(len(work), dtype=np.int64)
    device_of[np.argsort(-work, kind="stable")] = np.arange(len(work)) % devices
    return device_of
