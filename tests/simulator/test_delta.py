"""Delta simulation equals a full one in every field, whatever moves, and does less."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import go_gym
from go_gym import datasets
from go_gym.cluster import CONTENTION_MODELS
from go_gym.errors import DecisionError
from go_gym.placements import human_expert
from go_gym.priorities import critical_path
from go_gym.simulator import DeltaSimulator, checkpoints, delta, simulate
from go_gym.tasks import make_problem
from tests.simulator.test_engine import assert_equal, random_problem
from tests.strategies import decisions, problems


def check_moves(delta_simulator: DeltaSimulator, rng: np.random.Generator, count: int, most: int):
    """Random moves of up to ``most`` ops, some of them adopted; counts what was reused."""
    problem = delta_simulator.problem
    reused = [0, 0]
    for _ in range(count):
        ops = rng.integers(0, problem.num_ops, rng.integers(1, most + 1))
        devices = rng.integers(0, problem.num_devices, len(ops))
        before = delta_simulator.decision
        placement = np.array(before.placement)
        placement[ops] = devices
        expected = simulate(problem, go_gym.Decision(placement, before.priority, before.fusion))
        assert_equal(delta_simulator.try_move(ops, devices), expected)
        assert delta_simulator.decision is before
        kept = rng.random()
        if kept < 0.5:
            if kept < 0.25:
                assert_equal(delta_simulator.move(ops, devices), expected)
            else:
                delta_simulator.adopt()
            assert_equal(delta_simulator.result, expected)
            np.testing.assert_array_equal(delta_simulator.decision.placement, placement)
        for i, checkpoint in enumerate(delta_simulator.reused):
            reused[i] += checkpoint is not None
    return reused


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_equals_a_full_simulation(data):
    """Views, parameters, several tensors an op, groups, priorities, tight memory."""
    problem = data.draw(problems(30, 6))
    decision = data.draw(decisions(problem))
    found = DeltaSimulator(problem, decision)
    assert_equal(found.result, simulate(problem, decision))
    check_moves(found, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), 8, 3)


@pytest.mark.parametrize("contention", CONTENTION_MODELS)
@pytest.mark.parametrize("levels", [0, 4])
def test_equals_a_full_simulation_on_larger_graphs(contention, levels):
    rng = np.random.default_rng(levels + 10 * CONTENTION_MODELS.index(contention))
    begun = ended = 0
    for size in (20, 60, 150, 300) * 3:
        problem = random_problem(rng, size, int(rng.integers(2, 7)), contention)
        placement = rng.integers(0, problem.num_devices, size)
        if rng.random() < 0.5:
            placement.sort()
        priority = rng.integers(0, levels, size) if levels else None
        found = DeltaSimulator(problem, go_gym.Decision(placement, priority))
        start, stop = check_moves(found, rng, 20, 2)
        begun, ended = begun + start, ended + stop
    assert begun > 60 and ended > 60, "most moves neither begin nor end with the whole run"


@pytest.mark.parametrize("ranked", [False, True], ids=["fifo", "critical-path"])
def test_real_graph(ranked):
    problem = go_gym.Problem(datasets.load("transformer-xl-2"), go_gym.load_cluster("p100x4"))
    placement = human_expert(problem)
    priority = critical_path(problem, placement) if ranked else None
    found = DeltaSimulator(problem, go_gym.Decision(placement, priority))
    begun, ended = check_moves(found, np.random.default_rng(5), 40, 1)
    assert begun >= 20 and ended >= 10


def test_few_checkpoints_and_no_room_for_them(monkeypatch):
    """One checkpoint only, and a first guess at their size that is too small."""
    monkeypatch.setattr(delta, "MAX_BYTES", 1)
    monkeypatch.setattr(delta, "ENTRIES", 0.0)
    rng = np.random.default_rng(8)
    for contention in CONTENTION_MODELS:
        problem = random_problem(rng, 120, 4, contention)
        found = DeltaSimulator(problem, go_gym.Decision(rng.integers(0, 4, 120)))
        check_moves(found, rng, 20, 2)


@pytest.mark.parametrize("stale", [0, 10**6])
def test_many_moves_adopted(monkeypatch, stale):
    """Moved tensors pile up, or are too many to keep track of each time; starts stay right."""
    monkeypatch.setattr(checkpoints, "STALE", stale)
    rng = np.random.default_rng(9)
    for contention in CONTENTION_MODELS:
        problem = random_problem(rng, 200, 4, contention)
        found = DeltaSimulator(problem, go_gym.Decision(np.sort(rng.integers(0, 4, 200))))
        for number in range(60):
            found.move(rng.integers(0, 200, 3), rng.integers(0, 4, 3))
            expected = simulate(problem, found.decision, trace=True)
            np.testing.assert_array_equal(found.starts(), expected.trace.op_start)
            if number % 10 == 9:
                check_moves(found, rng, 4, 1)


@pytest.mark.parametrize("probe", [2, 7])
def test_adopted_moves_may_wait(monkeypatch, probe):
    """Where tries take whole runs the base stays behind the decision; results do not show it."""
    monkeypatch.setattr(delta, "WORTH", 0.0)
    monkeypatch.setattr(delta, "PROBE", probe)
    rng = np.random.default_rng(11)
    for contention in CONTENTION_MODELS:
        problem = random_problem(rng, 150, 4, contention)
        found = DeltaSimulator(problem, go_gym.Decision(np.sort(rng.integers(0, 4, 150))))
        check_moves(found, rng, 60, 3)
        expected = simulate(problem, found.decision, trace=True)
        np.testing.assert_array_equal(found.starts(), expected.trace.op_start)


def test_one_device_for_all_ops_of_a_move():
    problem = random_problem(np.random.default_rng(1), 50, 3, "duplex")
    found = DeltaSimulator(problem, go_gym.Decision(np.zeros(50, dtype=int)))
    expected = simulate(problem, go_gym.Decision([2] * 10 + [0] * 40))
    assert_equal(found.move(range(10), 2), expected)
    assert_equal(found.try_move([], 1), expected)


def test_fused_decisions_are_simulated_in_full():
    problem = make_problem(datasets.load("wavenet-2x18"), go_gym.load_cluster("p100x2"), "joint")
    levels = np.ones(problem.num_ops, dtype=int)
    decision = go_gym.Decision(human_expert(problem), fusion=levels)
    assert check_moves(DeltaSimulator(problem, decision), np.random.default_rng(2), 2, 2) == [0, 0]


@pytest.mark.parametrize(
    ("ops", "devices", "message"),
    [
        ([50], 0, "numbers from 0 to 49"),
        ([-1], 0, "numbers from 0 to 49"),
        ([1.5], 0, "numbers from 0 to 49"),
        (3, 0, "numbers from 0 to 49"),
        ([3], 3, "one or 1 of 0 to 2"),
        ([3, 4], [0, -1], "one or 2 of 0 to 2"),
        ([3, 4], [0], "one or 2 of 0 to 2"),
        ([3], 0.5, "one or 1 of 0 to 2"),
    ],
)
def test_bad_moves(ops, devices, message):
    problem = random_problem(np.random.default_rng(1), 50, 3, "duplex")
    found = DeltaSimulator(problem, go_gym.Decision(np.zeros(50, dtype=int)))
    with pytest.raises(DecisionError, match=message):
        found.try_move(ops, devices)


@pytest.mark.parametrize("start", [False, True], ids=["fifo", "ranked"])
def test_priorities_may_come_with_a_move(start):
    rng = np.random.default_rng(6)
    problem = random_problem(rng, 80, 4, "duplex")
    first = rng.integers(0, 5, 80) if start else None
    found = DeltaSimulator(problem, go_gym.Decision(rng.integers(0, 4, 80), first))
    for number in range(40):
        before = found.decision
        placement = np.array(before.placement)
        ops, device = rng.integers(0, 80, 2), int(rng.integers(4))
        placement[ops] = device
        priority = rng.integers(0, 5, 80) if number % 10 == 3 else None
        kept = before.priority if priority is None else priority
        expected = simulate(problem, go_gym.Decision(placement, kept))
        assert_equal(found.try_move(ops, device, priority), expected)
        if rng.random() < 0.3 or priority is not None:
            decision = found.tried
            assert found.adopt() is found.decision is decision
            np.testing.assert_array_equal(decision.priority, kept)
            assert_equal(found.result, expected)


def test_a_try_by_its_decision_and_with_a_trace():
    rng = np.random.default_rng(7)
    problem = random_problem(rng, 60, 3, "link")
    found = DeltaSimulator(problem, go_gym.Decision(rng.integers(0, 3, 60)))
    swapped = np.array(found.decision.placement)
    swapped[[3, 40]] = swapped[[40, 3]]
    decision = go_gym.Decision(swapped)
    traced = found.try_decision(decision, trace=True)
    assert_equal(traced, simulate(problem, decision, trace=True))
    assert found.adopt() is decision and found.result is traced


def test_nothing_to_adopt():
    problem = random_problem(np.random.default_rng(1), 50, 3, "duplex")
    found = DeltaSimulator(problem, go_gym.Decision(np.zeros(50, dtype=int)))
    found.move([1], 2)
    with pytest.raises(DecisionError, match="nothing was tried"):
        found.adopt()
