"""Gantt charts and Chrome traces, checked against the results they show."""

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.catalogue import datasets
from go_gym.errors import GoGymError
from go_gym.render.gantt import (
    MAX_BARS,
    busy_share,
    empty_pixels,
    gantt,
    gantt_pixels,
    save_gantt,
)
from go_gym.render.perfetto import (
    COMPUTE,
    RECEIVE,
    SEND,
    chrome_trace,
    memory_counters,
    save_chrome_trace,
)
from tests.strategies import decisions, problems


@pytest.fixture(scope="module")
def case():
    problem = go_gym.Problem(datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2"))
    decision = go_gym.Decision(placement=human_expert(problem))
    return problem, decision, go_gym.simulate(problem, decision, trace=True)


def test_trace_events_add_up(case):
    problem, _, result = case
    events = [e for e in chrome_trace(*case)["traceEvents"] if e["ph"] == "X"]
    for device in range(problem.num_devices):
        busy = sum(e["dur"] for e in events if (e["pid"], e["tid"]) == (device, COMPUTE))
        assert busy * 1000 == pytest.approx(result.busy_ns[device])
    for track in (SEND, RECEIVE):
        moved = sum(e["args"]["bytes"] for e in events if e["tid"] == track)
        assert moved == result.bytes_moved
    assert max(e["ts"] + e["dur"] for e in events) * 1000 == pytest.approx(result.step_time_ns)


def test_files(case, tmp_path):
    save_gantt(tmp_path / "a.png", *case)
    save_chrome_trace(tmp_path / "a.json", *case)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "a.json").read_text())["displayTimeUnit"] == "ms"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.png"]


def test_pixels(case):
    pixels = gantt_pixels(*case)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    for colour in ([0x44, 0x77, 0xAA], [0xEE, 0x66, 0x77], [0xCC, 0xBB, 0x44]):
        assert (pixels == colour).all(axis=2).sum() > 1000
    assert empty_pixels(case[0]).shape == pixels.shape


def test_busy_share_is_the_covered_part():
    start, finish = np.array([4.0, 0.0]), np.array([10.0, 1.0])
    assert busy_share(start, finish, 10.0, bins=5).tolist() == pytest.approx([0.5, 0, 1, 1, 1])


def test_without_a_trace(case):
    problem, decision, _ = case
    for draw in (gantt_pixels, chrome_trace):
        with pytest.raises(GoGymError, match="trace=True"):
            draw(problem, decision, go_gym.simulate(problem, decision))


def solved(data):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    return problem, decision, go_gym.simulate(problem, decision, trace=True)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spans_of_a_track_never_overlap(data):
    """Under every contention model: Perfetto misdraws spans that do."""
    tracks, titled = defaultdict(list), set()
    for event in chrome_trace(*solved(data))["traceEvents"]:
        track = event["pid"], event.get("tid")
        if event["ph"] == "X":
            tracks[track].append((event["ts"], event["ts"] + event["dur"]))
        elif event["name"] == "thread_name":
            titled.add(track)
    assert tracks.keys() <= titled
    for spans in tracks.values():
        spans.sort()
        assert all(b[0] >= a[1] - 1e-9 for a, b in pairwise(spans))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_memory_counters_peak_where_the_simulator_does(data):
    problem, decision, result = solved(data)
    peak = np.zeros(problem.num_devices, dtype=np.int64)
    for event in memory_counters(problem, decision, result):
        assert event["args"]["bytes"] >= 0
        peak[event["pid"]] = max(peak[event["pid"]], event["args"]["bytes"])
    trace = result.trace
    assert (peak <= result.peak_memory).all()
    if (trace.op_finish > trace.op_start).all() and (
        trace.transfer_finish > trace.transfer_start
    ).all():
        np.testing.assert_array_equal(peak, result.peak_memory)


def bar_lengths(figure, low, high):
    """Summed lengths in ns of the bars whose upper edge lies between two heights."""
    total = 0.0
    for bars in figure.axes[0].collections:
        for path in bars.get_paths():
            (left, top), (right, _) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            total += (right - left) * 1e6 if low < top < high else 0.0
    return total


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_bars_add_up_to_the_busy_times(data):
    problem, decision, result = solved(data)
    figure = gantt(problem, decision, result)
    for device, busy in enumerate(result.busy_ns):
        assert bar_lengths(figure, device - 0.4, device) == pytest.approx(busy, abs=1e-3)
        sent = result.trace.transfer_source == device
        moving = (result.trace.transfer_finish - result.trace.transfer_start)[sent].sum()
        assert bar_lengths(figure, device, device + 0.4) == pytest.approx(moving, abs=1e-3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=20))
def test_busy_share_counts_overlaps_once(pairs):
    start = np.array([min(pair) for pair in pairs])
    finish = np.array([max(pair) for pair in pairs])
    covered = np.zeros(40)
    for left, right in zip(start, finish, strict=True):
        covered[left:right] = 1
    expected = covered.reshape(8, 5).mean(axis=1)
    np.testing.assert_allclose(busy_share(start * 1.0, finish * 1.0, 40.0, bins=8), expected)


def test_large_graphs_are_drawn_in_bins():
    n = 2 * MAX_BARS + 2
    chain = go_gym.ComputationGraph.from_costs(np.full(n, 1000), [(0, 1)], [(0, 1)])
    problem = go_gym.Problem(chain, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    decision = go_gym.Decision(placement=np.arange(n) % 2)
    figure = gantt(problem, decision, go_gym.simulate(problem, decision, trace=True))
    assert len(figure.axes[0].images) == 2


def test_long_reasons_are_wrapped():
    graph = go_gym.ComputationGraph.from_costs(
        [5, 5], [], [], colocation=[0, 0], names=["a" * 90, "b" * 90]
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    decision = go_gym.Decision(placement=[0, 1])
    figure = gantt(problem, decision, go_gym.simulate(problem, decision, trace=True))
    assert max(map(len, figure.axes[0].get_title(loc="left").splitlines())) <= 130


def test_a_dense_row_hides_no_work_and_shows_none_where_there_is_none():
    """Thousands of ops of 1 ns, then another device works for long, then one more of 1 ns."""
    n = MAX_BARS + 10
    costs = [1] * n + [10**7, 1]
    graph = go_gym.ComputationGraph.from_costs(costs, [(n - 1, 0), (n, 0)], [(0, n), (1, n + 1)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    decision = go_gym.Decision([0] * n + [1, 0])
    figure = gantt(problem, decision, go_gym.simulate(problem, decision, trace=True))
    [image] = figure.axes[0].images
    opaque = np.asarray(image.get_array())[0, :, 3]
    assert opaque[0] > 0.1 and opaque[-1] > 0.1 and (opaque[5:-5] == 0).all()
    assert "paler" in figure.axes[0].get_xlabel()
