"""Agents that try to end the run, to write their own counts, or to stop the clock."""

import time

import pytest

import go_gym
from go_gym.agent import Budget, solve
from go_gym.errors import AgentError
from go_gym.leaderboard.run import Jobs, run

GRAPH = go_gym.ComputationGraph.from_costs([5, 7, 9], [(0, 3)], [(0, 2)], name="three")
PROBLEM = go_gym.Problem(GRAPH, go_gym.Cluster.uniform(2, 1e9, name="pair"))


class Evil:
    """Does ``act`` within ``solve``, then answers."""

    version = "1"

    def __init__(self, act):
        self.act = act

    def solve(self, problem, budget, seed):
        self.act(self, budget)
        return go_gym.Decision([0, 0, 0])


def raising(error):
    def act(agent, budget):
        raise error

    return act


@pytest.mark.parametrize(
    "error", [SystemExit(0), SystemExit("bye"), GeneratorExit(), BaseException("x"), MemoryError()]
)
def test_an_exit_is_a_failure_of_the_agent_alone(error):
    with pytest.raises(AgentError, match=f"agent 'evil' on three: {type(error).__name__}"):
        solve(Evil(raising(error)), PROBLEM, 0, 5, "evil")


def test_ctrl_c_is_none():
    with pytest.raises(KeyboardInterrupt):
        solve(Evil(raising(KeyboardInterrupt())), PROBLEM, 0, 5, "evil")


@pytest.mark.parametrize(
    "name", ["used", "simulations", "remaining", "best", "best_step_time_ns", "curve", "problem"]
)
def test_the_budget_s_counters_are_not_the_agent_s_to_write(name):
    with pytest.raises(AgentError, match=f"AttributeError: property '{name}'"):
        solve(Evil(lambda agent, budget: setattr(budget, name, 0)), PROBLEM, 0, 5, "evil")


def test_what_the_budget_shows_is_a_copy():
    budget = Budget(PROBLEM, 5)
    budget.evaluate(go_gym.Decision([0, 1, 0]))
    budget.windows.clear()
    assert isinstance(budget.curve, tuple) and len(budget.windows) == 1


@pytest.mark.parametrize("track", ["x", 3, None, "tuned "])
def test_a_track_that_is_none_is_refused(track):
    agent = Evil(lambda agent, budget: None)
    agent.track = lambda problem: track
    with pytest.raises(AgentError, match="expected one of tuned, generalising"):
        solve(agent, PROBLEM, 0, 5, "evil")


def test_the_track_is_asked_before_the_agent_works():
    agent = Evil(lambda agent, budget: setattr(agent, "track", lambda problem: "generalising"))
    agent.track = lambda problem: "tuned"
    assert solve(agent, PROBLEM, 0, 5).track == "tuned"


def test_the_clock_goes_on(monkeypatch):
    def stop(agent, budget):
        monkeypatch.setattr(time, "perf_counter", lambda: -4320.0)
        time.sleep(0.01)

    assert solve(Evil(stop), PROBLEM, 0, 5).seconds >= 0.01


def test_a_device_s_name_is_made_visible_and_short():
    agent = Evil(lambda agent, budget: setattr(agent, "ran_on", "gpu\u202e" + "x" * 1000))
    device = solve(agent, PROBLEM, 0, 5).device
    assert device.startswith(r"gpu\u202ex") and len(device) == 128


def test_others_go_on_and_every_failure_is_told(monkeypatch, tmp_path):
    from go_gym.agent import registry

    agents = {
        "exits": Evil(raising(SystemExit(0))),
        "counts": Evil(lambda agent, budget: setattr(budget, "used", "lots")),
        "changes": Evil(lambda agent, budget: setattr(agent, "version", "a|b")),
        "fair": Evil(lambda agent, budget: budget.evaluate(go_gym.Decision([0, 1, 1]))),
    }
    monkeypatch.setattr("go_gym.leaderboard.run.load_agent", lambda name: agents[name])
    monkeypatch.setattr(registry, "agent_entry_points", dict)
    rows, failures = run(Jobs(tuple(agents), (PROBLEM,), budget=3), tmp_path)
    assert [row.agent for row in rows] == ["fair"] and rows[0].budget_used == 1
    assert [(failure.job.agent, failure.error.split(":")[0]) for failure in failures] == [
        ("exits", "SystemExit"),
        ("counts", "AttributeError"),
        ("changes", "agent 'changes' on three, column agent_version"),
    ]
