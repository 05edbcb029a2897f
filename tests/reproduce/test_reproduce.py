"""Reproductions on tiny graphs, as a user runs them, against rows, verifier and paper."""

import re
import sys
import time
from dataclasses import replace
from statistics import median

import pytest
from typer.testing import CliRunner

import go_gym
from go_gym.agent import canonical_name
from go_gym.cli import app
from go_gym.cluster.toml import format_cluster
from go_gym.errors import AgentError, DatasetError, GoGymError
from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.leaderboard.verify import verify
from go_gym.reproduce import catalogue
from go_gym.reproduce.catalogue import experiment_of, experiments
from go_gym.reproduce.published import published
from go_gym.reproduce.reproduce import _wanted
from go_gym.simulator import VERSION

PNG = b"\x89PNG\r\n\x1a\n"
AGENTS = {
    "table2": ("human-expert", "metis", "sa", "heft"),
    "modern": ("human-expert", "best-heuristic", "sa"),
    "table3": ("framework-default", "sa"),
    "fig5": ("human-expert", "sa"),
    "fig6": ("framework-default", "one-by-one", "sa", "sa:separate"),
    "ablation": ("sa", "brkga"),  # its reference, go, has not run
}


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["reproduce", *words])
    assert result.exit_code == code, result.output
    return result.output


def page(output: str) -> str:
    """What stands after the bar, which tells the time."""
    return output[output.index("# ") :]


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


@pytest.mark.parametrize("name", experiments())
def test_each_experiment_leaves_rows_that_verify_a_table_and_pictures(name, tiny, tmp_path):
    agents = [part for agent in AGENTS[name] for part in ("-a", agent)]
    options = [*tiny, *agents, "--seeds", "0", "--seeds", "1", "--budget", "60"]
    text = invoke(name, *options, "--out", str(tmp_path))
    assert verify(tmp_path).ok
    rows = read_rows(tmp_path / RESULTS)
    assert {row.agent_name for row in rows} == set(AGENTS[name])
    assert {row.seed for row in rows} == {0, 1}
    assert {row.budget for row in rows} == {60}
    page, *pictures = (tmp_path / f"{name}.md").read_text().split("\n![")
    assert page.strip() in text and pictures
    assert all((tmp_path / each.split("(")[-1].split(")")[0]).exists() for each in pictures)
    pictures = sorted(tmp_path.glob("*.png"))
    expected = {f"{name}-curves.png"}
    if experiment_of(name).what.reference in AGENTS[name]:
        expected |= {f"{name}-calls.png"}
    expected |= {f"{name}.png"} if experiment_of(name).what.bars else set()
    assert {path.name for path in pictures} == expected
    assert all(path.read_bytes().startswith(PNG) for path in pictures)
    assert not list(tmp_path.glob("*-curves.csv")), "curves are in the store alone"


def test_the_table_says_what_the_rows_say(tiny, tmp_path):
    agents = [part for agent in AGENTS["table2"] for part in ("-a", agent)]
    seeds = ["--seeds", "0", "--seeds", "1", "--seeds", "2"]
    text = invoke("table2", *tiny, *agents, *seeds, "--budget", "30", "--out", str(tmp_path))
    rows = read_rows(tmp_path / RESULTS)
    assert "Not run: `sa:priorities=critical-path`." in text
    for title, rules in (("first in, first out", {"fifo"}), ("best", {"fifo", "critical-path"})):
        ((_, _, *cells),) = numbers(text, f"Equal simulator calls (30), {title}", "chains")
        step = {}
        for agent, cell in zip(AGENTS["table2"], cells, strict=True):
            if agent == "sa" and title == "best":
                assert cell == "–", "its answer under priorities that it did not search under"
                continue
            best = [
                min(
                    row.step_time_ns
                    for row in rows
                    if (row.agent_name, row.seed) == (agent, seed) and row.priorities in rules
                )
                for seed in range(3)
            ]
            step[agent] = median(best)
            milliseconds, ratio = re.fullmatch(r"(\S+) ±\S+ \((\S+)\)", cell).groups()
            assert milliseconds == f"{step[agent] / 1e6:.1f}"
            assert ratio == f"{step[agent] / step['human-expert']:.3f}"


