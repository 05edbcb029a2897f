"""What agents say of where their outcomes come out again, and on what they ran."""

import pytest

import go_gym
from go_gym.agent import EXACT, SAME_MACHINE, agent_entry_points, load_agent, solve
from go_gym.files import content_hash
from go_gym.leaderboard.entries import curve_entry, decision_entry

INTEGERS = ("go_agents.heuristics", "go_agents.search")


@pytest.mark.parametrize(("name", "entry"), agent_entry_points().items())
def test_agents_without_a_network_are_exact_and_no_others(name, entry):
    agent = load_agent(name)
    exact = getattr(agent, "reproducible", SAME_MACHINE) == EXACT
    assert exact == entry.value.startswith(INTEGERS)
    assert not exact or not getattr(agent, "ran_on", ""), "no network, no device"


@pytest.fixture(scope="module")
def problem():
    graph = go_gym.ComputationGraph.from_costs(
        [50, 70, 20, 90, 40, 10], [(op, 9) for op in range(6)], [(0, 1), (1, 2), (3, 4)]
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))


@pytest.mark.parametrize("name", ["go", "hdp", "placeto", "sb3-ppo"])
def test_networks_say_what_they_ran_on(name, problem, monkeypatch):
    """And on the same machine, with one device, they come out the same."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    agents = [load_agent(name) for _ in range(2)]
    found = [solve(agent, problem, 3, 40) for agent in agents]
    assert [each.device for each in found] == ["cpu", "cpu"]
    for entry in (
        lambda outcome: decision_entry(problem, outcome.decision),
        lambda outcome: curve_entry(outcome.curve),
    ):
        assert len({content_hash(entry(each)) for each in found}) == 1
