"""Pictures of fused steps, and placement maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.catalogue import datasets
from go_gym.errors import GoGymError
from go_gym.fusion.fused import fuse
from go_gym.fusion.greedy import default_fusion
from go_gym.render.gantt import gantt_pixels
from go_gym.render.perfetto import COMPUTE, chrome_trace, memory_counters
from go_gym.render.placement_map import MAX_ROWS, placement_map, save_placement_map
from go_gym.simulator import simulate
from tests.fusion.examples import aten_problems, fused_decisions


@pytest.fixture(scope="module")
def fused_case():
    problem = go_gym.Problem(datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2"), "joint")
    placement = human_expert(problem)
    decision = go_gym.Decision(placement, fusion=default_fusion(problem, placement))
    return problem, decision, simulate(problem, decision, trace=True)


def test_a_fused_trace_adds_up_and_names_the_parts(fused_case):
    problem, decision, result = fused_case
    events = [e for e in chrome_trace(*fused_case)["traceEvents"] if e["ph"] == "X"]
    computed = [e for e in events if e["tid"] == COMPUTE]
    for device in range(problem.num_devices):
        busy = sum(e["dur"] for e in computed if e["pid"] == device)
        assert busy * 1000 == pytest.approx(result.busy_ns[device])
    plan = fuse(problem, decision).plan
    parts = sum(len(e["args"]["parts"]) for e in computed)
    spans = np.diff(plan.part_ptr)[~problem.graph.is_free[plan.roots]]
    assert (len(computed), parts) == (len(spans), spans.sum())
    largest = max(computed, key=lambda e: len(e["args"]["parts"]))
    assert largest["name"].endswith(f"+{len(largest['args']['parts']) - 1}")
    assert all("(aten." in part for part in largest["args"]["parts"])


@settings(max_examples=60, deadline=None)
@given(aten_problems(), st.data())
def test_memory_of_kernels(problem, data):
    """The counters' greatest is the result's peak, unless something takes no time."""
    decision = data.draw(fused_decisions(problem))
    result = simulate(problem, decision, trace=True)
    peak = np.zeros(problem.num_devices, dtype=int)
    for event in memory_counters(problem, decision, result):
        peak[event["pid"]] = max(peak[event["pid"]], event["args"]["bytes"])
    assert (peak <= result.peak_memory).all()
    timeless = fuse(problem, decision).problem.graph.is_free.any()
    assert timeless or (peak == result.peak_memory).all()


def test_a_fused_chart_differs_from_the_unfused_one(fused_case):
    problem, decision, _ = fused_case
    unfused = go_gym.Decision(decision.placement)
    before = gantt_pixels(problem, unfused, simulate(problem, unfused, trace=True))
    after = gantt_pixels(*fused_case)
    assert before.shape == after.shape and (before != after).mean() > 0.01
    with pytest.raises(GoGymError, match="trace=True"):
        gantt_pixels(problem, decision, simulate(problem, decision))


# -- placement maps


def layered(layers):
    count = len(layers)
    return go_gym.ComputationGraph.from_costs([10**6] * count, [], [], layers=layers)


def test_the_map_shows_each_layers_devices():
    graph = layered(["a", "a", "b", "b", None])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(3, 1e9))
    figure = placement_map(problem, go_gym.Decision([0, 0, 1, 0, 1]))
    axes, bars = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "(no layer)"]
    assert axes.get_xlabel() and axes.get_ylabel() and bars.get_xlabel() == "work (ms)"
    (legend,) = figure.legends
    in_use = [text.get_text() for text in legend.get_texts()]
    assert in_use == ["0 device0", "1 device1"]
    picture = axes.images[0].get_array()
    white, first, second = (1, 1, 1), tuple(picture[0, 0]), tuple(picture[1, 2])
    assert first != second
    shown = [[tuple(spot) for spot in row] for row in picture]
    assert shown == [
        [first, first, white, white, white],
        [white, white, second, first, white],
        [white, white, white, white, second],
    ]
    widths = [patch.get_width() for patch in bars.patches]
    assert widths == [2, 1, 0, 0, 1, 1], "ms of each layer on device 0, then 1"


@pytest.mark.parametrize("devices", [1, 12, 40])
def test_many_layers_share_rows(devices, tmp_path):
    graph = layered([f"a.rather.long.name.of.layer.{i}" for i in range(300)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices, 1e9))
    decision = go_gym.Decision(np.arange(300) % devices)
    labels = placement_map(problem, decision).axes[0].get_yticklabels()
    assert len(labels) == MAX_ROWS and all("…" in label.get_text() for label in labels)
    save_placement_map(tmp_path / "map.png", problem, decision)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
