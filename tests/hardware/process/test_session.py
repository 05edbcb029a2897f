"""Measuring in a process of its own: what it says, how it fails, and that it leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from go_gym.capture.source import capture_source
from go_gym.cluster import load_cluster
from go_gym.errors import HardwareError
from go_gym.hardware.process import parent
from go_gym.hardware.process.session import Session, measure_decision
from go_gym.problem import Decision, Problem
from tests.hardware.models import FAULTY, program
from tests.hardware.processes import children, group, named_memory
from tests.hardware.requirements import runs_workers

pytestmark = runs_workers


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("faulty") / "faulty.py"
    path.write_text(FAULTY)
    return path


@pytest.fixture(scope="module")
def problem(faulty) -> Problem:
    """Of a graph that is the same for all functions of the faulty file."""
    return Problem(capture_source(f"{faulty}:works"), load_cluster("cpu2"))


def split(problem: Problem) -> Decision:
    return Decision((np.arange(problem.num_ops) % 2)[problem.colocation_leader])


@pytest.fixture
def nothing_left(monkeypatch):
    """None of the processes that a test's sessions started is there when it ends."""
    started: list[int] = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self.pid)

    monkeypatch.setattr(parent.subprocess, "Popen", Recorded)
    yield
    assert started
    assert [group(each) for each in started] == [set() for _ in started]


def test_a_measurement_says_all_that_a_row_needs(nothing_left):
    made = program("rnnlm")
    problem = Problem(made.graph, load_cluster("cpu2"))
    with Session(made.graph) as session:
        decisions = [Decision(np.zeros(problem.num_ops, dtype=np.int64)), split(problem)]
        start = time.perf_counter_ns()
        first, second = (
            session.measure(problem, decision, steps=10, warmups=1, seconds=5.0)
            for decision in decisions
        )
        wall = time.perf_counter_ns() - start
        (measuring,) = children(os.getpid()) & {session.process_id}
        assert not named_memory(measuring)
    assert len(first.step_ns) == len(first.taken) == 10
    assert min(first.step_ns) > 0 and sum(first.step_ns) + sum(second.step_ns) < wall
    expected = made.run(made.sample_inputs())["loss"]
    assert first.loss == pytest.approx(float(expected), rel=1e-5)
    assert first.loss == pytest.approx(second.loss, rel=1e-5)
    assert first.noisy == (max(first.taken) > 0.02)
    assert {"cpu", "cores", "memory", "system", "torch"} <= first.machine.keys()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("raises", r"device [01], op 'fault.*RuntimeError: the op broke"),
        ("hangs", r"device [01] is still in op 'fault.*after 4 s"),
        ("exhausts", r"device [01], op 'fault.*out of memory"),
        ("dies", r"device [01], op 'fault.*: the worker was killed by signal 9"),
    ],
)
def test_a_worker_that_fails_ends_the_measurement_and_leaves_nothing(
    faulty, problem, function, message, nothing_left
):
    graph = capture_source(f"{faulty}:{function}")
    failing = Problem(graph, problem.cluster)
    with pytest.raises(HardwareError, match=message):
        measure_decision(
            failing,
            split(failing),
            steps=1,
            warmups=3,
            patience=4.0,  # of one step, however many there are
            maker=f"{faulty}:{function}",
            memory=32 * 2**30,
        )


@pytest.mark.slow
def test_a_session_goes_on_after_a_failure(faulty, problem, nothing_left):
    with Session(problem.graph, f"{faulty}:works") as session:
        first = session.measure(problem, split(problem), steps=1, warmups=0, seconds=0)
        os.kill(session.process_id, signal.SIGKILL)
        with pytest.raises(HardwareError, match="killed by signal 9"):
            session.measure(problem, split(problem), steps=1, warmups=0, seconds=0)
        again = session.measure(problem, split(problem), steps=1, warmups=0, seconds=0)
    assert again.loss == first.loss


SCRIPT = """
import sys, numpy as np
from go_gym.capture.source import capture_source
from go_gym.cluster import load_cluster
from go_gym.hardware import measure_decision
from go_gym.problem import Decision, Problem
graph = capture_source(sys.argv[1])
problem = Problem(graph, load_cluster("cpu2"))
zeros = np.zeros(graph.num_ops, dtype=np.int64)
print("starting", flush=True)
measure_decision(problem, Decision(zeros), maker=sys.argv[1])
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_ctrl_c_or_a_killed_parent(faulty, end):
    """A script measures an op that hangs; it ends, and so do the process and its workers."""
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, f"{faulty}:hangs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    measuring = None
    try:
        assert script.stdout is not None and script.stdout.readline() == "starting\n"
        wait_until(lambda: len(children(script.pid)) == 1)
        (measuring,) = children(script.pid)
        wait_until(lambda: len(group(measuring)) == 3)  # a worker for each of two cores
        assert not any(named_memory(each) for each in group(measuring))
        script.send_signal(end)
        _, errors = script.communicate(timeout=120)
        assert script.returncode == -end
        assert end == signal.SIGKILL or "KeyboardInterrupt" in errors
        wait_until(lambda: not group(measuring))
    finally:
        script.kill()
        for each in group(measuring) if measuring else ():
            os.kill(each, signal.SIGKILL)


def wait_until(true: Callable[[], bool]) -> None:
    """Wait, two minutes at most, which nothing here comes near."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


def test_what_cannot_be_run_is_refused_before_a_process_is_started(problem, monkeypatch):
    monkeypatch.setattr(parent.subprocess, "Popen", None)
    zeros = np.zeros(problem.num_ops, dtype=np.int64)
    elsewhere = Problem(problem.graph, load_cluster("p100x2"))
    with pytest.raises(HardwareError, match="no device of a machine"):
        measure_decision(elsewhere, Decision(zeros))
    with pytest.raises(HardwareError, match="expected at least 1"):
        measure_decision(problem, Decision(zeros), steps=0)
    trained = Problem(program("rnnlm").graph, problem.cluster)
    apart = np.arange(trained.num_ops) % 2
    with pytest.raises(HardwareError, match="invalid and was not run: co-location broken"):
        measure_decision(trained, Decision(apart))
