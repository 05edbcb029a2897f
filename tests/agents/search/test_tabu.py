"""Tabu search of orders: optima by enumeration, published optima, estimates that are bounds."""

from itertools import permutations, product

import numpy as np
import pytest
from go_agents.search.critical_moves import best_move, estimate, heads, tails
from go_agents.search.tabu import Search, Sequences, TabuSearch, TabuSettings

import go_gym
from go_gym.agent import Budget, load_agent, solve
from go_gym.baselines.priorities import prioritised
from go_gym.catalogue.instances.jobshop import job_shop
from go_gym.simulator import simulate, simulate_batch
from tests.truth import job_shops


def random_shop(jobs, machines, seed):
    rng = np.random.default_rng([jobs, machines, seed])
    durations = rng.integers(1, 20, (jobs, machines)).tolist()
    order = [rng.permutation(machines).tolist() for _ in range(jobs)]
    return job_shop(f"own{seed}", durations, order, 1, 10**6, "drawn here").problem


def all_orders(problem):
    """Every sequence of every device, as ranks."""
    placement, n = np.asarray(problem.placement), problem.num_ops
    of_device = [np.flatnonzero(placement == d).tolist() for d in range(problem.num_devices)]
    for chosen in product(*map(permutations, of_device)):
        rank = np.empty(n, dtype=np.int64)
        rank[[op for part in chosen for op in part]] = np.arange(n)
        yield rank


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_the_optimum_of_all_orders(seed):
    problem = random_shop(3, 3, seed)
    decisions = [go_gym.Decision(problem.placement, order=rank) for rank in all_orders(problem)]
    every = simulate_batch(problem, decisions, threads=1)
    optimum = every.step_time_ns[every.valid].min()
    found = solve(TabuSearch(), problem, seed=0, simulations=150)
    assert simulate(problem, found.decision).step_time_ns == optimum


def test_it_is_better_than_the_rules_and_decides_alike_for_a_seed():
    graph, cluster = go_gym.datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2")
    problem = go_gym.make_problem(graph, cluster, "scheduling")
    one, two = (solve(TabuSearch(), problem, seed=3, simulations=60) for _ in range(2))
    np.testing.assert_array_equal(one.decision.order, two.decision.order)
    plain = go_gym.Decision(problem.placement)
    rules = [prioritised(problem, plain, rule) for rule in ("fifo", "critical-path")]
    assert one.calls <= 60
    found = simulate(problem, one.decision)
    assert found.valid
    assert found.step_time_ns <= min(simulate(problem, each).step_time_ns for each in rules)


def test_it_stops_where_no_order_matters():
    graph = go_gym.ComputationGraph.from_costs([1, 2, 3], [(0, 0), (1, 0)], [(0, 1), (1, 2)])
    problem = go_gym.make_problem(
        graph, go_gym.Cluster.uniform(2, 1e9), "scheduling", placement=[0, 1, 0]
    )
    found = solve(TabuSearch(), problem, seed=0, simulations=50)
    assert found.calls == 2 and simulate(problem, found.decision).step_time_ns == 6


def read(problem, result):
    graph, placement = problem.graph, np.asarray(problem.placement)
    sequences = Sequences(problem, placement)
    sequences.follow(result.trace.op_start)
    delay = np.zeros(graph.num_uses, dtype=np.int64)
    start = result.trace.op_start
    tail, by_data = tails(
        sequences.sequence, sequences.first, sequences.position, sequences.duration, placement,
        start, graph.op_tensor_ptr, graph.tensor_use_ptr, graph.use_consumer, delay,
    )  # fmt: skip
    ready = heads(
        start, sequences.duration, graph.op_use_ptr, graph.op_uses, graph.use_producer, delay
    )
    return sequences, tail, by_data, ready


