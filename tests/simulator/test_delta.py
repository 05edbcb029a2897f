"""Delta simulation equals a full one in every field, whatever moves, and does less."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import CONTENTION_MODELS, Cluster, Device
from go_gym.errors import DecisionError
from go_gym.graph import Alias, Outlives
from go_gym.simulator import DeltaSimulator, simulate
from go_gym.simulator.delta import checkpoints, recording, simulator
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


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_tries_under_a_limit(data):
    """What takes longer is broken off, and leaves nothing behind for the tries that follow."""
    problem = data.draw(problems(30, 6))
    decision = data.draw(decisions(problem))
    search = DeltaSimulator(problem, decision)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for _ in range(8):
        ops = rng.integers(0, problem.num_ops, rng.integers(1, 4))
        devices = rng.integers(0, problem.num_devices, len(ops))
        placement = np.array(search.decision.placement)
        placement[ops] = devices
        expected = simulate(problem, go_gym.Decision(placement, decision.priority))
        limit = int(rng.uniform(0, 1.2) * expected.step_time_ns)
        found = search.try_move(ops, devices, limit_ns=limit)
        if expected.step_time_ns <= limit:
            assert_equal(found, expected)
            search.adopt()
            continue
        assert found.over_limit and found.step_time_ns == limit + 1
        assert (found.peak_memory <= expected.peak_memory).all()
        with pytest.raises(DecisionError, match="broken off"):
            search.adopt()
        assert_equal(search.try_move(ops, devices), expected)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_equals_a_full_simulation(data):
    """Views, parameters, several tensors an op, groups, priorities, tight memory."""
    problem = data.draw(problems(30, 6))
    decision = data.draw(decisions(problem))
    found = DeltaSimulator(problem, decision)
    assert_equal(found.result, simulate(problem, decision))
    check_moves(found, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), 8, 3)


def test_nothing_is_saved_twice_where_a_result_is_a_view_of_a_copy(monkeypatch):
    """Such a copy is held when the step ends; its uses may be others in the next run."""
    made = []

    def make_checkpoints(work, count):
        made.append(checkpoints.make_checkpoints(work, count))
        return made[-1]

    monkeypatch.setattr(recording, "make_checkpoints", make_checkpoints)
    graph = go_gym.ComputationGraph.from_arrays(
        "views",
        num_ops=6,
        tensors=[(0, 2), (1, 0), (1, 2), (2, 1), (2, 2), (4, 0)],
        uses=[(0, 1), (0, 4), (1, 2), (1, 4), (2, 3)],
        aliases=[Alias.OWN, Alias.OWN, Alias.OWN, 1, Alias.OWN, 0],
        outlives=[0, Outlives.IN_PLACE, 0, 0, 0, Outlives.HELD],
        durations=[[2], [2], [3], [1], [0], [0]],
        duration_kinds=["*"],
    )
    problem = go_gym.Problem(graph, Cluster.uniform(devices=2, bandwidth=1e9, contention="none"))
    found = DeltaSimulator(problem, go_gym.Decision([1, 1, 1, 0, 0, 0]))
    check_moves(found, np.random.default_rng(1), 8, 3)
    [points] = made
    for k in np.flatnonzero(points.valid):
        uses = points.use[k]["number"][: int(points.counts[k]["use"])].tolist()
        assert len(uses) == len(set(uses)) == points.counts[k]["use"]


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


def awkward_problem(rng: np.random.Generator) -> go_gym.Problem:
    """Views of views, several tensors an op, tight memory, ties, slow and fast links; tensors are
    used soon after they are made or much later."""
    n, d = int(rng.choice([15, 40, 100, 250])), int(rng.integers(2, 7))
    high, reach = int(rng.choice([4, 50, 1000])), int(rng.choice([5, 30, 300]))
    viewing = rng.choice([0, 0.3, 0.6])
    tensors, uses, aliases = [], [], []
    for op in range(n):
        low, count = max(0, len(tensors) - reach), int(rng.integers(rng.random() > 0.15, 4))
        earlier = rng.permutation(np.arange(low, len(tensors)))
        inputs = sorted(earlier[:count].tolist())
        uses += [(tensor, op) for tensor in inputs]
        for _ in range(int(rng.integers(0, 3)) if op else 1):
            tensors.append((op, int(rng.integers(0, high))))
            kind = rng.random()
            own = Alias.PARAMETER if kind > 0.9 else Alias.OWN
            aliases.append(int(rng.choice(inputs)) if inputs and kind < viewing else int(own))
    graph = go_gym.ComputationGraph.from_costs(
        rng.integers(0, high, n) * (rng.random(n) < rng.choice([0.5, 1])),
        tensors,
        uses,
        parameter_bytes=rng.integers(0, 3, n) * int(rng.integers(2)),
        colocation=np.where(rng.random(n) < 0.3, rng.integers(0, 3, n), -1)
        if rng.random() < 0.2
        else None,
        aliases=aliases,
    )
    memory = int(rng.choice([2**40, n * high // 3, n * high]))
    devices = [
        Device(f"d{i}", f"kind{i}", {"float32": 1e9}, 1e9, memory + int(rng.integers(5)))
        for i in range(d)
    ]
    bandwidth = rng.choice([1e9, 5e8, 3e9], size=(d, d)) * rng.choice([0.1, 1, 10])
    contention = str(rng.choice(CONTENTION_MODELS))
    latency = rng.integers(0, 3, (d, d))
    cluster = Cluster.from_matrix("random", devices, bandwidth, latency, contention)
    return go_gym.Problem(graph, cluster)


def check_awkward(seeds: range) -> None:
    for seed in seeds:
        rng = np.random.default_rng(seed)
        problem = awkward_problem(rng)
        placement = rng.integers(0, problem.num_devices, problem.num_ops)
        if rng.random() < 0.6:
            placement.sort()
        priority = rng.integers(0, 4, problem.num_ops) if rng.random() < 0.4 else None
        found = DeltaSimulator(problem, go_gym.Decision(placement, priority))
        check_moves(found, rng, 12, int(rng.integers(1, 4)))


def test_equals_a_full_simulation_on_awkward_graphs():
    check_awkward(range(400))


@pytest.mark.slow
def test_equals_a_full_simulation_on_many_awkward_graphs():
    check_awkward(range(1000, 9000))


def chain(uses: list[tuple[int, int]], bandwidth: float = 1e9) -> go_gym.Problem:
    """200 ops one after the other, with further uses of their outputs; the 22nd makes a view of
    some of its input. Memory is highest late."""
    n = 200
    size = np.where(np.arange(n) == 150, 1000, 5)
    size[21] = 3
    graph = go_gym.ComputationGraph.from_costs(
        np.where(np.arange(n) == 21, 0, 10),
        np.stack([np.arange(n), size], axis=1),
        [(op, op + 1) for op in range(n - 1)] + uses,
        aliases=np.where(np.arange(n) == 21, 20, Alias.OWN),
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=bandwidth))


def test_resumes_before_the_first_transfer_that_changes():
    """Ops that use what was made just before resume late; one that uses the first op's, early."""
    problem = chain([(0, 199)])
    found = DeltaSimulator(problem, go_gym.Decision(np.zeros(200, dtype=int)))
    for op, bytes_moved in ((198, 10), (199, 10)):
        result = found.try_move([op], 1)
        moved = go_gym.Decision((np.arange(200) == op).astype(int))
        assert_equal(result, simulate(problem, moved))
        assert result.bytes_moved == bytes_moved
        start, _ = found.reused
        assert start is None if op == 199 else start > recording.CHECKPOINTS - 4


