"""The observation: a Dict of flat arrays of fixed shape and dtype, padded to the largest graph.

Tables are stored row after row, since Stable-Baselines3 takes any other two-dimensional array for
an image: ``observation["ops"].reshape(-1, len(OP_FEATURES))`` has a row an op.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from go_gym.graph.features import OP_FEATURES, edges, op_features
from go_gym.problem import Problem

DEVICE_FEATURES = ("log_flops", "log_memory_bandwidth", "log_memory", "log_out", "log_in")
"""log2(1 + x) / 64 of FLOP/s, bytes/s, bytes, and the mean bandwidth to and from the others."""


@dataclass(frozen=True)
class Sizes:
    """Room for the largest of an environment's problems."""

    ops: int
    uses: int
    devices: int
    rounds: int

    @classmethod
    def of(cls, problems: list[Problem], rounds: int) -> "Sizes":
        return cls(
            ops=max(problem.num_ops for problem in problems),
            uses=max(max(problem.graph.num_uses for problem in problems), 1),
            devices=problems[0].num_devices,
            rounds=rounds,
        )


def space(sizes: Sizes, choices: Mapping[str, int]) -> spaces.Dict:
    """The observation space; see the environment's docstring for the entries.

    ``choices`` says how many there are for each decided column; the placement, given or decided,
    is always shown.
    """

    def unit(rows: int, columns: int) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (rows * columns,), np.float32)

    return spaces.Dict(
        {
            "ops": unit(sizes.ops, len(OP_FEATURES)),
            "op_mask": spaces.Box(0, 1, (sizes.ops,), np.int8),
            "edges": spaces.Box(0, max(sizes.ops - 1, 1), (sizes.uses * 2,), np.int32),
            "edge_features": unit(sizes.uses, 1),
            "edge_mask": spaces.Box(0, 1, (sizes.uses,), np.int8),
            "durations": unit(sizes.ops, sizes.devices),
            "devices": unit(sizes.devices, len(DEVICE_FEATURES)),
            **{
                column: spaces.Box(-1, max(count - 1, 1), (sizes.ops,), np.int32)
                for column, count in ({"placement": sizes.devices} | dict(choices)).items()
            },
            "round": spaces.Box(0, sizes.rounds, (1,), np.int32),
        }
    )


def static_part(problem: Problem, sizes: Sizes) -> dict[str, np.ndarray]:
    """What never changes while a problem lasts."""
    ends, edge_features = edges(problem.graph)
    n, u = problem.num_ops, problem.graph.num_uses
    durations = problem.durations[problem.device_class].T
    return {
        "ops": _padded(op_features(problem.graph), sizes.ops),
        "op_mask": _padded(np.ones(n, np.int8), sizes.ops),
        "edges": _padded(ends, sizes.uses),
        "edge_features": _padded(edge_features, sizes.uses),
        "edge_mask": _padded(np.ones(u, np.int8), sizes.uses),
        "durations": _padded(_log(durations).astype(np.float32), sizes.ops),
        "devices": _device_features(problem).ravel(),
    }


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    result = np.zeros((length, *array.shape[1:]), dtype=array.dtype)
    result[: len(array)] = array
    return result.ravel()


def _device_features(problem: Problem) -> np.ndarray:
    cluster = problem.cluster
    bandwidth = np.array([link.bandwidth for link in cluster.links])[cluster.link_of]
    np.fill_diagonal(bandwidth, 0.0)
    others = max(cluster.num_devices - 1, 1)
    table = [
        [device.peak_flops["float32"], device.memory_bandwidth, device.memory_bytes]
        for device in cluster.devices
    ]
    means = np.stack([bandwidth.sum(axis=1), bandwidth.sum(axis=0)], axis=1) / others
    return _log(np.concatenate([np.array(table, dtype=np.float64), means], axis=1)).astype(
        np.float32
    )


def _log(values: np.ndarray) -> np.ndarray:
    return np.log2(1.0 + values) / 64.0
