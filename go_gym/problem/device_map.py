"""A placement of ops as a placement of modules: what PyTorch users call a device map."""

from dataclasses import dataclass

import numpy as np

from go_gym.problem import Problem


@dataclass(frozen=True)
class Split:
    """A module whose work lies on several devices; the map names the one with most of it."""

    path: str
    share: dict[int, float]  # device → part of the module's time, parts sum to 1

    def __str__(self) -> str:
        parts = ", ".join(f"{part:.0%} on {device}" for device, part in self.share.items())
        return f"{self.path}: {parts}"


def device_map(problem: Problem, placement: np.ndarray) -> tuple[dict[str, int], list[Split]]:
    """The device of each module, and the modules that the placement splits.

    A module is a layer tag of the graph (captured graphs: the module path). It goes to the device
    where most of its forward and backward time is spent; where nothing of it takes time, to that
    of most of its ops. A path whose submodules all agree stands for them, as accelerate and
    transformers read a ``device_map``: the longest prefix of a path holds.

    Args:
        placement: (n,) devices.

    Returns:
        Module path → device number of the cluster, and the splits, largest first.
    """
    graph = problem.graph
    of_device = [problem.durations_on(device) for device in range(problem.num_devices)]
    durations = np.stack(of_device)[placement, np.arange(graph.num_ops)]
    counted = (graph.layer >= 0) & (graph.phase < 2)
    time = np.zeros((len(graph.layers), problem.num_devices))
    ops = np.zeros_like(time)
    np.add.at(time, (graph.layer[counted], placement[counted]), durations[counted])
    np.add.at(ops, (graph.layer[counted], placement[counted]), 1)
    chosen: dict[str, int] = {}
    splits = []
    for row, path in enumerate(graph.layers):
        weight = time[row] if time[row].any() else ops[row]
        if not weight.any():
            continue
        chosen[path] = int(weight.argmax())
        if np.count_nonzero(time[row]) > 1:
            share = time[row] / time[row].sum()
            order = np.argsort(-share, kind="stable")
            parts = {int(d): round(float(share[d]), 4) for d in order if share[d] > 0}
            splits.append((time[row].sum() - time[row].max(), Split(path, parts)))
    splits.sort(key=lambda pair: -pair[0])
    return _folded(chosen), [split for _, split in splits]


def _folded(devices: dict[str, int]) -> dict[str, int]:
    """The same map with as few paths: a path where all below it agree stands for all of them."""
    inside: dict[str, set[int]] = {}
    for path, device in devices.items():
        parts = path.split(".")
        for depth in range(len(parts) + 1):
            inside.setdefault(".".join(parts[:depth]), set()).add(device)
    result = {}
    for path, device in devices.items():
        parts = path.split(".")
        prefixes = (".".join(parts[:depth]) for depth in range(len(parts) + 1))
        shortest = next((prefix for prefix in prefixes if len(inside[prefix]) == 1), path)
        result[shortest] = device
    return result
