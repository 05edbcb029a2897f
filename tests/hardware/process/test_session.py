"""Measuring in a process of its own: what it says, how it fails, and that it leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from go_gym.capture.source import capture_source
from go_gym.cluster import load_cluster
from go_gym.errors import CaptureError, HardwareError
from go_gym.hardware.process.session import Session, measure
from go_gym.problem import Decision, Problem
from tests.hardware.models import FAULTY, program


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


def descendants() -> set[int]:
    """Processes that measure, of this process or of one that left them."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if b"go_gym.hardware.process.child" in command and parent in (os.getpid(), 1):
            found.add(int(folder.name))
    return found


def shared_memory() -> set[str]:
    """Blocks of shared memory; the semaphores of other tests' process pools are none."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("sem.mp-")}


@pytest.fixture
def nothing_left():
    before, shared = descendants(), shared_memory()
    yield
    assert descendants() <= before
    assert shared_memory() <= shared


def test_a_measurement_says_all_that_a_row_needs(nothing_left):
    made = program("rnnlm")
    problem = Problem(made.graph, load_cluster("cpu2"))
    with Session(made.graph) as session:
        decisions = [Decision(np.zeros(problem.num_ops, dtype=np.int64)), split(problem)]
        first, second = (
            session.measure(problem, decision, steps=10, warmups=1, seconds=5.0)
            for decision in decisions
        )
    assert len(first.step_ns) == len(first.taken) == 10
    assert min(first.step_ns) <= first.median_ns <= max(first.step_ns)
    assert first.loss == pytest.approx(second.loss, rel=1e-5)
    assert first.spread >= 0 and first.load >= 0 and first.repeated >= 0
    assert first.noisy == (max(first.taken) > 0.02)
    assert {"cpu", "cores", "memory", "system", "torch"} <= first.machine.keys()
    assert type(first).from_dict(first.as_dict()) == first


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
    start = time.monotonic()
    with pytest.raises(HardwareError, match=message):
        measure(
            failing,
            split(failing),
            steps=1,
            warmups=1,
            patience=4.0,
            maker=f"{faulty}:{function}",
            memory=32 * 2**30,
        )
    assert time.monotonic() - start < 100


@pytest.mark.slow
def test_a_session_goes_on_after_a_failure(faulty, problem, nothing_left):
    with Session(problem.graph, f"{faulty}:works") as session:
        first = session.measure(problem, split(problem), steps=1, warmups=0, seconds=0)
        assert session._process is not None
        os.kill(session._process.pid, signal.SIGKILL)
        with pytest.raises(HardwareError, match="killed by signal 9"):
            session.measure(problem, split(problem), steps=1, warmups=0, seconds=0)
        again = session.measure(problem, split(problem), steps=1, warmups=0, seconds=0)
    assert again.loss == first.loss


SCRIPT = """
import sys, numpy as np
from go_gym.capture.source import capture_source
from go_gym.cluster import load_cluster
from go_gym.hardware import measure
from go_gym.problem import Decision, Problem
graph = capture_source(sys.argv[1])
problem = Problem(graph, load_cluster("cpu2"))
print("starting", flush=True)
measure(problem, Decision(np.zeros(graph.num_ops, dtype=np.int64)), maker=sys.argv[1])
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_ctrl_c_or_a_killed_parent(faulty, end, nothing_left):
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, f"{faulty}:hangs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert script.stdout is not None and script.stdout.readline() == "starting\n"
    child = wait_for_child(script.pid)
    time.sleep(1.0)
    script.send_signal(end)
    _, errors = script.communicate(timeout=120)
    assert script.returncode == -end
    assert end == signal.SIGKILL or "KeyboardInterrupt" in errors
    deadline = time.monotonic() + 120
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()


def wait_for_child(parent: int) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.05)
    raise AssertionError("no process that measures was started")


def test_what_cannot_be_run_is_refused_before_a_process_is_started(problem, faulty):
    ops = problem.num_ops
    zeros = np.zeros(ops, dtype=np.int64)
    elsewhere = Problem(problem.graph, load_cluster("p100x2"))
    with pytest.raises(HardwareError, match="no device of a machine"):
        measure(elsewhere, Decision(zeros))
    with pytest.raises(HardwareError, match="expected at least 1"):
        measure(problem, Decision(zeros), steps=0)
    trained = Problem(program("rnnlm").graph, problem.cluster)
    apart = np.arange(trained.num_ops) % 2
    with pytest.raises(HardwareError, match="invalid and was not run: co-location broken"):
        measure(trained, Decision(apart))


def test_a_graph_without_its_program_is_refused(problem, faulty):
    from go_gym.hardware.program.source import program_of_graph, variant

    with pytest.raises(HardwareError, match="has no program that could be run"):
        program_of_graph(problem.graph)
    with pytest.raises(HardwareError, match=r"is not what .* captures"):
        program_of_graph(program("rnnlm").graph, f"{faulty}:works")
    with pytest.raises(CaptureError, match="no such file"):
        program_of_graph(problem.graph, "/nowhere.py:make")
    with pytest.raises(HardwareError, match="no setting 'colour'"):
        variant("rnnlm", {"layers": 2, "colour": 1})
    with pytest.raises(HardwareError, match="no family 'abacus'"):
        variant("abacus", {})
    assert program_of_graph(program("gnmt").graph).graph.num_ops == program("gnmt").graph.num_ops
