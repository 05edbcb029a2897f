"""Placements of ops as device maps of modules: majorities, folding, splits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import go_gym
from go_gym.graph import ComputationGraph
from go_gym.problem.device_map import device_map


def problem_of(layers, durations):
    """One chain of ops, one for each layer tag."""
    n = len(layers)
    graph = ComputationGraph.from_costs(
        durations,
        [(op, 8) for op in range(n)],
        [(op, op + 1) for op in range(n - 1)],
        layers=layers,
    )
    return go_gym.Problem(graph, go_gym.load_cluster("p100x4"))


def held_by(modules, path):
    """The device of a module as accelerate reads a map: the longest prefix of its path holds."""
    parts = path.split(".")
    prefixes = [".".join(parts[:depth]) for depth in range(len(parts), -1, -1)]
    return next(modules[prefix] for prefix in prefixes if prefix in modules)


def test_a_path_stands_for_those_below_that_agree():
    layers = ["embed", "blocks.0.a", "blocks.0.b", "blocks.1.a", "blocks.1.b", "head"]
    problem = problem_of(layers, [5] * 6)
    modules, splits = device_map(problem, np.array([0, 0, 0, 1, 2, 2]))
    assert modules == {"embed": 0, "blocks.0": 0, "blocks.1.a": 1, "blocks.1.b": 2, "head": 2}
    assert splits == []
    assert device_map(problem, np.full(6, 3))[0] == {"": 3}


def test_a_split_module_goes_where_most_of_its_time_is():
    problem = problem_of(["a", "a", "b", "a"], [10, 60, 5, 30])
    modules, (split,) = device_map(problem, np.array([0, 1, 2, 2]))
    assert modules == {"a": 1, "b": 2}
    assert str(split) == "a: 60% on 1, 30% on 2, 10% on 0"


def test_modules_without_time_go_with_most_of_their_ops():
    problem = problem_of(["a", "b", "b", "b"], [1, 0, 0, 0])
    assert device_map(problem, np.array([0, 1, 1, 0]))[0] == {"a": 0, "b": 1}


def test_a_graph_without_layers_has_no_map():
    problem = problem_of([None, None], [1, 1])
    assert device_map(problem, np.array([0, 1])) == ({}, [])


PATHS = st.lists(st.sampled_from("ab0"), min_size=1, max_size=3).map(".".join)


@given(st.lists(st.tuples(PATHS, st.integers(0, 3)), min_size=1, max_size=12))
def test_the_folded_map_gives_each_module_its_own_device(pairs):
    device_of = dict(pairs)
    layers, devices = list(device_of), np.array(list(device_of.values()))
    modules, _ = device_map(problem_of(layers, [1] * len(layers)), devices)
    assert {path: held_by(modules, path) for path in layers} == device_of
