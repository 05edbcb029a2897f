"""A step on two cores gives what it gives on one, but for the order of roundings: copies may have
other strides than the tensors they were made of."""

import numpy as np
import pytest
import torch

from go_gym.capture import inference_program
from go_gym.cluster import load_cluster
from go_gym.hardware.runtime.executor import Executor
from go_gym.hardware.runtime.lanes import Core, Gpu
from go_gym.hardware.runtime.orders import program_queues, program_schedule
from go_gym.hardware.runtime.schedule import simulated_order
from go_gym.problem import Decision, Problem
from tests.hardware.models import SMALL, inputs_of, program
from tests.hardware.requirements import CORES, runs_workers
from tests.numeric import LOSS, STEP, apart, assert_near, assert_results_near

pytestmark = runs_workers

ROUGH = {"inception": 0.1}
"""How far results may be apart as a whole, where an activation that rounds to the other side of a
rectifier's kink changes its gradient."""


def plan(made, placement, priority, order):
    if order == "ready":
        return program_queues(made, placement, priority, 2)
    decision = Decision(placement, priority)
    listed = simulated_order(Problem(made.graph, load_cluster("cpu2")), decision)
    return program_schedule(made, placement, listed, 2)


def run(made, placement, lanes=None, steps=2, priority=None, order="ready", fork=None, given=None):
    planned = plan(made, placement, priority, order)
    lanes = lanes or [Core(CORES[0]), Core(CORES[0])]
    inputs = given or made.sample_inputs()
    with Executor(made, planned, lanes, inputs, placement, fork) as executor:
        executor.run(steps)
        return executor.results()


def colocated(made, placement):
    return placement[Problem(made.graph, load_cluster("cpu2")).colocation_leader]


@pytest.mark.numeric
@pytest.mark.parametrize(
    "family",
    [pytest.param(each, marks=pytest.mark.slow if each == "inception" else ()) for each in SMALL],
)
def test_any_placement_gives_the_loss_and_parameters_of_one_device(family):
    made = program(family)
    ops = made.graph.num_ops
    alone = run(made, np.zeros(ops, dtype=np.int64), given=inputs_of(family))
    assert torch.isfinite(alone["loss"])
    ways = [("ready", None), ("simulated", None), ("ready", False), ("simulated", False)]
    for seed, (order, fork) in enumerate(ways):
        rng = np.random.default_rng(seed)
        placement, levels = colocated(made, rng.integers(2, size=ops)), rng.integers(100, size=ops)
        given = inputs_of(family)
        found = run(made, placement, None, 2, levels, order, fork, given)
        assert found.keys() == made.outputs.keys()
        same_step(family, found, alone)


def same_step(family, found, expected):
    if family not in ROUGH:
        assert_results_near(found, expected)
        return
    assert_near(found["loss"], expected["loss"], LOSS)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert apart(found[name], value) < ROUGH[family], name


@pytest.mark.numeric
@pytest.mark.parametrize("family", ["rnnlm", "transformer-xl"])
def test_one_device_gives_what_the_program_gives(family):
    """The interpreter of go_gym.capture is another implementation of the same steps."""
    made = program(family)
    found = run(made, np.ones(made.graph.num_ops, dtype=np.int64), given=inputs_of(family))
    assert_results_near(found, made.run(inputs_of(family)))


@pytest.mark.numeric
def test_loss_and_gradients_are_those_of_the_model_itself():
    from go_gym.hardware.program.source import variant

    entry = variant("rnnlm", SMALL["rnnlm"])
    made = program("rnnlm")
    torch.manual_seed(0)
    model = entry.module.build(entry.settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    batch = [torch.randint(50, x.shape) for x in entry.module.inputs(entry.settings)]
    placement = colocated(made, np.random.default_rng(1).integers(2, size=made.graph.num_ops))
    found = run(made, placement, steps=1, given=made.bind(model, batch))
    loss = model(*batch)
    loss.backward()
    assert_near(found["loss"], loss, LOSS)
    for name, parameter in model.named_parameters():
        assert_near(found[f"gradient:{name}"], parameter.grad, STEP, what=name)


class Dropped(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.dropout(x + 1, 0.5, training=True)


def test_random_ops_draw_the_same_wherever_they_run():
    made = inference_program("dropout", Dropped, lambda: [torch.zeros(64)])
    ops = made.graph.num_ops
    (first,) = run(made, np.zeros(ops, dtype=np.int64)).values()
    (second,) = run(made, np.ones(ops, dtype=np.int64), steps=3).values()
    assert torch.equal(first, second)
    assert 0 < int((first == 0).sum()) < 64


def test_times_say_what_other_programs_took():
    from go_gym.hardware.runtime.executor import StepTimes

    def column(*values):
        return np.array(values, dtype=np.int64)

    times = StepTimes(column(0, 10), column(100, 90), column(95, 60), column(1, 0))
    assert times.step_ns == 90
    assert times.taken == pytest.approx(5 / 90)  # of the worker that nobody interrupted: nothing


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("lanes", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
@pytest.mark.parametrize("family", ["rnnlm", "gnmt", "transformer-xl"])
def test_gpus_give_the_loss_and_parameters_of_one_core(family, lanes):
    made = program(family)
    alone = run(made, np.zeros(made.graph.num_ops, dtype=np.int64), given=inputs_of(family))
    rng = np.random.default_rng(0)
    placement = colocated(made, rng.integers(2, size=made.graph.num_ops))
    devices = [Gpu(0) if kind == "cuda" else Core(CORES[0]) for kind in lanes]
    found = run(made, placement, devices, given=inputs_of(family))
    assert_results_near({name: value.cpu() for name, value in found.items()}, alone)
