"""The exact agent: against every placement and order, published optima, and planted ones."""

import numpy as np
import pytest

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.catalogue.instances import load
from go_gym.problem import check_decision
from tests import truth
from tests.agents.exact.brute import optimum, optimum_without_contention

pytest.importorskip("ortools")


def solved(problem, seconds=60, calls=100):
    """The proof and the decision, which must be what the simulator says."""
    agent, budget = load_agent(f"exact:seconds={seconds}"), Budget(problem, calls)
    decision = agent.solve(problem, budget, seed=0)
    check_decision(problem, decision)
    result, proof = go_gym.simulate(problem, decision), agent.proof
    if result.valid:
        assert proof.step_time_ns == result.step_time_ns >= proof.bound_ns
    else:
        assert proof.step_time_ns is None and not proof.optimal
    return proof


def tiny(seed, most, contention, memory=None, placed=False, devices=2):
    """A random problem of up to ``most`` ops, co-location groups and unequal devices at times."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, most + 1)), devices
    pairs = [(a, b) for b in range(n) for a in range(b) if rng.random() < 2.0 / max(b, 1)]
    columns = (d,) if rng.random() < 0.3 else ()
    groups = np.where(rng.random(n) < 0.25, rng.integers(0, 2, n), -1)
    graph = go_gym.ComputationGraph.from_costs(
        rng.integers(1, 10, (n, *columns)),
        [(op, int(rng.integers(1, 8))) for op in range(n)],
        pairs,
        colocation=groups,
        parameter_bytes=rng.integers(0, 3, n),
    )
    capacity = None if memory is None else int(memory + rng.integers(0, 8))
    cluster = go_gym.Cluster.uniform(d, 1e9, 1e-9, capacity, contention)
    if not placed:
        return go_gym.Problem(graph, cluster)
    problem = go_gym.Problem(graph, cluster)
    place = rng.integers(0, d, n)[problem.colocation_leader]
    return go_gym.Problem(graph, cluster, "scheduling", place)


def agrees(problem, best):
    """The bound is the optimum; the decision too, unless the best order waits."""
    proof = solved(problem)
    if best is None:
        assert proof.step_time_ns is None
        return False
    assert proof.bound_ns == best, (proof, best)
    return proof.optimal


def test_every_placement_and_order_without_contention():
    """150 problems of up to seven ops."""
    reached = [
        agrees(problem, optimum_without_contention(problem))
        for problem in (tiny(seed, 7, "none", devices=2 + seed % 2) for seed in range(150))
    ]
    assert np.mean(reached) > 0.9  # the others need an order that waits


def test_every_placement_and_order_with_duplex_ports():
    problems = (tiny(seed, 5, "duplex") for seed in range(25))
    assert np.mean([agrees(problem, optimum(problem)) for problem in problems]) > 0.8


@pytest.mark.parametrize("memory", [None, 11])
def test_every_order_on_given_devices_with_duplex_ports(memory):
    """On three devices, where two may send to a third."""
    problems = (tiny(seed, 7, "duplex", memory, placed=True, devices=3) for seed in range(40))
    assert np.mean([agrees(problem, optimum(problem)) for problem in problems]) > 0.4


def test_every_placement_and_order_with_little_memory():
    problems = (tiny(seed, 5, "none", memory=12) for seed in range(25))
    assert np.mean([agrees(problem, optimum(problem)) for problem in problems]) > 0.4


def test_the_two_ways_of_trying_all_agree():
    for seed in range(500, 510):
        problem = tiny(seed, 4, "none")
        assert optimum(problem) == optimum_without_contention(problem)


def test_auckland_graphs_of_ten_tasks():
    for instance in truth.auckland():
        assert solved(instance.problem).step_time_ns == instance.optimum_ns, instance.name
        assert solved(instance.problem).optimal


@pytest.mark.parametrize("name", ["ft06", "la01", "la02", "la03", "la04", "la05"])
def test_job_shops(name):
    """Whose best orders wait, which priorities cannot say."""
    instance = next(i for i in truth.job_shops() if i.name == f"jobshop:{name}")
    proof = solved(instance.problem)
    assert proof.step_time_ns == proof.bound_ns == instance.optimum_ns


@pytest.mark.slow
def test_ft10():
    instance = next(i for i in truth.job_shops() if i.name == "jobshop:ft10")
    assert solved(instance.problem, seconds=300).bound_ns == 930


@pytest.mark.parametrize(
    "name", ["10-2-0", "12-3-1-share100", "20-3-0", "15-3-2-tight", "16-2-3-unequal", "30-3-1-none"]
)
def test_planted(name):
    instance = load(f"planted:{name}")
    proof = solved(instance.problem)
    assert proof.optimal and proof.step_time_ns == instance.optimum_ns


@pytest.mark.slow
@pytest.mark.parametrize("words", ["", "-free", "-share100", "-tight", "-unequal", "-none"])
def test_planted_up_to_thirty_ops(words):
    for ops in (10, 20, 30):
        for devices in (2, 3, 4):
            instance = load(f"planted:{ops}-{devices}-{ops + devices}{words}")
            proof = solved(instance.problem, seconds=120)
            assert proof.optimal and proof.step_time_ns == instance.optimum_ns, instance.name


def test_no_optimality_is_claimed_that_was_not_proven():
    """Without time, without calls, and for a problem that is too large for a model."""
    problem = load("planted:30-4-3-share100").problem
    assert not solved(problem, seconds=0).optimal
    agent = load_agent("exact")
    agent.solve(problem, Budget(problem, 0), 0)
    assert agent.proof.step_time_ns is None and not agent.proof.optimal
    large = load("planted:3000-4-0").problem
    proof = solved(large, seconds=5)
    assert not proof.optimal and proof.bound_ns == 7_500_000


@pytest.mark.parametrize("contention", ["link", "egress"])
def test_other_contention_gets_a_bound(contention):
    problem = tiny(3, 6, contention)
    proof = solved(problem)
    free = go_gym.Cluster.uniform(problem.num_devices, 1e9, 1e-9, None, "none")
    assert proof.bound_ns == optimum_without_contention(go_gym.Problem(problem.graph, free))
