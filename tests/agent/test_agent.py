"""The budget that every agent goes through, and how agents are found and refused."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest

import go_gym
from go_gym.agent import (
    WINDOWS,
    Agent,
    Budget,
    Improvement,
    Window,
    agent_entry_points,
    load_agent,
)
from go_gym.agent import registry as agents
from go_gym.errors import AgentError, BudgetError, DecisionError
from go_gym.hardware.backend import HardwareBudget
from go_gym.simulator import simulate
from tests.simulator.test_engine import assert_equal, random_problem


@pytest.fixture
def problem():
    """Three independent ops; device memory for two of them."""
    graph = go_gym.ComputationGraph.from_costs([3, 4, 5], [], [], parameter_bytes=[1, 1, 1])
    return go_gym.Problem(graph, go_gym.Cluster.uniform(devices=3, bandwidth=1e9, memory=2))


ALL_ON_ONE, TWO, SPREAD = [0, 0, 0], [0, 0, 1], [0, 1, 2]  # out of memory, 7 ns, 5 ns


def decide(placement):
    return go_gym.Decision(placement)


def test_calls_are_counted_and_the_best_valid_decision_is_kept(problem):
    budget = Budget(problem, 5)
    assert (budget.used, budget.remaining, budget.best, budget.curve) == (0, 5, None, ())
    assert not budget.evaluate(decide(ALL_ON_ONE)).valid
    assert budget.best is None and budget.best_step_time_ns is None
    two, spread = decide(TWO), decide(SPREAD)
    assert budget.evaluate(two).step_time_ns == 7
    assert budget.best is two
    budget.evaluate(spread)
    budget.evaluate(two)
    assert budget.best is spread and budget.best_step_time_ns == 5
    assert budget.curve == (Improvement(2, 7), Improvement(3, 5))
    assert (budget.used, budget.remaining) == (4, 1)


def test_an_equal_step_time_is_no_improvement(problem):
    budget = Budget(problem, 2)
    first = decide(SPREAD)
    budget.evaluate(first)
    budget.evaluate(decide([2, 1, 0]))
    assert budget.best is first and budget.curve == (Improvement(1, 5),)


def test_a_batch_counts_each_decision(problem):
    budget = Budget(problem, 4)
    budget.evaluate(decide(ALL_ON_ONE))
    batch = [decide(TWO), decide(ALL_ON_ONE), decide(SPREAD)]
    results = budget.evaluate_batch(batch)
    assert results.step_time_ns.tolist() == [simulate(problem, each).step_time_ns for each in batch]
    assert budget.curve == (Improvement(2, 7), Improvement(4, 5))
    assert budget.best is batch[2]
    assert budget.remaining == 0


def test_no_call_beyond_the_budget(problem):
    budget = Budget(problem, 2)
    with pytest.raises(BudgetError, match="3 simulator calls asked for, 2 of 2 left"):
        budget.evaluate_batch([decide(TWO)] * 3)
    assert budget.used == 0 and budget.best is None, "a refused batch costs and tells nothing"
    budget.evaluate_batch([decide(TWO)] * 2)
    with pytest.raises(BudgetError, match="1 simulator calls asked for, 0 of 2 left"):
        budget.evaluate(decide(SPREAD))
    assert budget.best_step_time_ns == 7
    with pytest.raises(BudgetError, match="0 of 0 left"):
        Budget(problem, 0).evaluate(decide(TWO))
    with pytest.raises(BudgetError, match="simulations: -1"):
        Budget(problem, -1)


def test_an_empty_batch_costs_nothing(problem):
    budget = Budget(problem, 0)
    assert len(budget.evaluate_batch([])) == 0
    assert budget.used == 0


def test_a_malformed_decision_is_refused(problem):
    budget = Budget(problem, 2)
    with pytest.raises(DecisionError, match="2 entries for 3 ops"):
        budget.evaluate(decide([0, 1]))
    with pytest.raises(DecisionError, match="decision 0"):
        budget.evaluate_batch([decide([0, 9, 0])])
    assert budget.best is None and budget.curve == ()


def test_few_calls_have_a_window_each_and_invalid_ones_none(problem):
    budget = Budget(problem, 4)
    for placement in (TWO, ALL_ON_ONE, SPREAD):
        budget.evaluate(decide(placement))
    assert budget.windows == [Window(1, 7), Window(3, 5)]
    assert Budget(problem, 0).windows == []


@pytest.mark.parametrize("calls", [250, 430])
def test_windows_are_hundredths_of_the_budget_and_average_valid_calls(problem, calls):
    """Against the step times kept one by one; the last window may be cut short."""
    budget = Budget(problem, 430)
    order = [TWO, SPREAD, ALL_ON_ONE, SPREAD, TWO]
    tried = [decide(order[number * number % 5]) for number in range(calls)]
    budget.evaluate_batch(tried)
    results = [simulate(problem, each) for each in tried]
    times = [(result.step_time_ns, result.valid) for result in results]
    begin, ends = 0, [window.calls for window in budget.windows]
    assert len(ends) == -(-calls * WINDOWS // 430) and ends[-1] == calls
    assert {end - start for start, end in zip([0, *ends], ends[:-1], strict=False)} == {4, 5}
    for window in budget.windows:
        mine = [time for time, valid in times[begin : window.calls] if valid]
        assert window.mean_step_time_ns == round(sum(mine) / len(mine))
        begin = window.calls


# -- finding agents


class Good:
    version = "1"

    def solve(self, problem, budget, seed):
        return go_gym.Decision([0] * problem.num_ops)


class WithoutVersion:
    def solve(self, problem, budget, seed):
        raise NotImplementedError


class WithoutSolve:
    version = "1"


class Broken:
    def __init__(self):
        raise RuntimeError("no licence")


@pytest.fixture
def installed(monkeypatch):
    """Entry points as if packages with these agents were installed, in no order."""
    values = {
        "zebra": f"{__name__}:Good",
        "bare": f"{__name__}:WithoutVersion",
        "mute": f"{__name__}:WithoutSolve",
        "broken": f"{__name__}:Broken",
        "gone": "no_such_package_at_all:Agent",
        "lost": f"{__name__}:NoSuchClass",
    }
    entries = [EntryPoint(name, value, agents.ENTRY_POINT_GROUP) for name, value in values.items()]

    def entry_points(group):
        return entries if group == "go_gym.agents" else []

    monkeypatch.setattr(agents, "entry_points", entry_points)


@pytest.mark.usefixtures("installed")
def test_agents_are_listed_by_name_without_being_imported():
    assert list(agent_entry_points()) == ["bare", "broken", "gone", "lost", "mute", "zebra"]


@pytest.mark.usefixtures("installed")
def test_an_agent_is_loaded_by_name(problem):
    agent = load_agent("zebra")
    assert isinstance(agent, Agent)
    assert agent.solve(problem, Budget(problem, 0), 0).placement.tolist() == [0, 0, 0]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "no agent 'nobody': installed are bare, broken, gone, lost, mute, zebra"),
        ("bare", "agent 'bare' lacks `solve` or `version`"),
        ("mute", "agent 'mute' lacks `solve` or `version`"),
        ("broken", "agent 'broken' .*cannot be loaded: .*no licence"),
        ("gone", "agent 'gone' .*no_such_package_at_all"),
        ("lost", "agent 'lost' .*NoSuchClass"),
    ],
)
def test_an_agent_that_cannot_be_had(name, message):
    with pytest.raises(AgentError, match=message):
        load_agent(name)


def test_no_agents_installed(monkeypatch):
    monkeypatch.setattr(agents, "entry_points", lambda group: [])
    with pytest.raises(AgentError, match="installed are none"):
        load_agent("x")


def test_the_agents_that_come_with_go_gym_are_found():
    assert {"metis", "heft", "human-expert"} <= set(agent_entry_points())
    assert isinstance(load_agent("metis"), Agent)


def test_a_part_counts_in_the_whole(problem):
    """Calls on another problem are calls; what they find best is not kept for this one."""
    whole = Budget(problem, 5)
    part = whole.part(go_gym.Problem(problem.graph, problem.cluster), 3)
    part.evaluate_batch([decide(SPREAD)] * 3)
    assert (whole.used, part.used, whole.best, part.best_step_time_ns) == (3, 3, None, 5)
    with pytest.raises(BudgetError, match="0 of 3 left"):
        part.evaluate(decide(TWO))
    rest = whole.part(problem, 9)
    assert rest.simulations == 2, "no more than the whole has left"
    whole.evaluate(decide(TWO))
    with pytest.raises(BudgetError, match="2 simulator calls asked for, 1 of 5 left"):
        rest.evaluate_batch([decide(TWO)] * 2)
    assert rest.used == 0


@pytest.fixture
def larger():
    """A graph of 60 ops with views, parameters and groups, on three devices."""
    return random_problem(np.random.default_rng(4), 60, 3, "duplex")


def test_tried_moves_count_and_are_noted_as_evaluated_decisions_are(larger):
    """Two budgets, one through moves and one through whole decisions, end alike."""
    rng = np.random.default_rng(2)
    start = decide(rng.integers(0, 3, 60))
    fast, plain = Budget(larger, 61), Budget(larger, 61)
    moves = fast.delta(start)
    plain.evaluate(start)
    for number in range(60):
        ops = rng.choice(60, rng.integers(1, 5), replace=False)
        devices = rng.integers(0, 3, len(ops)) if number % 2 else int(rng.integers(3))
        placement = np.array(moves.decision.placement)
        placement[ops] = devices
        expected = plain.evaluate(decide(placement), trace=number % 7 == 0)
        if number % 3:
            result = moves.try_move(ops, devices, trace=number % 7 == 0)
        else:
            result = moves.try_decision(decide(placement), trace=number % 7 == 0)
        assert_equal(result, expected)
        np.testing.assert_array_equal(moves.tried.placement, placement)
        if rng.random() < 0.3:
            assert moves.adopt() is moves.decision and moves.result is result
    assert (fast.used, fast.curve) == (plain.used, plain.curve)
    assert len(fast.curve) > 2
    np.testing.assert_array_equal(fast.best.placement, plain.best.placement)


def test_no_move_beyond_the_budget_and_none_that_is_malformed(larger):
    budget = Budget(larger, 3)
    moves = budget.delta(decide(np.zeros(60, dtype=int)))
    with pytest.raises(DecisionError, match="nothing was tried"):
        moves.adopt()
    with pytest.raises(DecisionError, match="numbers from 0 to 59"):
        moves.try_move([60], 0)
    moves.try_move([3], 1)
    with pytest.raises(BudgetError, match="0 of 3 left"):
        moves.try_move([3], 2)
    with pytest.raises(BudgetError, match="0 of 3 left"):
        budget.delta(decide(np.zeros(60, dtype=int)))


def test_moves_from_what_was_evaluated_last_cost_no_call(larger):
    class Measures:
        def run(self, problem, decision, trace=False):
            return simulate(problem, decision, trace)

    here, there = (decide(np.arange(60) % devices) for devices in (2, 3))
    for budget in (Budget(larger, 9), HardwareBudget(larger, 9, Measures())):
        budget.evaluate(here)
        moves = budget.delta(here)
        assert budget.used == 1 and len(budget.windows) == 1
        assert_equal(moves.result, simulate(larger, here))
        moves.try_decision(there)
        moves = budget.delta(moves.tried)
        assert budget.used == 2
        assert_equal(moves.result, simulate(larger, there))
        budget.delta(here)  # no longer the last
        assert budget.used == 3
        budget.delta(decide(np.arange(60) % 2))  # alike, but another
        assert budget.used == 4


def test_moves_on_a_part_of_a_budget_count_in_the_whole(larger):
    whole = Budget(larger, 10)
    part = whole.part(larger, 4)
    moves = part.delta(decide(np.zeros(60, dtype=int)))
    moves.try_move([1, 2], 1)
    assert (part.used, whole.used) == (2, 2)


def test_the_trace_of_the_last_evaluation_costs_no_call(larger):
    budget = Budget(larger, 5)
    with pytest.raises(BudgetError, match="nothing was evaluated"):
        budget.trace()
    here, there = (decide(np.arange(60) % devices) for devices in (2, 3))

    def assert_last(decision):
        expected = simulate(larger, decision, trace=True).trace
        for label in vars(expected):
            np.testing.assert_array_equal(getattr(budget.trace(), label), getattr(expected, label))

    budget.evaluate(here)
    assert_last(here)
    budget.evaluate_batch([here, there])
    assert_last(there)
    moves = budget.delta(here)
    assert_last(here)
    moves.try_decision(there)
    assert_last(there)
    assert budget.used == 5


def test_moves_kept_at_once_and_starts(larger):
    budget = Budget(larger, 3)
    moves = budget.delta(decide(np.zeros(60, dtype=int)))
    result = moves.move([4, 5, 30], [1, 2, 1])
    expected = simulate(larger, moves.decision, trace=True)
    assert moves.decision.placement[[4, 5, 30]].tolist() == [1, 2, 1]
    assert_equal(result, simulate(larger, moves.decision))
    assert moves.result is result and budget.used == 2
    np.testing.assert_array_equal(moves.starts(), expected.trace.op_start)


def test_moves_on_hardware_are_measured_each(larger):
    class Measures:
        def run(self, problem, decision, trace=False):
            seen.append(decision)
            return simulate(problem, decision, trace)

    seen: list[go_gym.Decision] = []
    moves = HardwareBudget(larger, 4, Measures()).delta(decide(np.zeros(60, dtype=int)))
    moves.try_move([3], 1)
    moves.adopt()
    moves.move([4], 2)
    assert [np.flatnonzero(each.placement).tolist() for each in seen] == [[], [3], [3, 4]]
