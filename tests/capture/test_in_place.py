"""What a program writes in place takes no new memory, against torch's own counts of bytes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import go_gym  # noqa: E402
from go_gym import capture  # noqa: E402
from tests.capture.test_memory import LiveBytes  # noqa: E402

SIDE, LAYERS = 256, 4
WEIGHTS = LAYERS * SIDE * SIDE * 4
"""Bytes of the weights of :func:`tower`."""


def tower():
    return nn.Sequential(*(nn.Linear(SIDE, SIDE, bias=False) for _ in range(LAYERS)))


def square(output):
    return output.square().mean()


def peak_of(graph):
    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))
    whole = go_gym.Decision(placement=np.zeros(graph.num_ops, dtype=np.int64))
    return int(go_gym.simulate(problem, whole).peak_memory[0])


@pytest.mark.parametrize(
    ("optimizer", "resident"),
    [("adam", 3), (torch.optim.AdamW, 3), ("sgd", 1)],
)
def test_an_update_needs_the_gradients_beside_what_is_resident(optimizer, resident):
    """Parameters, moments and at most all gradients at once; two temporaries of one weight."""
    graph = capture.from_torch(tower(), [torch.zeros(2, SIDE)], optimizer=optimizer, loss=square)
    assert int(graph.parameter_bytes.sum()) == resident * WEIGHTS
    more = 2 * WEIGHTS // LAYERS + LAYERS * 2 * 2 * SIDE * 4 + 2**12
    assert peak_of(graph) <= (resident + 1) * WEIGHTS + more


def test_what_needs_no_gradient_waits_for_it():
    """Weight decay comes after the backward pass, as in torch: every optimizer op has a gradient
    before it."""
    optimizer = torch.optim.AdamW
    program = capture.torch_program(
        tower(), [torch.zeros(2, SIDE)], optimizer=optimizer, loss=square
    )
    graph = program.graph
    after = graph.phase == 1
    for step in program.steps:
        after[step.op] |= any(after[value.op] for value in step.inputs)
    assert after[graph.phase == 2].all()


def written(x):
    y = x * 2
    y[0] = x[1]
    y[1] += x[2]
    y.add_(1).relu_()
    return y.mul_(3)


def test_in_place_ops_of_a_forward_pass_peak_as_in_torch():
    x = torch.randn(64, 1000)
    with LiveBytes([x]) as live:
        written(x)
    graph = capture.from_torch(written, [x])
    assert peak_of(graph) - x.numel() * 4 == pytest.approx(live.peak, rel=0.02)
    program = capture.torch_program(written, [x])
    torch.testing.assert_close(program.run([x])["output:0"], written(x))


def test_a_gradient_added_in_place_is_written_where_it_lies():
    """Two micro-batches accumulate into one gradient: no third tensor of its size."""
    model = tower()

    def step(first, second):
        for batch in (first, second):
            square(model(batch)).backward()
        return [each.grad for each in model.parameters()]

    batches = [torch.randn(2, SIDE), torch.randn(2, SIDE)]
    program = capture.torch_program(step, batches)
    graph = program.graph
    kinds = np.array(graph.op_types)[graph.op_type]
    added = np.flatnonzero((kinds == "aten.add.Tensor") & (graph.phase == 1))
    assert len(added) == LAYERS
    assert (graph.tensor_alias[np.isin(graph.tensor_producer, added)] >= 0).all()
    results = program.run(program.bind(_named(model), batches))
    step(*batches)
    for number, each in enumerate(model.parameters()):
        torch.testing.assert_close(results[f"output:{number}"], each.grad)


def _named(model):
    """The module that holds a function's modules by name, as the capture finds them."""
    return nn.ModuleDict({"model": model})
