"""Placements that baselines are measured against: human expert, single device, contiguous cuts.

All keep co-location and give each zero-cost op to the op that feeds it (or, without inputs, that
it feeds), since moving a view moves its tensor.
"""

from math import fsum

import numpy as np

from go_gym.graph import ComputationGraph
from go_gym.partitions.partition import equal_work
from go_gym.problem import Problem

RECURRENT = ("rnnlm", "gnmt")
"""Families whose experts give each layer a device (Sutskever et al. 2014; Wu et al. 2016)."""


def single_device(problem: Problem) -> np.ndarray:
    """(n,) int64: everything on the device that runs it fastest among those that hold it.

    A device is thought to hold the graph if its parameters fit; where none does, the largest.
    """
    work = np.array([int(problem.durations_on(d).sum()) for d in range(problem.num_devices)])
    capacity = problem.cluster.memory_bytes
    fits = capacity >= problem.graph.parameter_bytes.sum()
    best = (
        np.where(fits, work, np.iinfo(np.int64).max).argmin() if fits.any() else capacity.argmax()
    )
    return np.full(problem.num_ops, best, dtype=np.int64)


def contiguous_balanced(problem: Problem) -> np.ndarray:
    """(n,) int64: the topological order cut into stretches of equal work, one a device."""
    return settle(problem, equal_work(problem.mean_durations, problem.num_devices))


def human_expert(problem: Problem) -> np.ndarray:
    """(n,) int64: the graph cut along its layers, as practitioners place by hand.

    Recurrent families: a layer a device in order, the embedding with the first, attention and
    softmax with the last (HDP, ICLR 2018, section 4.1, "Human expert"; Wu et al. 2016, section
    3); layers beyond the number of devices in contiguous groups of equal size. Other families:
    contiguous layers whose heaviest share is the lightest possible (our choice; HDP's experts cut
    Inception by blocks). A graph without layers: contiguous cuts of equal work (our choice).
    """
    graph = problem.graph
    if not graph.layers or (graph.layer < 0).all():
        return contiguous_balanced(problem)
    if graph.metadata.get("family") in RECURRENT:
        stage = _recurrent_stages(graph.layers, problem.num_devices)
    else:
        work = problem.mean_durations
        tagged = graph.layer >= 0
        load = np.bincount(graph.layer[tagged], work[tagged], len(graph.layers))
        stage = _lightest_cut(load, problem.num_devices)
    device = np.where(graph.layer >= 0, stage[np.maximum(graph.layer, 0)], -1)
    return settle(problem, device)


def settle(problem: Problem, device: np.ndarray) -> np.ndarray:
    """(n,) int64: ``device`` with -1 filled in, free ops moved to their input, groups united.

    An op without a device follows its first input's producer, else its first consumer, else goes
    to device 0. A co-location group goes where most of its work is.
    """
    return unite_groups(problem, follow_inputs(problem.graph, device))


def follow_inputs(graph: ComputationGraph, device: np.ndarray) -> np.ndarray:
    """(n,) int64: ``device`` with -1 filled in and free ops moved to their input, as
    :func:`settle` says."""
    result = np.array(device, dtype=np.int64)
    first_input = np.full(graph.num_ops, -1, dtype=np.int64)
    consumers, producers = graph.use_consumer[::-1], graph.use_producer[::-1]
    first_input[consumers] = producers
    follows = graph.is_free | (result < 0)
    for op in np.flatnonzero(follows & (first_input >= 0)).tolist():
        result[op] = result[first_input[op]]
    first_consumer = np.full(graph.num_ops, -1, dtype=np.int64)
    first_consumer[producers] = consumers
    sources = follows & (first_input < 0) & (first_consumer >= 0)
    for op in np.flatnonzero(sources | (result < 0))[::-1].tolist():
        if first_consumer[op] >= 0:
            result[op] = result[first_consumer[op]]
    result[result < 0] = 0
    return result


def unite_groups(problem: Problem, device: np.ndarray) -> np.ndarray:
    """(n,) int64: ``device`` with each co-location group where most of its work is."""
    groups = problem.graph.colocation
    result = np.array(device, dtype=np.int64)
    member = np.flatnonzero(groups >= 0)
    if len(member) == 0:
        return result
    work = problem.mean_durations[member] + 1.0
    votes = np.zeros((int(groups.max()) + 1, problem.num_devices))
    np.add.at(votes, (groups[member], result[member]), work)
    result[member] = votes.argmax(axis=1)[groups[member]]
    return result


def _recurrent_stages(layers: tuple[str, ...], devices: int) -> np.ndarray:
    """The device of each layer tag: ``….0``, ``….1``, … in order, what comes before with the
    first, what comes after with the last."""
    numbered = [i for i, tag in enumerate(layers) if tag.rsplit(".", 1)[-1].isdigit()]
    count = len(numbered)
    if count == 0:
        return np.minimum(np.arange(len(layers)) * devices // len(layers), devices - 1)
    stage = np.zeros(len(layers), dtype=np.int64)
    used = min(devices, count)
    for position, tag in enumerate(
        sorted(numbered, key=lambda i: int(layers[i].rsplit(".", 1)[1]))
    ):
        stage[tag] = position * used // count
    for tag in range(len(layers)):
        if tag not in numbered and tag > numbered[0]:
            stage[tag] = used - 1
    return stage


def _lightest_cut(load: np.ndarray, parts: int) -> np.ndarray:
    """Cut ``load`` into at most ``parts`` contiguous stretches, the heaviest as light as can be."""
    low, high = float(load.max(initial=0.0)), fsum(load)
    for _ in range(60):
        middle = (low + high) / 2
        if _stretches(load, middle)[-1] < parts:
            high = middle
        else:
            low = middle
    return _stretches(load, high)


def _stretches(load: np.ndarray, limit: float) -> np.ndarray:
    stage = np.zeros(len(load), dtype=np.int64)
    total, part = 0.0, 0
    for index, amount in enumerate(load.tolist()):
        if total + amount > limit * (1 + 1e-9) and total > 0:
            part, total = part + 1, 0.0
        total += amount
        stage[index] = part
    return stage
