"""The observation: a Dict of flat arrays of fixed shape and dtype, padded to the largest graph.

Every task shows graph and devices alike; ``o`` ops (or groups), ``u`` uses, both padded with zeros
(see the masks), ``d`` devices:

| key | shape, dtype | meaning |
| --- | --- | --- |
| ops | (o · F,) float32 | a row of F features an op, ``go_gym.graph.features.OP_FEATURES`` |
| op_mask | (o,) int8 | 1 for an op of this graph |
| edges | (u · 2,) int32 | producer and consumer op of each use |
| edge_features | (u,) float32 | log2(1 + bytes) / 64 |
| edge_mask | (u,) int8 | 1 for a use of this graph |
| durations | (o · d,) float32 | log2(1 + ns) / 64 of each op on each device |
| devices | (d · 5,) float32 | :data:`DEVICE_FEATURES` |

Tables are stored row after row, since Stable-Baselines3 takes any other two-dimensional array for
an image: ``observation["ops"].reshape(-1, len(OP_FEATURES))`` has a row an op.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from go_gym.envs.units import Units
from go_gym.graph.features import OP_FEATURES, log_scaled
from go_gym.problem import Problem

DEVICE_FEATURES = ("log_flops", "log_memory_bandwidth", "log_memory", "log_out", "log_in")
"""log2(1 + x) / 64 of FLOP/s, bytes/s, bytes, and the mean bandwidth to and from the others."""


@dataclass(frozen=True)
class Sizes:
    """Room for the largest of an environment's problems: units (ops or groups), their edges."""

    ops: int
    uses: int
    devices: int

    @classmethod
    def of(cls, units: Sequence[Units]) -> "Sizes":
        """Large enough for each of several problems' units."""
        return cls(
            ops=max(each.count for each in units),
            uses=max(max(len(each.edges[0]) for each in units), 1),
            devices=units[0].problem.num_devices,
        )


def static_space(sizes: Sizes) -> dict[str, spaces.Space[Any]]:
    """The spaces of :func:`static_part`."""

    def unit(rows: int, columns: int) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (rows * columns,), np.float32)

    return {
        "ops": unit(sizes.ops, len(OP_FEATURES)),
        "op_mask": spaces.Box(0, 1, (sizes.ops,), np.int8),
        "edges": spaces.Box(0, max(sizes.ops - 1, 1), (sizes.uses * 2,), np.int32),
        "edge_features": unit(sizes.uses, 1),
        "edge_mask": spaces.Box(0, 1, (sizes.uses,), np.int8),
        "durations": unit(sizes.ops, sizes.devices),
        "devices": unit(sizes.devices, len(DEVICE_FEATURES)),
    }


def one_shot_space(sizes: Sizes, rounds: int, choices: Mapping[str, int]) -> spaces.Dict:
    """The observation space of a one-shot environment; see its docstring for the entries.

    ``choices`` says how many there are for each decided column; the placement, given or decided,
    is always shown.
    """
    highest = {c: max(count - 1, 1) for c, count in choices.items()}
    if "order" in choices:  # shown is the rank among all ops, of which there may be any number
        highest["order"] = np.iinfo(np.int32).max
    columns = {
        column: spaces.Box(-1, high, (sizes.ops,), np.int32)
        for column, high in ({"placement": max(sizes.devices - 1, 1)} | highest).items()
    }
    seen = {**static_space(sizes), **columns, "round": spaces.Box(0, rounds, (1,), np.int32)}
    return spaces.Dict(seen)


def static_part(units: Units, sizes: Sizes) -> dict[str, np.ndarray]:
    """What never changes while a problem lasts."""
    ends, edge_features = units.edges
    n, u = units.count, len(ends)
    return {
        "ops": _padded(units.features(), sizes.ops),
        "op_mask": _padded(np.ones(n, np.int8), sizes.ops),
        "edges": _padded(ends, sizes.uses),
        "edge_features": _padded(edge_features, sizes.uses),
        "edge_mask": _padded(np.ones(u, np.int8), sizes.uses),
        "durations": _padded(log_scaled(units.durations()).astype(np.float32), sizes.ops),
        "devices": _device_features(units.problem).ravel(),
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
    return log_scaled(np.concatenate([np.array(table, dtype=np.float64), means], axis=1)).astype(
        np.float32
    )
