"""Runs: what is resumed, what is refused before it can spoil the results, what is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import go_gym
from go_gym import agent as agents
from go_gym.errors import AgentError, GoGymError, LeaderboardError
from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.verify import verify
from go_gym.runs import runner
from go_gym.runs.runner import Plan, run


def problem(name: str = "pair", cluster: str = "two") -> go_gym.Problem:
    graph = go_gym.ComputationGraph.from_costs([10, 20], [(0, 8)], [(0, 1)], name=name)
    return go_gym.Problem(
        graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9, latency=0, name=cluster)
    )


@dataclass
class Fixed:
    """Everything on one device; may break the rules in ways that strangers' agents do."""

    version: Any = "1"
    track: Any = "tuned"
    raises: BaseException | None = None
    priority: list[int] | None = None

    def solve(self, problem, budget, seed):
        if self.raises is not None:
            raise self.raises
        return go_gym.Decision(placement=[0] * problem.num_ops, priority=self.priority)


@pytest.fixture
def install(monkeypatch):
    """Makes agents loadable by name beside the installed ones."""

    def these(**known):
        monkeypatch.setattr(runner, "load_agent", lambda n: known.get(n) or agents.load_agent(n))

    return these


def test_a_strangers_graph_and_cluster_are_kept_so_that_the_rows_verify(tmp_path):
    _, failures = run(Plan(("metis", "random"), (problem(),), budget=5), tmp_path)
    assert not failures
    assert (tmp_path / "graphs" / "pair.npz").exists()
    assert (tmp_path / "clusters" / "two.toml").exists()
    report = verify(tmp_path)
    assert report.ok, report.issues


@pytest.mark.parametrize("made", [problem(name="rnnlm-2"), problem(cluster="p100x2")], ids=repr)
def test_names_of_the_catalogue_cannot_be_taken(made, tmp_path):
    with pytest.raises(LeaderboardError, match="taken"):
        run(Plan(("random",), (made,)), tmp_path)
    assert not (tmp_path / RESULTS).exists()


def test_another_graph_of_a_kept_name_is_refused(tmp_path):
    run(Plan(("random",), (problem(),)), tmp_path)
    other = go_gym.ComputationGraph.from_costs([1, 2], name="pair")
    with pytest.raises(LeaderboardError, match="taken"):
        run(Plan(("random",), (go_gym.Problem(other, problem().cluster),)), tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "[/red]", "x" * 300, "é"])
def test_names_unfit_for_files_are_refused(name, tmp_path):
    with pytest.raises(GoGymError):
        run(Plan(("random",), (problem(name=name),)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [{"seeds": (-1,)}, {"budget": -1}, {"priorities": ("mood",)}])
def test_plans_out_of_range_are_refused(change):
    with pytest.raises(GoGymError):
        Plan(("random",), (problem(),), **change)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"other")])
def test_a_row_without_its_decision_is_run_again(spoil, tmp_path):
    plan = Plan(("random",), (problem(),))
    (row,), _ = run(plan, tmp_path)
    spoil(tmp_path / row.decision)
    run(plan, tmp_path)
    assert verify(tmp_path).ok


@pytest.mark.parametrize("change", [{"version": "2"}, {"budget": 7}])
def test_another_version_or_budget_is_run_again(change, install, tmp_path):
    plan = {"agents": ("fixed",), "problems": (problem(),)}
    install(fixed=Fixed())
    run(Plan(**plan), tmp_path)
    install(fixed=Fixed(change.get("version", "1")))
    (row,), _ = run(Plan(**plan, budget=change.get("budget", 0)), tmp_path)
    assert (row.agent_version, row.budget) == (change.get("version", "1"), change.get("budget", 0))


@pytest.mark.parametrize(
    "agent",
    [
        Fixed(raises=SystemExit(3)),
        Fixed(raises=MemoryError()),
        Fixed(version="two\nlines"),
        Fixed(version=1),
        Fixed(track="secret"),
    ],
    ids=repr,
)
def test_an_agent_that_breaks_the_rules_spoils_nothing(agent, install, tmp_path):
    install(broken=agent)
    _, failures = run(Plan(("broken", "random"), (problem(),)), tmp_path)
    assert [failure.job.agent for failure in failures] == ["broken"]
    assert [row.agent for row in read_rows(tmp_path / RESULTS)] == ["random"]
    assert verify(tmp_path).ok


def test_an_installed_agent_that_cannot_be_loaded_does_not_stop_the_others(tmp_path, monkeypatch):
    entry = agents.EntryPoint("torn", "nowhere:Nobody", agents.ENTRY_POINT_GROUP)
    known = {**agents.agent_entry_points(), "torn": entry}
    for module in (agents, runner):
        monkeypatch.setattr(module, "agent_entry_points", lambda: known)
    rows, failures = run(Plan(("torn", "random"), (problem(),)), tmp_path)
    assert [row.agent for row in rows] == ["random"]
    assert "nowhere" in failures[0].error
    with pytest.raises(AgentError, match="nobody"):
        run(Plan(("nobody",), (problem(),)), tmp_path)


def test_own_priorities_give_one_row(install, tmp_path):
    install(fixed=Fixed(priority=[1, 2]))
    plan = Plan(("fixed",), (problem(),), priorities=("fifo", "critical-path"))
    rows, _ = run(plan, tmp_path)
    assert [row.priorities for row in rows] == ["own"]
    assert verify(tmp_path).ok
