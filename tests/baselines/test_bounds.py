"""Lower bounds: never above what is reached, and tight where that is known."""

import hashlib
import itertools

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.bounds import lower_bound_ns
from tests.strategies import problems


def bound(durations, devices, edges=(), **more) -> int:
    graph = go_gym.ComputationGraph.from_costs(
        durations, [(i, 0) for i in range(len(durations))], list(edges), **more
    )
    return lower_bound_ns(go_gym.Problem(graph, go_gym.Cluster.uniform(devices, 1e9)))


@settings(max_examples=200, deadline=None)
@given(problems(), st.data())
def test_no_simulated_step_is_shorter(problem, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    place = rng.integers(0, problem.num_devices, problem.num_ops)[problem.colocation_leader]
    priority = rng.integers(0, 9, problem.num_ops)
    for decision in (go_gym.Decision(place), go_gym.Decision(place, priority=priority)):
        assert lower_bound_ns(problem) <= go_gym.simulate(problem, decision).step_time_ns


@settings(max_examples=60, deadline=None)
@given(problems(max_ops=5, max_devices=3))
def test_no_placement_of_all_is_better(problem):
    every = itertools.product(range(problem.num_devices), repeat=problem.num_ops)
    leader = problem.colocation_leader
    decisions = [go_gym.Decision(np.array(choice)[leader]) for choice in every]
    results = go_gym.simulate_batch(problem, decisions, threads=1)
    assert lower_bound_ns(problem) <= results.step_time_ns.min()


@pytest.mark.parametrize(
    ("durations", "devices", "more", "expected"),
    [
        ([3, 4, 5], 2, {"edges": [(0, 1), (1, 2)]}, 12),  # a chain
        ([4] * 6, 3, {}, 8),  # even work
        ([5, 5, 5], 2, {}, 10),  # two of three share a device
        ([2, 7, 7, 7, 2], 3, {"edges": [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]}, 11),
        ([2, 6, 6, 6, 6, 2], 2, {"edges": [(0, i) for i in (1, 2, 3, 4)]}, 14),
        ([9, 1, 9], 3, {"colocation": [0, -1, 0]}, 18),  # a group shares a device
        ([[2, 9], [9, 2]], 2, {}, 2),  # each device is good at one op
        ([[1, 3]] * 4, 2, {}, 3),  # unequal devices: three and one
    ],
)
def test_equal_to_the_optimum_of_simple_cases(durations, devices, more, expected):
    assert bound(durations, devices, **more) == expected


def unequal(seed: int) -> go_gym.Problem:
    """Ops without edges on up to six unequal devices, some in co-location groups."""
    rng = np.random.default_rng(seed)
    ops, devices = int(rng.integers(2, 60)), int(rng.integers(2, 7))
    durations = rng.integers(1, 10 ** int(rng.integers(2, 10)), (ops, devices))
    groups = np.where(rng.random(ops) < 0.3, rng.integers(0, 4, ops), -1)
    graph = go_gym.ComputationGraph.from_costs(
        durations.tolist(), [(i, 0) for i in range(ops)], [], colocation=groups.tolist()
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(devices, 1e9))


@pytest.mark.parametrize("seed", range(25))
def test_unequal_devices_get_nearly_the_linear_relaxation(seed):
    """Against SciPy's solver: groups in shares over devices, the heaviest load the least."""
    problem = unequal(seed)
    groups = np.unique(problem.colocation_leader, return_inverse=True)[1]
    count, devices = int(groups.max()) + 1, problem.num_devices
    work = np.stack([
        np.bincount(groups, problem.durations_on(device), count) for device in range(devices)
    ])  # fmt: skip
    loads = np.zeros((devices, devices * count + 1))  # the shares, device by device, and the load
    for device in range(devices):
        loads[device, device * count : (device + 1) * count] = work[device]
    loads[:, -1] = -1
    whole = np.hstack([np.tile(np.eye(count), devices), np.zeros((count, 1))])
    found = scipy.optimize.linprog(
        np.eye(devices * count + 1)[-1], loads, np.zeros(devices), whole, np.ones(count)
    )
    bound = lower_bound_ns(problem)
    largest = work.min(axis=0).max()  # a group shares no two devices
    assert bound >= max(0.97 * found.fun, largest)
    optimum = scipy.optimize.milp(
        np.eye(devices * count + 1)[-1],
        integrality=[1] * devices * count + [0],
        bounds=(0, [1] * devices * count + [np.inf]),
        constraints=[
            scipy.optimize.LinearConstraint(loads, ub=0),
            scipy.optimize.LinearConstraint(whole, 1, 1),
        ],
        options={"time_limit": 2},
    )
    assert optimum.x is None or bound <= round(optimum.fun * (1 + 1e-9))


def test_bounds_of_unequal_devices_are_the_same_on_every_machine():
    """To the nanosecond, as the leaderboard's verifier compares them."""
    bounds = [lower_bound_ns(unequal(seed)) for seed in range(60)]
    assert bounds[:5] == [1955801, 174695861, 579, 9595, 1671240431]
    digest = hashlib.sha256(" ".join(map(str, bounds)).encode()).hexdigest()
    assert digest.startswith("70f4045e2c6b45f1")
