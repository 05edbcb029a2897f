"""Small problems whose best placement is known."""

import dataclasses
import itertools

import numpy as np

import go_gym


def two_kinds(ops: int = 8) -> go_gym.Problem:
    """Independent ops; even ones belong on device 0, odd ones on device 1, by far."""
    even = np.arange(ops) % 2 == 0
    durations = np.where(even[:, None], [[20, 100]], [[300, 20]])
    graph = go_gym.ComputationGraph.from_costs(durations, [], [])
    kinds = dataclasses.replace(
        graph, op_type=np.where(even, 0, 1).astype(np.int32), op_types=("even", "odd")
    )
    return go_gym.Problem(kinds, go_gym.Cluster.uniform(2, 1e9))


def awkward() -> go_gym.Problem:
    """Several outputs, a view, a parameter, a co-location group, a branch, two kinds of sizes."""
    graph = go_gym.ComputationGraph.from_costs(
        [0, 30, 0, 50, 40, 20, 60],
        [(0, 400), (1, 800), (1, 40), (2, 800), (3, 80), (4, 120), (5, 8)],
        [(0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (4, 6), (5, 6), (6, 6)][:7],
        aliases=[-2, -1, -1, 1, -1, -1, -1],
        colocation=[-1, -1, -1, 7, -1, -1, 7],
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(3, 1e9))


def optimum(problem: go_gym.Problem) -> int:
    """The least step time of all placements, tried one by one."""
    every = itertools.product(range(problem.num_devices), repeat=problem.num_ops)
    decisions = [go_gym.Decision(placement) for placement in every]
    return int(go_gym.simulate_batch(problem, decisions).step_time_ns.min())
