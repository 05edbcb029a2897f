"""The captured program, run op by op on real tensors, against the plain model and optimizer."""

import pytest

torch = pytest.importorskip("torch")

from go_gym.capture import inference_program, training_program  # noqa: E402
from go_gym.catalogue.zoo import rnnlm  # noqa: E402
from go_gym.errors import CaptureError, CaptureWarning  # noqa: E402
from tests.capture.plain import check_step  # noqa: E402
from tests.capture.test_training import SMALL, Normed  # noqa: E402
from tests.numeric import LOSS, along, assert_near, in_float64  # noqa: E402


class Scored(torch.nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.body = torch.nn.Sequential(*modules)

    def forward(self, x):
        return along(self.body(x))


def draw(*shape):
    return lambda: [torch.randn(shape, dtype=torch.float64)]


MODELS = {
    "rnnlm": (lambda: rnnlm.build(SMALL), lambda: [torch.randint(50, (4, 3)) for _ in range(2)]),
    "normed": (Normed, draw(3, 4)),
    "convnet": (
        lambda: Scored(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU()),
        draw(2, 3, 8, 8),
    ),
    "transformer": (
        lambda: Scored(torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)),
        draw(2, 5, 8),
    ),
}


def built(name):
    with in_float64():
        return MODELS[name][0]()


def trained(name):
    return training_program(name, lambda: built(name), MODELS[name][1])


def real(name):
    torch.manual_seed(0)
    return built(name), MODELS[name][1]()


@pytest.mark.numeric
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_gives_loss_gradients_and_update_of_the_plain_model(name):
    model, batch = real(name)
    optimizer = torch.optim.Adam(model.parameters())
    check_step(trained(name), model, batch, lambda loss: loss, optimizer)


@pytest.mark.numeric
@pytest.mark.parametrize("name", MODELS)
def test_a_forward_pass_gives_what_the_plain_model_gives(name):
    model, batch = real(name)
    program = inference_program(name, lambda: built(name).eval(), MODELS[name][1])
    results = program.run(program.bind(model.eval(), batch))
    assert_near(results["output:0"], model(*batch), LOSS)


@pytest.mark.parametrize("name", MODELS)
def test_steps_and_graph_are_numbered_alike(name):
    program = trained(name)
    graph = program.graph
    assert len(program.steps) == graph.num_ops
    uses = set(zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True))
    for op, step in enumerate(program.steps):
        assert step.op == op and step.name == graph.op_names[op]
        first, last = graph.op_tensor_ptr[op : op + 2].tolist()
        assert [tensor for tensor in step.tensors if tensor >= 0] == list(range(first, last))
        taken = {program.steps[value.op].tensors[value.position] for value in step.inputs}
        assert taken == {tensor for tensor, consumer in uses if consumer == op}
        assert (step.target is None) == (graph.op_types[graph.op_type[op]] in FREE)


FREE = ("parameter", "state", "buffer", "input", "getitem")


def test_the_tensors_made_have_the_graph_s_sizes():
    program = trained("transformer")
    made = {}
    for step, shape in zip(program.steps, program.graph.shape.tolist(), strict=True):
        if step.placeholder is not None:
            made[step.op] = (program.sample_inputs()[step.placeholder],)
        else:
            made[step.op] = step.call([made[v.op][v.position] for v in step.inputs])
        assert list(made[step.op][0].shape) == [side for side in shape if side >= 0]


def test_a_constant_and_a_device_of_the_arguments_move():
    program = trained("normed")
    (constant,) = (step for step in program.steps if step.constant is not None)
    assert constant.call([])[0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert constant.on("meta").call([])[0].device.type == "meta"

    class Made(torch.nn.Module):
        def forward(self, x):
            return x + torch.arange(3, device=x.device)

    made = inference_program("made", Made, lambda: [torch.ones(3)])
    (arange,) = (step for step in made.steps if "arange" in str(step.target))
    assert arange.on("meta").call([])[0].device.type == "meta"


def test_sample_inputs_fit_and_wrong_ones_are_refused():
    program = trained("rnnlm")
    inputs = program.sample_inputs(seed=1)
    assert torch.isfinite(program.run(inputs)["loss"])
    with pytest.raises(CaptureError, match="expected"):
        program.run(inputs[1:])
    with pytest.raises(CaptureError, match=r"input 0 \(parameter .*expected"):
        program.run([inputs[0].float(), *inputs[1:]])


def test_nan_in_a_model_is_said_in_one_line(recwarn):
    """An infinity is not: masks hold some."""

    def build():
        return torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))

    model, made = build(), inference_program("linear", build, lambda: [torch.randn(2, 3)])
    with torch.no_grad():
        model[0].bias[1] = float("inf")
    made.bind(model, [torch.randn(2, 3)])
    assert not [each for each in recwarn if each.category is CaptureWarning]
    with torch.no_grad():
        model[0].bias[1] = model[1].weight[2, 2] = float("nan")
    with pytest.warns(CaptureWarning, match=r"^parameter \S*bias and 1 more: NaN$"):
        made.bind(model, [torch.randn(2, 3)])
