"""A placement of ops as a placement of modules: what PyTorch users call a device map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from go_gym.graph import ComputationGraph
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
    transformers read a ``device_map``: the longest prefix of a path holds. Parameters and buffers
    of no module that is tagged go, by their own names, where their ops are placed.

    Such a map moves a module's inputs, not what its parent does with its outputs. So modules whose
    outputs the parent puts together stay on one device, and a module that adds its own input to an
    output of its parts (a residual block) is not split: each goes where most of its time is.

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
            splits.append((time[row].sum() - time[row].max(), _split(path, time[row])))
    for paths in (*_whole_blocks(graph), *_put_together(graph)):
        rows = [row for row, path in enumerate(graph.layers) if _within(path, paths)]
        rows = [row for row in rows if graph.layers[row] in chosen]
        if len({chosen[graph.layers[row]] for row in rows}) > 1:
            total = time[rows].sum(axis=0)
            device = int((total if total.any() else ops[rows].sum(axis=0)).argmax())
            chosen.update({graph.layers[row]: device for row in rows})
            if np.count_nonzero(total) > 1:
                splits.append((total.sum() - total.max(), _split(" + ".join(paths), total)))
    for op, name in enumerate(graph.op_names):
        kind, _, path = name.partition(":")
        if kind in ("parameter", "buffer") and path and not _within_any(path, chosen):
            chosen[path] = int(placement[op])
    splits.sort(key=lambda pair: -pair[0])
    return _folded(chosen), [split for _, split in splits]


def accelerate_map(problem: Problem, devices: Mapping[str, int]) -> dict[str, int | str]:
    """The map in the words of accelerate and transformers: ``"cpu"`` for a CPU, accelerators
    counted from 0 in the order of the cluster."""
    names: list[int | str] = []
    for device in problem.cluster.devices:
        accelerators = sum(name != CPU for name in names)
        names.append(CPU if device.kind.startswith(CPU) else accelerators)
    return {path: names[device] for path, device in devices.items()}


CPU = "cpu"


def _split(path: str, time: np.ndarray) -> Split:
    share = time / time.sum()
    order = np.argsort(-share, kind="stable")
    return Split(path, {int(d): round(float(share[d]), 4) for d in order if share[d] > 0})


def _within(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(f"{root}.") for root in roots)


def _within_any(path: str, chosen: Mapping[str, int]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:depth]) in chosen for depth in range(1, len(parts) + 1))


def _joins(graph: ComputationGraph) -> Iterator[tuple[str, set[str | None]]]:
    """Of each forward op that a module with parts runs itself on two tensors and more: the module,
    and the parts that made them; None among them for what came from outside the module. A mask,
    an input of the program of another shape, does not count."""
    parents = {
        path for path in graph.layers if any(each.startswith(f"{path}.") for each in graph.layers)
    }
    kinds = [graph.op_types[kind] for kind in graph.op_type.tolist()]
    forward = (graph.phase == 0).tolist()
    layer = [graph.layers[row] if row >= 0 else None for row in graph.layer.tolist()]
    sources: dict[int, list[int]] = {}
    for producer, op in zip(graph.use_producer.tolist(), graph.use_consumer.tolist(), strict=True):
        given = kinds[producer] == "input" and not (graph.shape[producer] == graph.shape[op]).all()
        if forward[op] and layer[op] in parents and kinds[producer] not in RESIDENT and not given:
            sources.setdefault(op, []).append(producer)
    for op, producers in sources.items():
        module = layer[op]
        if module is None or len(producers) < 2:
            continue
        yield (
            module,
            {
                None if kinds[producer] == "input" else _part(module, layer[producer])
                for producer in producers
            },
        )


RESIDENT = ("parameter", "state", "buffer")


def _part(module: str, path: str | None) -> str | None:
    """The direct part of ``module`` in which ``path`` lies, the module for itself, else None."""
    if path is None or path == module:
        return path
    if not path.startswith(f"{module}."):
        return None
    return f"{module}.{path[len(module) + 1 :].split('.')[0]}"


def _whole_blocks(graph: ComputationGraph) -> list[list[str]]:
    """Modules that put their own input beside an output of theirs, outermost last."""
    found = {module for module, parts in _joins(graph) if None in parts and len(parts) > 1}
    return [[path] for path in sorted(found, key=lambda path: -path.count("."))]


def _put_together(graph: ComputationGraph) -> list[list[str]]:
    """Modules whose outputs their parent puts together."""
    found = {
        tuple(sorted(part for part in parts if part is not None and part != module))
        for module, parts in _joins(graph)
        if None not in parts
    }
    return [list(paths) for paths in sorted(found) if len(paths) > 1]


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
