"""Problems and decisions: what fits together, and what is refused."""

import numpy as np
import pytest

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import Cluster
from go_gym.errors import DecisionError, ProblemError
from go_gym.problem import TASKS
from go_gym.simulator import simulate, simulate_batch, simulate_reference

from_costs = go_gym.ComputationGraph.from_costs
GRAPH = from_costs([1, 2, 3], [(0, 4), (1, 5)], [(0, 1), (1, 2)], names=["a", "b", "c"])
PROBLEM = go_gym.Problem(GRAPH, Cluster.uniform(devices=2, bandwidth=1e9))


def test_problem():
    assert (PROBLEM.num_ops, PROBLEM.num_devices, PROBLEM.task) == (3, 2, "placement")
    assert repr(PROBLEM) == "Problem('graph' on 'uniform2')"
    assert PROBLEM.durations.tolist() == [[1, 2, 3]]
    assert PROBLEM.device_class.tolist() == [0, 0]
    assert PROBLEM.durations_on(1).tolist() == [1, 2, 3]
    for array in (PROBLEM.durations, PROBLEM.device_class, PROBLEM.colocation_leader):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_leader_is_the_first_op_of_the_group():
    graph = from_costs([1] * 6, [], [], colocation=[8, -1, 3, 8, 3, -1])
    assert go_gym.Problem(graph, PROBLEM.cluster).colocation_leader.tolist() == [0, 1, 2, 0, 2, 5]


def test_an_unknown_task():
    with pytest.raises(ProblemError, match="task 'cooking': expected one of placement"):
        go_gym.Problem(GRAPH, PROBLEM.cluster, "cooking")


def test_durations_for_another_number_of_devices():
    graph = from_costs([[1, 2, 3]], [], [])
    with pytest.raises(ProblemError, match="3 devices, cluster 'uniform2' has 2"):
        go_gym.Problem(graph, PROBLEM.cluster)


LONG, BIG = 10**15, 2**53


@pytest.mark.parametrize(
    ("graph", "bandwidth"),
    [
        (lambda: from_costs(np.full(2400, LONG), [], []), 1e9),
        (lambda: from_costs([1], [(0, BIG)] * 300, []), 1e9),
        (lambda: from_costs([1] * 300, [], [], parameter_bytes=[BIG] * 300), 1e9),
        (lambda: from_costs([1, 1], [(0, BIG)], [(0, 1)]), 1e6),
        (lambda: from_costs([1, 1], [(0, BIG)], [(0, 1)]), 1e-6),
    ],
    ids=["durations", "tensors", "parameters", "slow transfer", "slowest transfer"],
)
def test_sums_beyond_64_bits_are_refused(graph, bandwidth):
    with pytest.raises(ProblemError, match="64-bit"):
        go_gym.Problem(graph(), Cluster.uniform(devices=2, bandwidth=bandwidth))


def test_the_largest_sums_are_exact():
    """2,300 ops of 10¹⁵ ns: just below the bound, and beyond what a double holds exactly."""
    durations = np.full(2300, LONG - 1)
    problem = go_gym.Problem(from_costs(durations, [], []), PROBLEM.cluster)
    result = simulate(problem, go_gym.Decision(np.zeros(2300, dtype=int)))
    assert result.step_time_ns == 2300 * (LONG - 1)


PLACED = ("scheduling", "fusion")


@pytest.mark.parametrize("task", PLACED)
def test_a_given_placement(task):
    problem = go_gym.Problem(GRAPH, PROBLEM.cluster, task, [0, 1, 0])
    assert problem.placement.tolist() == [0, 1, 0] and not problem.placement.flags.writeable
    assert simulate(problem, go_gym.Decision([0, 1, 0])).step_time_ns == 15
    with pytest.raises(DecisionError, match=r"placement\[2\]: op 'c' on device 1, but task .* 0"):
        simulate(problem, go_gym.Decision([0, 1, 1]))
    with pytest.raises(ProblemError, match=f"task '{task}' needs given placement"):
        go_gym.Problem(GRAPH, PROBLEM.cluster, task)
    for wrong, message in (
        ([0, 1], "2 entries for 3 ops"),
        ([0, 2, 0], "op 'b' on device 2"),
        ([0.0, 1.0, 0.0], "float64"),
    ):
        with pytest.raises(ProblemError, match=message):
            go_gym.Problem(GRAPH, PROBLEM.cluster, task, wrong)


@pytest.mark.parametrize("task", ["placement", "joint"])
def test_a_placement_given_where_it_is_decided(task):
    with pytest.raises(ProblemError, match=f"task '{task}' takes no given placement"):
        go_gym.Problem(GRAPH, PROBLEM.cluster, task, [0, 1, 0])


def test_make_problem_supplies_the_experts_placement():
    expert = human_expert(PROBLEM)
    for task in TASKS:
        problem = make_problem(GRAPH, PROBLEM.cluster, task)
        assert problem.task == task
        assert (problem.placement is None) == (task not in PLACED)
        if task in PLACED:
            assert problem.placement.tolist() == expert.tolist()
            own = make_problem(GRAPH, PROBLEM.cluster, task, [1, 1, 1])
            assert own.placement.tolist() == [1, 1, 1]