def test_a_board_shows_the_simulator_that_made_most_of_its_rows(tiny, tmp_path):
    """Until it is whole under the new version: rows of two are never in one table."""
    options = ["table2", *tiny, "-a", "human-expert", "-a", "metis", "--out", str(tmp_path)]
    invoke(*options, "--seeds", "0")
    rows = read_rows(tmp_path / RESULTS)
    assert {row.simulator_version for row in rows} == {VERSION}
    earlier = [replace(row, simulator_version=1, step_time_ns=9_000_000_000) for row in rows]
    for older, shown in ((earlier[:-1], VERSION), (earlier, VERSION), (earlier * 2, 1)):
        found = _wanted(experiment_of("table2"), [*older, *rows])
        assert found and {row.simulator_version for row in found} == {shown}


def test_what_is_done_is_not_run_again(tiny, tmp_path, monkeypatch):
    options = ["table2", *tiny, "-a", "human-expert", "-a", "sa", "--budget", "20"]
    options += ["--out", str(tmp_path)]
    first = page(invoke(*options, "--seeds", "0"))
    from go_gym.leaderboard import run as running

    asked = []
    solve = running.solve
    monkeypatch.setattr(running, "solve", lambda *words: asked.append(words[2]) or solve(*words))
    assert page(invoke(*options, "--seeds", "0")) == first
    assert asked == []
    invoke(*options, "--seeds", "0", "--seeds", "1")
    assert asked == [1, 1]


def test_an_agent_of_another_version_runs_again_and_takes_the_place(tiny, tmp_path, monkeypatch):
    from go_agents.heuristics.simple import HumanExpert

    options = ["table2", *tiny, "-a", "human-expert", "-a", "sa", "--budget", "20"]
    options += ["--seeds", "0", "--out", str(tmp_path)]
    invoke(*options)
    before = {row.agent: row for row in read_rows(tmp_path / RESULTS)}
    monkeypatch.setattr(HumanExpert, "version", "99")
    text = invoke(*options, "--workers", "1")
    after = {row.agent: row for row in read_rows(tmp_path / RESULTS)}
    assert after["human-expert"].agent_version == "99" and after["sa"] == before["sa"]
    assert "Agents and their versions: human-expert 99, sa " in text
    assert verify(tmp_path).ok


def test_more_calls_in_the_time_of_the_reference(tmp_path):
    """An agent that is twice as quick as the reference is told of twice its calls; a clock stops
    both at the reference's median over seeds."""
    from dataclasses import replace

    from go_gym.reproduce.execute import equal_time, execute
    from go_gym.reproduce.experiment import EqualTime

    graph = go_gym.ComputationGraph.from_costs([4, 5, 6], [], [], name="three")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    whole = experiment_of("table2")
    experiment = replace(
        whole,
        what=replace(whole.what, timed_by="sa"),
        agents=("sa", "brkga", "heft"),
        seeds=(0, 1),
    )
    from go_gym.leaderboard.run import Jobs

    plans = [
        Jobs((agent,), (problem,), (seed,), ("fifo",), budget=40)
        for agent in experiment.agents
        for seed in experiment.seeds
    ]
    rows = execute(plans, tmp_path).rows
    seconds = {"sa": 3.0, "brkga": 1.5, "heft": 0.1}
    rows = [replace(row, wall_seconds=seconds[row.agent] + 0.1 * row.seed) for row in rows]

    def found(**options):
        chosen = replace(experiment, equal_time=EqualTime(**options))
        plans = equal_time(chosen, [problem], rows)
        assert {plan.seconds for plan in plans} <= {3.05}
        return {(plan.agents[0], plan.seeds[0]): plan.budget for plan in plans}

    first = {("sa", 0): 40, ("brkga", 0): 79}
    assert found() == first, "heft makes no call: more time brings it nothing"
    assert found(seeds=(1,)) == {("sa", 1): 40, ("brkga", 1): 79}
    assert found(agents=("brkga",), seeds=(0, 1)) == {("brkga", 0): 79, ("brkga", 1): 79}
    assert found(graphs=("three",)) == first and found(graphs=("four",)) == {}
    assert found(wanted=False) == {}


def timed_rows(folder):
    return read_rows(folder / "equal-time" / RESULTS)


