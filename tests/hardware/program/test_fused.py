"""Fused kernels give what their ops give."""

import numpy as np
import pytest
import torch

from go_gym.capture import inference_program
from go_gym.capture.source import capture_source
from go_gym.cluster import load_cluster
from go_gym.errors import HardwareError
from go_gym.fusion.fused import fuse
from go_gym.fusion.greedy import default_fusion
from go_gym.hardware.process.session import Session
from go_gym.hardware.program import fused as made_of
from go_gym.hardware.program.fused import Kernel, compile_kernels, fused_program
from go_gym.hardware.runtime.executor import Executor
from go_gym.hardware.runtime.lanes import Core
from go_gym.hardware.runtime.orders import program_queues, program_schedule
from go_gym.hardware.runtime.schedule import simulated_order
from go_gym.problem import Decision, Problem
from tests.hardware import models
from tests.hardware.requirements import CORES, runs_workers
from tests.numeric import assert_results_near


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)

    def forward(self, x):
        gate = torch.sigmoid(self.first(x) * 2 + 1)
        shown = (gate.t() * 3 - x.t()).t()
        return torch.softmax(self.second(gate * x) + shown, dim=1)


def fused_on_two_cores(made, placement, order):
    problem = Problem(made.graph, load_cluster("cpu2"))
    decision = Decision(placement, fusion=default_fusion(problem, placement))
    fused = fuse(problem, decision)
    program, of_kernels = fused_program(made, Decision(placement), fused.plan)
    assert program.graph.num_ops < made.graph.num_ops
    compile_kernels(program, made.sample_inputs())
    place = np.asarray(of_kernels.placement)
    plan = (
        program_queues(program, place, None, 2)
        if order == "ready"
        else program_schedule(program, place, simulated_order(fused.problem, fused.decision), 2)
    )
    with Executor(
        program, plan, [Core(CORES[0]), Core(CORES[1])], made.sample_inputs(), place
    ) as executor:
        executor.run(2)
        return program, executor.results()


@runs_workers
@pytest.mark.slow
@pytest.mark.numeric
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # within torch itself
@pytest.mark.parametrize("order", ["ready", "simulated"])
def test_fused_kernels_give_the_results_of_their_ops(order):
    made = inference_program("small", Small, lambda: [torch.zeros(32, 64)])
    rng = np.random.default_rng(0)
    placement = rng.integers(2, size=made.graph.num_ops)
    placement = placement[Problem(made.graph, load_cluster("cpu2")).colocation_leader]
    for place in (np.zeros_like(placement), placement):
        program, found = fused_on_two_cores(made, place, order)
        kernels = [step.target for step in program.steps if isinstance(step.target, Kernel)]
        assert all(kernel.parts > 1 for kernel in kernels) and (kernels or place.any())
        assert_results_near(found, made.run(made.sample_inputs()))


@pytest.mark.numeric
def test_kernels_compute_what_their_ops_do(monkeypatch):
    """Without the compiler: every kernel of a training step, called as it is."""
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    made = models.program("rnnlm")
    problem = Problem(made.graph, load_cluster("cpu2"))
    place = np.zeros(made.graph.num_ops, dtype=np.int64)
    plan = fuse(problem, Decision(place, fusion=default_fusion(problem, place))).plan
    program, _ = fused_program(made, Decision(place), plan)
    assert sum(isinstance(step.target, Kernel) for step in program.steps) > 20
    inputs = models.inputs_of("rnnlm")
    expected, found = made.run(inputs), program.run(inputs)
    assert "loss" in found and any(name.startswith("parameter:") for name in found)
    assert_results_near(found, {name: expected[name] for name in found})


def test_a_kernel_that_cannot_be_compiled_is_refused(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(made_of.Kernel, "__call__", refuse)
    made = inference_program("small", Small, lambda: [torch.zeros(32, 64)])
    problem = Problem(made.graph, load_cluster("cpu2"))
    place = np.zeros(made.graph.num_ops, dtype=np.int64)
    plan = fuse(problem, Decision(place, fusion=default_fusion(problem, place))).plan
    program, _ = fused_program(made, Decision(place), plan)
    with pytest.raises(HardwareError, match=r"not supported here: .* no C\+\+ compiler"):
        compile_kernels(program, made.sample_inputs())


FILE = """
import torch

class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(256, 256)

    def forward(self, x):
        return torch.tanh(torch.sigmoid(self.inner(x)) * 2 + 1).sum()

def make():
    return Small(), (torch.zeros(64, 256),)
"""


@runs_workers
@pytest.mark.slow
def test_a_fused_decision_is_measured(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(FILE)
    graph = capture_source(f"{path}:make")
    problem = Problem(graph, load_cluster("cpu2"), task="joint")
    place = np.zeros(graph.num_ops, dtype=np.int64)
    levels = default_fusion(problem, place)
    assert fuse(problem, Decision(place, fusion=levels)).plan.num_kernels < graph.num_ops
    with Session(graph, f"{path}:make") as session:
        found = [
            session.measure(problem, Decision(place, fusion=fusion), steps=3, seconds=1.0)
            for fusion in (None, levels)
        ]
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-5)
    assert min(each.median_ns for each in found) > 0
