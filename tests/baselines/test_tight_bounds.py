"""Bounds that know of transfers and of machines: valid, and as good as they are said to be."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.bounds import heads_and_tails, lower_bound_ns, tight_lower_bound_ns
from go_gym.baselines.earliest import communicating_heads_and_tails
from go_gym.baselines.machine import one_machine_bound_ns
from go_gym.catalogue import datasets
from go_gym.problem import Problem
from tests import truth
from tests.agents.exact.brute import optimum_without_contention
from tests.strategies import problems


@settings(max_examples=150, deadline=None)
@given(problems(), st.data())
def test_no_simulated_step_is_shorter(problem, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    place = rng.integers(0, problem.num_devices, problem.num_ops)[problem.colocation_leader]
    given_problem = Problem(problem.graph, problem.cluster, "scheduling", place)
    for decision in (
        go_gym.Decision(place),
        go_gym.Decision(place, rng.integers(0, 9, len(place))),
    ):
        step = go_gym.simulate(problem, decision).step_time_ns
        assert lower_bound_ns(problem) <= tight_lower_bound_ns(problem) <= step
        assert lower_bound_ns(given_problem) <= tight_lower_bound_ns(given_problem) <= step


def random_problem(seed, ops=7, delay=12):
    """Connected graphs whose transfers take about as long as their ops."""
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for b in range(1, ops) for a in range(b) if rng.random() < 2.5 / b]
    graph = go_gym.ComputationGraph.from_costs(
        rng.integers(1, 10, ops), [(op, int(rng.integers(1, delay))) for op in range(ops)], pairs
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(2 + seed % 2, 1e9, contention="none"))


def test_no_placement_and_order_is_better():
    """Against every one of them; of 150 small problems most bounds are the optimum."""
    tight = []
    for seed in range(150):
        problem = random_problem(seed)
        best, bound = optimum_without_contention(problem), tight_lower_bound_ns(problem)
        assert bound <= best
        tight.append(bound == best)
    plain = [lower_bound_ns(random_problem(s)) for s in range(150)]
    better = [tight_lower_bound_ns(random_problem(s)) > p for s, p in enumerate(plain)]
    assert np.mean(tight) > 0.5 and np.mean(better) > 0.3


def test_never_less_than_without_transfers():
    for seed in range(40):
        problem = random_problem(seed, ops=12)
        durations = problem.durations[0]
        whole = communicating_heads_and_tails(problem, durations)
        plain = heads_and_tails(problem, durations)
        assert all((a >= b).all() for a, b in zip(whole, plain, strict=True))


def fork_join(branches, work, delay):
    """A source, ``branches`` ops, a sink; every edge takes ``delay`` between devices."""
    n = branches + 2
    edges = [(0, i) for i in range(1, n - 1)] + [(i, n - 1) for i in range(1, n - 1)]
    graph = go_gym.ComputationGraph.from_costs(
        [1, *[work] * branches, 1], [(op, delay) for op in range(n - 1)], edges
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(8, 1e9, contention="none"))


@pytest.mark.parametrize(
    ("branches", "work", "delay", "expected"),
    [
        (2, 10, 0, 12),  # apart
        (2, 10, 4, 16),  # source with one branch, sink with the other: 1 + 4 + 10 + 1
        (2, 10, 50, 22),  # together: transfers take longer than what they save
        (3, 10, 50, 32),
    ],
)
def test_forks_of_which_the_bound_is_the_optimum(branches, work, delay, expected):
    assert tight_lower_bound_ns(fork_join(branches, work, delay)) == expected


@pytest.mark.parametrize("seed", range(20))
def test_one_machine_is_the_energy_of_the_fullest_set(seed):
    """The preemptive schedule ends as the largest of least head + work + least tail says, over all
    sets of ops of a device (Carlier 1982)."""
    rng = np.random.default_rng(seed)
    head, durations, tail = rng.integers(0, 30, (3, 9)) + np.array([[0], [1], [0]])
    device = rng.integers(0, 2, 9)
    energy = 0
    for size in range(1, 10):
        for chosen in map(list, itertools.combinations(range(9), size)):
            if len(set(device[chosen])) == 1:
                ends = head[chosen].min() + durations[chosen].sum() + tail[chosen].min()
                energy = max(energy, int(ends))
    assert one_machine_bound_ns(device, durations, head, tail) == energy


def test_job_shops_get_the_bound_of_their_machines():
    bounds = {i.name[8:]: tight_lower_bound_ns(i.problem) for i in truth.job_shops()}
    assert (bounds["ft06"], bounds["ft10"]) == (52, 808)  # Carlier and Pinson 1989
    optimal = [bounds[i.name[8:]] == i.optimum_ns for i in truth.job_shops()]
    assert sum(optimal) >= 15


@pytest.mark.parametrize(
    ("graph", "plain", "tight"),
    [("wavenet-2x18", 201_504_732, 320_000_000), ("inception-b32", 97_945_649, 108_000_000)],
)
def test_graphs_that_gain_little_from_eight_devices(graph, plain, tight):
    problem = Problem(datasets.load(graph), go_gym.load_cluster("p100x8"))
    assert lower_bound_ns(problem) == plain and tight_lower_bound_ns(problem) > 0.99 * tight


@pytest.mark.parametrize("name", ["job shops", "stg", "auckland"])
def test_at_most_every_known_optimum(name):
    known = {"job shops": truth.job_shops, "stg": truth.stg, "auckland": truth.auckland}[name]()
    bounds = [tight_lower_bound_ns(instance.problem) for instance in known]
    for bound, instance in zip(bounds, known, strict=True):
        assert bound <= instance.upper_ns, instance.name