@pytest.fixture
def by_sa(monkeypatch):
    """Table 2 timed by simulated annealing, which needs no training."""
    from dataclasses import replace

    from go_gym.reproduce import reproduce as running

    whole = experiment_of("table2")
    changed = replace(whole, what=replace(whole.what, timed_by="sa"))
    monkeypatch.setattr(catalogue, "experiment_of", lambda name: changed)
    monkeypatch.setattr(running, "experiment_of", lambda name: changed)


def test_equal_time_runs_apart_verifies_and_goes_on(tiny, tmp_path, by_sa, monkeypatch):
    options = ["table2", *tiny, "--budget", "60", "--out", str(tmp_path)]
    options += [part for agent in ("human-expert", "sa", "brkga") for part in ("-a", agent)]
    options += ["--seeds", "0", "--seeds", "1"]
    assert ": not run" in invoke(*options, "--no-equal-time")
    assert not (tmp_path / "equal-time").exists()
    text = invoke(*options)
    assert verify(tmp_path / "equal-time").ok
    rows = {row.agent: row for row in timed_rows(tmp_path) if row.priorities == "fifo"}
    assert set(rows) == {"sa", "brkga"} and {row.seed for row in rows.values()} == {0}
    (clock,) = {row.budget_seconds for row in rows.values()}
    apart = [r.wall_seconds for r in read_rows(tmp_path / RESULTS) if r.agent == "sa"]
    assert min(apart) - 0.01 <= clock <= max(apart) + 0.01
    assert not any(row.budget_seconds for row in read_rows(tmp_path / RESULTS))
    section = text.split("## Equal wall time (that of sa at equal calls), first")[1]
    seconds = f"{rows['brkga'].wall_seconds:.0f} s"
    assert f"brkga {rows['brkga'].budget_used:,} ({seconds})" in section.split("|")[0]
    from go_gym.leaderboard import run as running

    monkeypatch.setattr(running, "solve", lambda *words: pytest.fail("run again"))
    assert page(invoke(*options)) == page(text)
    assert (
        invoke("table2", "--report-only", "--out", str(tmp_path)).split("```")[2]
        == (text.split("```")[2].rsplit("Table, rows", 1)[0])
    )


def test_best_priorities_of_an_agent_are_those_of_its_scheduled_form(tiny, tmp_path):
    """Rows are made to say that the scheduled form is the slower one: its cell says so too."""
    from dataclasses import replace

    from go_gym.reproduce.cells import cells
    from go_gym.reproduce.specification import BEST, FIFO

    invoke("table2", *tiny, "-a", "sa", "--seeds", "0", "--budget", "9", "--out", str(tmp_path))
    rows = read_rows(tmp_path / RESULTS)
    row = replace(next(r for r in rows if r.priorities == "fifo"), step_time_ns=50)
    rule = replace(row, priorities="critical-path", step_time_ns=40)
    under = "sa:priorities=critical-path"
    form = replace(row, priorities="own", options="priorities=critical-path", step_time_ns=60)
    plain = replace(row, agent="heft"), replace(rule, agent="heft")
    rows = [row, rule, form, *plain]
    forms = experiment_of("table2").what.best_priorities
    step = {kind: cells(rows, kind, forms) for kind in (FIFO, BEST)}
    assert step[FIFO]["chains", "sa"].times == (50,) and step[FIFO]["chains", "heft"].times == (50,)
    assert step[BEST]["chains", "sa"].times == (60,) and step[BEST]["chains", "heft"].times == (40,)
    assert ("chains", "sa") not in cells([row, rule], BEST, forms)
    experiment = replace(experiment_of("table2"), agents=("heft", "sa", under))
    assert experiment.columns == ("heft", "sa")


def test_several_folders_are_put_together_and_processes_find_the_same(tiny, tmp_path):
    """Two runs with other agents, merged, and one in two processes: the same rows and table."""
    one, two, merged, spread = (tmp_path / name for name in ("one", "two", "merged", "spread"))
    options = ["table2", *tiny, "--seeds", "0", "--budget", "20"]
    invoke(*options, "-a", "human-expert", "-a", "sa", "--out", str(one))
    invoke(*options, "-a", "cem", "-a", "brkga", "--out", str(two))
    agents = [part for each in ("human-expert", "sa", "cem", "brkga") for part in ("-a", each)]
    sources = ["--merge", str(one), "--merge", str(two), "--report-only"]
    text = invoke(*options, *agents, *sources, "--out", str(merged))
    assert verify(merged).ok

    def found(folder):
        return {row.key: (row.step_time_ns, row.decision) for row in read_rows(folder)}

    assert found(merged / RESULTS) == found(one / RESULTS) | found(two / RESULTS)
    again = invoke(*options, *agents, "--workers", "2", "--out", str(spread))
    assert found(spread / RESULTS) == found(merged / RESULTS)
    assert verify(spread).ok and not (spread / "parts").exists()
    title = "## Equal simulator calls (20), first"
    tables = [each.split(title)[1].split("## ")[0] for each in (text, again)]
    assert tables[0] == tables[1]


