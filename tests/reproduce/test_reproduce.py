"""Reproductions on tiny graphs, as a user runs them, against rows, verifier and paper."""

import csv
import re
import sys
from statistics import median

import numpy as np
import pytest
from typer.testing import CliRunner

import go_gym
from go_gym.agent import Improvement, agent_entry_points
from go_gym.cli import app
from go_gym.cluster.toml import format_cluster
from go_gym.errors import AgentError, DatasetError, GoGymError
from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.verify import verify
from go_gym.reproduce.catalogue import EXPERIMENTS, experiment_of
from go_gym.reproduce.curves import COLUMNS, Curve
from go_gym.reproduce.published import published

PNG = b"\x89PNG\r\n\x1a\n"
AGENTS = {
    "table2": ("human-expert", "metis", "sa", "heft"),
    "table3": ("framework-default", "sa"),
    "fig5": ("human-expert", "sa"),
    "fig6": ("framework-default", "one-by-one", "sa", "sa-separate"),
    "ablation": ("sa", "brkga"),
}


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["reproduce", *words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A graph file of four chains that share nothing, and a cluster file of two devices."""
    folder = tmp_path_factory.mktemp("tiny")
    chains, length = 4, 5
    n = chains * length
    graph = go_gym.ComputationGraph.from_costs(
        [10 + op % 7 for op in range(n)],
        [(op, 3) for op in range(n)],
        [(op, op + 1) for op in range(n - 1) if (op + 1) % length],
        layers=[f"blocks.{op % length}" for op in range(n)],
        name="chains",
    )
    graph.save(folder / "chains.npz")
    cluster = go_gym.Cluster.uniform(2, 1e9, latency=1e-9)
    (folder / "two.toml").write_text(format_cluster(cluster))
    return ["-g", str(folder / "chains.npz"), "-c", str(folder / "two.toml")]


def numbers(text: str, heading: str, line: str) -> list[list[str]]:
    """The cells of the lines that begin with ``line`` under ``heading``."""
    section = text.split(heading)[1].split("\n## ")[0]
    found = [each for each in section.splitlines() if each.startswith(f"| {line} ")]
    return [[cell.strip() for cell in each.strip("|").split("|")] for each in found]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_leaves_rows_that_verify_a_table_and_pictures(name, tiny, tmp_path):
    agents = [part for agent in AGENTS[name] for part in ("-a", agent)]
    options = [*tiny, *agents, "--seeds", "0", "--seeds", "1", "--budget", "60"]
    text = invoke(name, *options, "--out", str(tmp_path))
    assert verify(tmp_path).ok
    rows = read_rows(tmp_path / RESULTS)
    assert {row.agent for row in rows} == set(AGENTS[name])
    assert {row.seed for row in rows} == {0, 1}
    assert {row.budget for row in rows} == {60}
    assert (tmp_path / f"{name}.md").read_text().strip() in text
    pictures = list(tmp_path.glob("*.png"))
    assert len(pictures) == (1 if name == "table2" else 2)
    assert all(path.read_bytes().startswith(PNG) for path in pictures)
    with (tmp_path / f"{name}-curves.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    assert tuple(points[0]) == COLUMNS
    for row in rows:
        mine = [p for p in points if p["agent"] == row.agent and p["seed"] == str(row.seed)]
        if mine and row.priorities in ("fifo", "own"):
            assert int(mine[-1]["step_time_ns"]) == row.step_time_ns


def test_the_table_says_what_the_rows_say(tiny, tmp_path):
    agents = [part for agent in AGENTS["table2"] for part in ("-a", agent)]
    seeds = ["--seeds", "0", "--seeds", "1", "--seeds", "2"]
    text = invoke("table2", *tiny, *agents, *seeds, "--budget", "30", "--out", str(tmp_path))
    rows = read_rows(tmp_path / RESULTS)
    for title, rules in (("first in, first out", {"fifo"}), ("best", {"fifo", "critical-path"})):
        ((_, _, *cells),) = numbers(text, f"Equal simulator calls (30), {title}", "chains")
        step = {}
        for agent, cell in zip(AGENTS["table2"], cells, strict=True):
            best = [
                min(
                    row.step_time_ns
                    for row in rows
                    if (row.agent, row.seed) == (agent, seed) and row.priorities in rules
                )
                for seed in range(3)
            ]
            step[agent] = median(best)
            milliseconds, ratio = re.fullmatch(r"(\S+) ±\S+ \((\S+)\)", cell).groups()
            assert milliseconds == f"{step[agent] / 1e6:.1f}"
            assert ratio == f"{step[agent] / step['human-expert']:.3f}"


def test_what_is_done_is_not_run_again(tiny, tmp_path, monkeypatch):
    options = ["table2", *tiny, "-a", "human-expert", "-a", "sa", "--budget", "20"]
    options += ["--out", str(tmp_path)]
    first = invoke(*options, "--seeds", "0")
    from go_gym.runs import runner

    asked = []
    answer = runner.answer
    monkeypatch.setattr(
        runner, "answer", lambda *words: asked.append(words[1].seed) or answer(*words)
    )
    assert invoke(*options, "--seeds", "0") == first
    assert asked == []
    invoke(*options, "--seeds", "0", "--seeds", "1")
    assert asked == [1, 1]


def test_more_calls_in_the_time_of_the_reference(tmp_path):
    """An agent that is twice as quick as the reference gets twice its calls."""
    from dataclasses import replace

    from go_gym.reproduce.execute import equal_time, execute

    graph = go_gym.ComputationGraph.from_costs([4, 5, 6], [], [], name="three")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    experiment = replace(
        experiment_of("table2"), agents=("sa", "brkga", "heft"), reference="sa", seeds=(0,)
    )
    from go_gym.runs.runner import Plan

    plans = [Plan((agent,), (problem,), (0,), ("fifo",), budget=40) for agent in experiment.agents]
    rows = execute(plans, tmp_path, "1", lambda job: None).rows
    seconds = {"sa": 3.0, "brkga": 1.5, "heft": 0.1}
    rows = [replace(row, wall_seconds=seconds[row.agent]) for row in rows]
    found = {plan.agents[0]: plan.budget for plan in equal_time(experiment, [problem], rows)}
    assert found == {"sa": 40, "brkga": 80}, "heft makes no call: more time brings it nothing"


def test_the_quick_form_is_marked(tiny, tmp_path):
    text = invoke("table2", "--quick", *tiny, "-a", "human-expert", "--out", str(tmp_path))
    assert "Quick form: 200 simulator calls" in text


def test_absent_agents_graphs_and_experiments_are_refused_by_name(tiny):
    out = invoke("table2", *tiny, "-a", "human-expert", "-a", "gone", code=2)
    assert "not installed: gone" in out
    assert "no experiment 'table9'" in invoke("table9", code=2)
    assert "no cluster for inception" in invoke("table2", "-g", "inception", code=2)
    experiment = experiment_of("table2")
    with pytest.raises(DatasetError, match="2 clusters for 3 graphs"):
        experiment.changed(graphs=["a", "b", "c"], clusters=["p100x2", "p100x4"])
    with pytest.raises(AgentError, match="go-without-nothing"):
        experiment.changed(agents=["go", "go-without-nothing"])


def test_an_agent_that_fails_is_named_and_the_others_go_on(tiny, tmp_path):
    out = invoke(
        "table3", *tiny, "-a", "metis", "-a", "sa", "--budget", "9", "--out", str(tmp_path), code=1
    )
    assert "agent 'metis' on chains" in out and "not fusion" in out
    assert {row.agent for row in read_rows(tmp_path / RESULTS)} == {"sa"}


def test_ray_is_asked_for_where_it_is_missing(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["table2", *tiny, "-a", "human-expert", "--workers", "ray", "--out", str(tmp_path)]
    assert "pip install 'go-gym[spread]'" in invoke(*words, code=2)
    words[words.index("ray")] = "many"
    assert "expected one of 1, ray" in invoke(*words, code=2)


def test_the_experiments_are_the_papers():
    table = published("table2")
    experiment = experiment_of("table2")
    assert experiment.graphs == tuple(table)
    for graph, cluster in zip(experiment.graphs, experiment.clusters, strict=True):
        assert cluster == f"p100x{table[graph]['devices']:.0f}"
    assert table["rnnlm-8"]["metis_s"] is None, "out of memory"
    for name in ("table3", "fig5", "fig6"):
        assert set(experiment_of(name).graphs) == set(published(name))
    expert = [row["go_one_s"] / row["human_expert_s"] for row in table.values()]
    assert min(expert) > 0.55 and max(expert) < 1, "the paper's GO beats each expert"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_agents_of_the_experiments_are_installed(name):
    assert set(experiment_of(name).agents) <= set(agent_entry_points())


def test_calls_until_a_step_time_are_read_from_the_curve():
    points = (Improvement(3, 90), Improvement(10, 70), Improvement(11, 50))
    curve = Curve("g", "c", "a", 0, points)
    assert curve.calls_until(95) == 3
    assert curve.calls_until(70) == 10
    assert curve.calls_until(49) is None
    assert str(curve.at(np.array([2, 3, 10, 40]))) == "[nan 90. 70. 50.]"


def test_workers_is_checked_before_anything_runs(tmp_path):
    from go_gym.reproduce.execute import execute

    with pytest.raises(GoGymError, match="workers 'x'"):
        execute([], tmp_path, "x", lambda job: None)
    assert not list(tmp_path.iterdir())