def test_stops_early_where_only_what_a_moved_tensor_holds_differs():
    """A view moves with what it views, and its copy, which is smaller, is held until the end."""
    problem = chain([(21, 199)])
    found = DeltaSimulator(problem, go_gym.Decision(np.zeros(200, dtype=int)))
    moved = np.isin(np.arange(200), [20, 21]).astype(int)
    result = found.try_move([20, 21], 1)
    assert_equal(result, simulate(problem, go_gym.Decision(moved)))
    assert result.peak_memory[0] == found.result.peak_memory[0] - 2
    _, stop = found.reused
    assert stop is not None and stop < 10


@pytest.mark.parametrize("ranked", [False, True], ids=["fifo", "critical-path"])
def test_real_graph(ranked):
    problem = go_gym.Problem(datasets.load("transformer-xl-2"), go_gym.load_cluster("p100x4"))
    placement = human_expert(problem)
    priority = critical_path(problem, placement) if ranked else None
    found = DeltaSimulator(problem, go_gym.Decision(placement, priority))
    begun, ended = check_moves(found, np.random.default_rng(5), 40, 1)
    assert begun >= 20 and ended >= 10


@pytest.mark.parametrize("count", [1, 200])
def test_one_checkpoint_or_more_than_there_are_ops(monkeypatch, count):
    monkeypatch.setattr(recording, "CHECKPOINTS", count)
    rng = np.random.default_rng(8)
    for contention in CONTENTION_MODELS:
        problem = random_problem(rng, 120, 4, contention)
        found = DeltaSimulator(problem, go_gym.Decision(rng.integers(0, 4, 120)))
        check_moves(found, rng, 20, 2)


def test_many_moves_adopted():
    """One after the other; starts stay right."""
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
    monkeypatch.setattr(simulator, "WORTH", 0.0)
    monkeypatch.setattr(simulator, "PROBE", probe)
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


def test_other_priorities_are_recorded_in_the_same_memory():
    """Where enough moves follow them; FIFO takes other memory, and so is recorded apart."""
    rng = np.random.default_rng(14)
    problem = random_problem(rng, 60, 3, "duplex")
    found = DeltaSimulator(problem, go_gym.Decision(rng.integers(0, 3, 60)))
    recordings = []
    for ranked in (True, True, False):
        priority = rng.integers(0, 5, 60) if ranked else None
        placement = rng.integers(0, 3, 60)
        found.try_decision(go_gym.Decision(placement, priority))
        found.adopt()
        check_moves(found, rng, simulator.PATIENCE + 20, 2)
        recordings.append(found._recording)
    assert recordings[0] is recordings[1] is not recordings[2]


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


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_copies_go_on_apart(copied):
    """Moved in turns, and after the original is gone."""
    problem = random_problem(np.random.default_rng(1), 60, 3, "duplex")
    rng = np.random.default_rng(2)
    found = DeltaSimulator(problem, go_gym.Decision(np.zeros(60, dtype=int)))
    check_moves(found, rng, 5, 3)
    for _ in range(4):
        fork = copied(found)
        assert_equal(fork.result, found.result)
        for each in (fork, found, fork):
            check_moves(each, rng, 4, 3)
            whole = simulate(each.problem, each.decision, trace=True)
            np.testing.assert_array_equal(each.starts(), whole.trace.op_start)
        found = fork