def test_loading_code_is_no_part_of_wall_time(tiny, tmp_path, monkeypatch):
    """An agent whose first answer in a process takes an hour by the clock: no row does."""
    from go_agents.heuristics.heft import Heft

    from go_gym.reproduce import spread

    monkeypatch.setattr(spread, "_warm", set())
    solve, asked, waited = Heft.solve, [], []
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + sum(waited))

    def slow_at_first(self, problem, budget, seed):
        if not asked:
            waited.append(3600.0)
        asked.append(budget.simulations)
        return solve(self, problem, budget, seed)

    monkeypatch.setattr(Heft, "solve", slow_at_first)
    invoke("table2", *tiny, "-a", "heft", "--seeds", "0", "--seeds", "1", "--out", str(tmp_path))
    assert asked == [spread.FEW, 4000, 4000]
    assert all(row.wall_seconds < 3600 for row in read_rows(tmp_path / RESULTS))


def test_what_a_stopped_run_left_in_parts_is_kept(tiny, tmp_path):
    options = ["table2", *tiny, "-a", "sa", "--seeds", "0", "--budget", "20"]
    invoke(*options, "--out", str(tmp_path / "whole" / "parts" / "one"))
    made = (tmp_path / "whole" / "parts" / "one" / RESULTS).read_text()
    invoke(*options, "--out", str(tmp_path / "whole"))
    assert (tmp_path / "whole" / RESULTS).read_text() == made, "seconds too: nothing was run again"
    assert not (tmp_path / "whole" / "parts").exists()


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
    with pytest.raises(AgentError, match="option weights is 'all'"):
        experiment.changed(agents=["go:weights=all"])


def test_an_agent_that_fails_is_named_and_the_others_go_on(tiny, tmp_path):
    out = invoke(
        "table3", *tiny, "-a", "metis", "-a", "sa", "--budget", "9", "--out", str(tmp_path), code=1
    )
    assert "agent 'metis' on chains" in out and "not fusion" in out
    assert {row.agent_name for row in read_rows(tmp_path / RESULTS)} == {"sa"}


def test_ray_is_asked_for_where_it_is_missing(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["table2", *tiny, "-a", "human-expert", "--workers", "ray", "--out", str(tmp_path)]
    assert "pip install 'go-gym[spread]'" in invoke(*words, code=2)
    words[words.index("ray")] = "many"
    assert "expected a number of processes from 1, or ray" in invoke(*words, code=2)


def test_the_experiments_are_the_papers():
    table = published("table2")
    experiment = experiment_of("table2")
    assert tuple(experiment.graphs) == tuple(table)
    for graph, cluster in experiment.graphs.items():
        assert cluster == f"p100x{table[graph]['devices']:.0f}"
    assert table["rnnlm-8"]["metis_s"] is None, "out of memory"
    for name in ("table3", "fig5", "fig6"):
        assert set(experiment_of(name).graphs) == set(published(name))
    expert = [row["go_one_s"] / row["human_expert_s"] for row in table.values()]
    assert min(expert) > 0.55 and max(expert) < 1, "the paper's GO beats each expert"


@pytest.mark.parametrize("name", experiments())
def test_agents_of_the_experiments_are_called_by_their_canonical_names(name):
    what = experiment_of(name).what
    stand_ins = (*what.best_priorities, *what.best_priorities.values())
    for agent in (*what.agents, *what.searchers, *what.paper, *stand_ins):
        assert canonical_name(agent) == agent


def test_workers_is_checked_before_anything_runs(tmp_path):
    from go_gym.reproduce.execute import execute

    for workers in ("x", "0", "-1"):
        with pytest.raises(GoGymError, match=f"workers '{workers}'"):
            execute([], tmp_path, workers)
    assert not list(tmp_path.iterdir())
