"""Plans: the best of all that were asked, as simulated again from their files."""

import json
from dataclasses import replace

import numpy as np
import pytest

import go_gym
from go_gym.baselines.placements import settle
from go_gym.baselines.priorities import PRIORITIES, prioritised
from go_gym.catalogue import datasets
from go_gym.errors import AgentError, GoGymError
from go_gym.pipeline import CUTS, Blocks
from go_gym.planning.plan import USUAL, make_plan, summary, write_plan
from go_gym.planning.whole import WHOLE_LAYERS, whole_layers
from go_gym.problem.decision_file import load_decision
from go_gym.simulator import simulate


@pytest.fixture(scope="module")
def plan():
    problem = go_gym.Problem(datasets.load("inception-b32"), go_gym.load_cluster("p100x4"))
    return make_plan(problem, ["heft-contention", "random"], budget=100)


def test_every_option_is_there_and_the_best_is_first(plan):
    assert {option.agent for option in plan.options} == {"heft-contention", "random", *USUAL}
    valid = [option for option in plan.options if option.result.valid]
    times = [option.result.step_time_ns for option in valid]
    assert times == sorted(times) and plan.options[: len(valid)] == tuple(valid)
    assert plan.lower_bound_ns <= times[0]
    for option in plan.options:
        again = simulate(plan.problem, option.decision)
        assert again.step_time_ns == option.result.step_time_ns


def test_files_say_what_the_simulator_says(plan, tmp_path):
    paths = write_plan(plan, tmp_path / "plan")
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == [
        "decision.npz", "device_map.json", "gantt.png", "plan.json", "trace.json",
    ]  # fmt: skip
    decision, header = load_decision(paths["decision"])
    facts = json.loads(paths["summary"].read_text())
    assert header["graph_hash"] == facts["graph_hash"] == plan.problem.graph.content_hash
    result = simulate(plan.problem, decision)
    assert result.step_time_ns == facts["step_time_ns"] == facts["plans"][0]["step_time_ns"]
    assert facts["peak_memory_bytes"] == result.peak_memory.tolist()
    modules = json.loads(paths["device map"].read_text())
    assert set(modules.values()) <= set(np.asarray(decision.placement).tolist())
    assert json.loads(paths["Perfetto trace"].read_text())["traceEvents"]
    assert paths["Gantt chart"].read_bytes().startswith(b"\x89PNG")


def test_shares_and_ratios_follow_from_the_results(plan):
    facts = summary(plan)
    for row in facts["plans"]:
        ratio = row["step_time_ns"] / facts["step_time_ns"]
        assert row["chosen_is_faster_by"] == (round(ratio, 4) if row["valid"] else None)
    busy = plan.best.result.busy_ns / plan.best.result.step_time_ns
    assert facts["busy_share"] == pytest.approx(busy.tolist(), abs=1e-4)


def test_unknown_agents_and_graphs_that_fit_nowhere_are_named():
    graph = datasets.load("rnnlm-2")
    with pytest.raises(AgentError, match="nobody"):
        make_plan(go_gym.Problem(graph, go_gym.load_cluster("p100x2")), ["nobody"], 0)
    small = go_gym.load_cluster("p100x2")
    tiny = replace(small, devices=tuple(replace(d, memory_bytes=1000) for d in small.devices))
    with pytest.raises(
        GoGymError, match=r"alone are 1\.297 GB, the cluster's memory is .* at least \d+ devices"
    ):
        make_plan(go_gym.Problem(graph, tiny), [], 0)


def test_layers_stay_whole_where_that_is_asked_for(plan):
    """Among plans that split nothing the fastest is chosen; no cut by rule is faster."""
    whole = make_plan(plan.problem, ["heft-contention"], budget=100, whole=True)
    assert whole.best.splits == 0 and WHOLE_LAYERS in {each.agent for each in whole.options}
    unsplit = [each for each in whole.options if each.result.valid and not each.splits]
    assert whole.best.result.step_time_ns == min(each.result.step_time_ns for each in unsplit)
    [found] = [each for each in whole.options if each.agent == WHOLE_LAYERS]
    assert found.splits == 0 and simulate(plan.problem, found.decision).valid
    assert found.result.step_time_ns <= fastest_cut_by_rule(plan.problem)


def fastest_cut_by_rule(problem):
    blocks, times = Blocks.of(problem), []
    for stages in range(1, problem.num_devices + 1):
        for cut in CUTS.values():
            placement = settle(problem, blocks.stages(cut(blocks, stages)))
            for rule in PRIORITIES:
                decision = prioritised(problem, go_gym.Decision(placement), rule)
                result = simulate(problem, decision)
                times += [result.step_time_ns] if result.valid else []
    return min(times)


def test_boundaries_are_moved_where_that_gains():
    problem = go_gym.Problem(datasets.load("wavenet-2x18"), go_gym.load_cluster("p100x2"))
    found = whole_layers(problem)
    times = [
        simulate(problem, prioritised(problem, found, rule)).step_time_ns for rule in PRIORITIES
    ]
    assert min(times) < fastest_cut_by_rule(problem)


def test_a_graph_without_layers_and_one_that_fits_in_no_stretch_have_no_whole_plan(plan):
    bare = go_gym.ComputationGraph.from_costs([1, 2], [], [])
    pair = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
    assert whole_layers(go_gym.Problem(bare, pair)) is None
    devices = plan.problem.cluster.devices
    tiny = tuple(replace(device, memory_bytes=1000) for device in devices)
    cluster = replace(plan.problem.cluster, devices=tiny)
    assert whole_layers(replace(plan.problem, cluster=cluster)) is None