@pytest.mark.parametrize("seed", range(5))
def test_heads_and_tails_meet_at_the_step_time_and_estimates_are_bounds(seed):
    problem = random_shop(6, 4, seed)
    result = simulate(problem, go_gym.Decision(problem.placement), trace=True)
    s, tail, by_data, ready = read(problem, result)
    start, finish = result.trace.op_start, result.trace.op_finish
    assert (start + tail).max() == result.step_time_ns
    assert (ready <= start).all() and (by_data < tail).all()
    compared = 0
    for low in range(len(s.sequence) - 1):
        one, other = s.sequence[low : low + 2]
        if problem.placement[one] != problem.placement[other]:
            continue
        own_first = low == s.first[problem.placement[one]]
        own_last = low + 2 == s.first[problem.placement[one] + 1]
        free = 0 if own_first else finish[s.sequence[low - 1]]
        rest = 0 if own_last else tail[s.sequence[low + 2]]
        line = np.array([other, one])
        length = estimate(line, free, rest, ready, s.duration, by_data)
        swapped = s.sequence.copy()
        swapped[low : low + 2] = line
        after = Sequences(problem, np.asarray(problem.placement))
        after.set(swapped)
        found = simulate(problem, go_gym.Decision(problem.placement, order=after.order()))
        if found.valid:
            assert length <= found.step_time_ns
            compared += 1
    assert compared > 10


def test_a_forbidden_pair_is_not_turned_back():
    problem = random_shop(6, 4, 1)
    result = simulate(problem, go_gym.Decision(problem.placement), trace=True)
    s, tail, by_data, ready = read(problem, result)
    known = (s.sequence, s.first, s.position, s.duration, np.asarray(problem.placement))
    known += (result.trace.op_start, result.trace.op_finish, tail, by_data, ready)

    def luck(seed):
        return np.random.default_rng(seed).random(2 * len(s.sequence))

    free = best_move(*known, np.zeros(1 << 16, dtype=np.int64), 10, 0, luck(0))
    assert free[0] >= 0
    table = np.full(1 << 16, 99, dtype=np.int64)  # every pair: chance alone decides
    drawn = {best_move(*known, table, 10, 0, luck(seed)) for seed in range(50)}
    assert len(drawn) > 1


@pytest.mark.parametrize("seed", range(3))
def test_it_reaches_the_proven_optimum(seed):
    problem = random_shop(6, 5, seed)
    exact = load_agent("exact:seconds=30")
    exact.solve(problem, Budget(problem, 50), seed=0)
    proof = exact.proof
    found = solve(TabuSearch(), problem, seed=0, simulations=1000)
    assert simulate(problem, found.decision).step_time_ns == proof.step_time_ns == proof.bound_ns


def test_what_cannot_proceed_is_taken_back():
    problem = random_shop(3, 3, 0)
    placement = np.asarray(problem.placement)
    begin = simulate(problem, go_gym.Decision(placement), trace=True)
    every = (go_gym.Decision(placement, order=rank) for rank in all_orders(problem))
    stuck = next(each for each in every if not simulate(problem, each).valid)
    budget = Budget(problem, 20)
    search = Search(problem, placement, budget, np.random.default_rng(0), TabuSettings())
    search.evaluate = lambda: budget.evaluate(stuck, trace=True)
    search.run([begin])
    expected = Sequences(problem, placement)
    expected.follow(begin.trace.op_start)
    assert budget.remaining == 0
    np.testing.assert_array_equal(search.sequences.sequence, expected.sequence)


def test_ft06_is_solved():
    shop = next(each for each in job_shops() if each.name.endswith("ft06"))
    found = solve(TabuSearch(), shop.problem, seed=0, simulations=1000)
    assert simulate(shop.problem, found.decision).step_time_ns == 55


@pytest.mark.slow
@pytest.mark.parametrize(("calls", "most"), [(4000, 0.03), (20_000, 0.015)])
def test_the_mean_gap_of_58_job_shops(calls, most):
    gaps = []
    for shop in job_shops():
        found = solve(TabuSearch(), shop.problem, seed=0, simulations=calls)
        step = simulate(shop.problem, found.decision).step_time_ns
        assert step >= shop.lower_ns
        gaps.append(step / (shop.upper_ns or shop.lower_ns) - 1)
    assert np.mean(gaps) <= most