# -- decisions


@pytest.mark.parametrize(
    "placement",
    [[0, 1, 0], (0, 1, 0), np.array([0, 1, 0], np.int32), np.array([0, 1, 0], np.uint8)],
    ids=["list", "tuple", "int32", "uint8"],
)
def test_whole_numbers_of_any_kind(placement):
    decision = go_gym.Decision(placement)
    assert decision.placement.dtype == np.int64
    assert decision.placement.tolist() == [0, 1, 0]
    assert decision.priority is None
    assert simulate(PROBLEM, decision).step_time_ns == 1 + 4 + 2 + 5 + 3


def test_a_decision_is_its_own():
    mine = np.array([0, 1, 0])
    decision = go_gym.Decision(mine, priority=mine)
    mine[:] = 1
    assert decision.placement.tolist() == decision.priority.tolist() == [0, 1, 0]
    for array in (decision.placement, decision.priority):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_read_only_view_of_a_callers_array_is_copied():
    mine = np.array([0, 1, 0])
    view = mine[:]
    view.setflags(write=False)
    decision = go_gym.Decision(view)
    mine[:] = 1
    assert decision.placement.tolist() == [0, 1, 0]


BAD_COLUMNS = {
    "floats": ([0.0, 1.0, 0.0], "dtype float64"),
    "NaN": ([0, float("nan"), 0], "dtype float64"),
    "text": (["0", "1", "0"], "dtype"),
    "bools": ([True, False, True], "dtype bool"),
    "uint64": (np.array([0, 1, 0], np.uint64), "dtype uint64"),
    "huge": ([0, 2**63, 0], "dtype"),
    "enormous": ([0, 10**30, 0], "dtype"),
    "ragged": ([0, [1], 0], "placement|priority|fusion"),
    "table": ([[0, 1, 0]], r"shape \(1, 3\)"),
    "scalar": (1, r"shape \(\)"),
    "empty": ([], r"shape \(0,\)"),
}


@pytest.mark.parametrize("label", ["placement", "priority", "fusion"])
@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_columns_that_are_not_whole_numbers(label, case):
    values, message = BAD_COLUMNS[case]
    with pytest.raises(DecisionError, match=message) as caught:
        go_gym.Decision(**{"placement": [0, 1, 0], label: values})
    assert label in str(caught.value)


def test_no_placement():
    with pytest.raises(DecisionError, match="placement"):
        go_gym.Decision(None)


RUNS = {
    "simulate": simulate,
    "reference": simulate_reference,
    "batch": lambda problem, decision: simulate_batch(problem, [decision])[0],
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (go_gym.Decision([0, 1]), "placement: 2 entries for 3 ops"),
        (go_gym.Decision([0, 1, 0, 1]), "placement: 4 entries for 3 ops"),
        (go_gym.Decision([0, 1, 0], [1]), "priority: 1 entries for 3 ops"),
        (go_gym.Decision([0, 1, 0], None, [1]), "fusion: 1 entries for 3 ops"),
        (go_gym.Decision([0, 1, 0], None, [0, 1, 0]), "fusion: task 'placement' decides none"),
        (go_gym.Decision([0, 2, 0]), r"placement\[1\]: op 'b' on device 2, expected 0 to 1"),
        (go_gym.Decision([0, 0, -1]), r"placement\[2\]: op 'c' on device -1, expected 0 to 1"),
        ([0, 1, 0], "expected a Decision, got list"),
        (None, "expected a Decision, got NoneType"),
    ],
    ids=[
        "short",
        "long",
        "priorities",
        "levels",
        "fusion",
        "device 2",
        "device -1",
        "list",
        "None",
    ],
)
def test_a_decision_that_does_not_fit(run, decision, message):
    with pytest.raises(DecisionError, match=message):
        run(PROBLEM, decision)


def test_a_batch_names_the_decision_at_fault():
    good = go_gym.Decision([0, 1, 0])
    with pytest.raises(DecisionError, match=r"decision 2: placement\[0\]: op 'a' on device 5"):
        simulate_batch(PROBLEM, [good, good, go_gym.Decision([5, 0, 0])])


def test_extreme_priorities():
    graph = from_costs([1, 2, 4, 8], [], [])
    problem = go_gym.Problem(graph, Cluster.uniform(devices=1, bandwidth=1e9))
    levels = [-(2**63) + 1, 2**63 - 1, 0, -(2**63) + 2]
    for run in (simulate, simulate_reference):
        trace = run(problem, go_gym.Decision([0] * 4, levels), trace=True).trace
        assert trace.op_start.tolist() == [14, 0, 2, 6]
    with pytest.raises(DecisionError, match=r"priority\[2\]: -9223372036854775808"):
        go_gym.Decision([0] * 4, [0, 0, -(2**63), 0])


def test_fusion_levels_from_zero():
    assert go_gym.Decision([0] * 3, fusion=[0, 19, 2**62]).fusion.tolist() == [0, 19, 2**62]
    with pytest.raises(DecisionError, match=r"fusion\[1\]: -1, expected 0 up"):
        go_gym.Decision([0] * 3, fusion=[0, -1, 0])
