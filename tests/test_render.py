"""Gantt charts and Chrome traces, checked against the results they show."""

import json

import numpy as np
import pytest

import go_gym
from go_gym import datasets
from go_gym.errors import GoGymError
from go_gym.placements import human_expert
from go_gym.render.gantt import busy_share, gantt_pixels, save_gantt
from go_gym.render.perfetto import COMPUTE, RECEIVE, SEND, chrome_trace, save_chrome_trace


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
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 4  # the four colours are there


def test_busy_share_is_the_covered_part():
    start, finish = np.array([4.0, 0.0]), np.array([10.0, 1.0])
    assert busy_share(start, finish, 10.0, bins=5).tolist() == pytest.approx([0.5, 0, 1, 1, 1])


def test_without_a_trace(case):
    problem, decision, _ = case
    for draw in (gantt_pixels, chrome_trace):
        with pytest.raises(GoGymError, match="trace=True"):
            draw(problem, decision, go_gym.simulate(problem, decision))
