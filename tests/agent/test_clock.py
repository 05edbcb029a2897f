"""A budget of seconds: CPU time stops agents, and what they evaluated best stands."""

import time

import pytest

import go_gym
from go_gym.agent import Budget, solve
from go_gym.errors import AgentError, BudgetError, TimeUpError

GRAPH = go_gym.ComputationGraph.from_costs([5, 7, 9], [], [], name="three")
PROBLEM = go_gym.Problem(GRAPH, go_gym.Cluster.uniform(2, 1e9, name="pair"))
SPREAD = go_gym.Decision([0, 0, 1])  # 12 ns, the best there is


def spend(seconds):
    """Take CPU time, by a clock other than the budget's."""
    until = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) + seconds
    while time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) < until:
        sum(range(1000))


class Stubborn:
    """Evaluates without end, whatever the budget says; ``wait`` is taken before the first call."""

    version = "1"
    wait = 0.0

    def solve(self, problem, budget, seed):
        spend(self.wait)
        budget.evaluate(SPREAD)
        while True:
            budget.evaluate(go_gym.Decision([0, 0, 0]))


class Polite(Stubborn):
    """Ends where no call is left."""

    def solve(self, problem, budget, seed):
        while budget.remaining:
            budget.evaluate(SPREAD)
        return SPREAD


@pytest.fixture(scope="module", autouse=True)
def compiled():
    Budget(PROBLEM, 1).evaluate(SPREAD)


@pytest.mark.parametrize("agent", [Stubborn(), Polite()])
def test_a_clock_stops_an_agent_and_its_best_stands(agent):
    start = time.process_time()
    found = solve(agent, PROBLEM, 0, 10**9, seconds=0.3)
    assert 0.3 <= time.process_time() - start < 1
    assert found.decision is SPREAD and 1 < found.calls < 10**9
    assert found.curve.improvements[0].step_time_ns == 12


def test_an_agent_that_evaluated_nothing_in_time_is_a_failure_in_one_line():
    late = Stubborn()
    late.wait = 0.2
    with pytest.raises(AgentError, match=r"after 0\.1 s of CPU, nothing valid evaluated"):
        solve(late, PROBLEM, 0, 9, seconds=0.1)


def test_time_is_of_the_processor_and_once_over_stays_so():
    budget = Budget(PROBLEM, 9, seconds=0.2)
    part = budget.part(PROBLEM, 4)
    time.sleep(0.4)
    assert budget.remaining == 9 and part.remaining == 4, "who waits takes no CPU time"
    spend(0.2)
    assert budget.remaining == part.remaining == 0 == budget.used
    for each in (budget, part):
        with pytest.raises(TimeUpError):
            each.evaluate(SPREAD)
    assert budget.used == 0 and budget.seconds == part.seconds == 0.2


def test_no_agent_stops_the_clock(monkeypatch):
    budget = Budget(PROBLEM, 9, seconds=0.1)
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    with pytest.raises(AttributeError):
        budget.seconds = 99
    spend(0.1)
    assert not budget.remaining


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "9", True])
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(BudgetError, match="seconds: "):
        Budget(PROBLEM, 9, seconds)
