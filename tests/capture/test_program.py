"""The captured program, run op by op on real tensors, against the plain model and optimizer."""

import pytest

torch = pytest.importorskip("torch")

from go_gym.capture import inference_program, training_program  # noqa: E402
from go_gym.catalogue.zoo import rnnlm  # noqa: E402
from go_gym.errors import CaptureError  # noqa: E402

from .test_training import SMALL, Normed  # noqa: E402

MODELS = {
    "rnnlm": (lambda: rnnlm.build(SMALL), lambda: rnnlm.inputs(SMALL)),
    "normed": (Normed, lambda: [torch.randn(3, 4)]),
    "convnet": (
        lambda: Scored(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU()),
        lambda: [torch.randn(2, 3, 8, 8)],
    ),
    "transformer": (
        lambda: Scored(torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)),
        lambda: [torch.randn(2, 5, 8)],
    ),
}


class Scored(torch.nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.body = torch.nn.Sequential(*modules)

    def forward(self, x):
        return self.body(x).square().mean()


def real(name):
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    return build(), list(inputs())


@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_gives_loss_gradients_and_update_of_the_plain_model(name):
    model, batch = real(name)
    program = training_program(name, *MODELS[name])
    results = program.run(program.bind(model, batch))

    optimizer = torch.optim.Adam(model.parameters())
    loss = model(*batch)
    loss.backward()
    optimizer.step()
    torch.testing.assert_close(results["loss"], loss.detach())
    for path, parameter in model.named_parameters():
        torch.testing.assert_close(results[f"gradient:{path}"], parameter.grad)
        torch.testing.assert_close(results[f"parameter:{path}"], parameter.detach())
        moment = optimizer.state[parameter]["exp_avg"]
        torch.testing.assert_close(results[f"first_moment:{path}"], moment)


@pytest.mark.parametrize("name", MODELS)
def test_a_forward_pass_gives_what_the_plain_model_gives(name):
    model, batch = real(name)
    program = inference_program(name, lambda: MODELS[name][0]().eval(), MODELS[name][1])
    results = program.run(program.bind(model.eval(), batch))
    torch.testing.assert_close(results["output:0"], model(*batch).detach())


@pytest.mark.parametrize("name", MODELS)
def test_steps_and_graph_are_numbered_alike(name):
    program = training_program(name, *MODELS[name])
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
    program = training_program("transformer", *MODELS["transformer"])
    made = {}
    for step, shape in zip(program.steps, program.graph.shape.tolist(), strict=True):
        if step.placeholder is not None:
            made[step.op] = (program.sample_inputs()[step.placeholder],)
        else:
            made[step.op] = step.call([made[v.op][v.position] for v in step.inputs])
        assert list(made[step.op][0].shape) == [side for side in shape if side >= 0]


def test_a_constant_and_a_device_of_the_arguments_move():
    program = training_program("normed", *MODELS["normed"])
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
    program = training_program("rnnlm", *MODELS["rnnlm"])
    inputs = program.sample_inputs(seed=1)
    assert torch.isfinite(program.run(inputs)["loss"])
    with pytest.raises(CaptureError, match="expected"):
        program.run(inputs[1:])
    with pytest.raises(CaptureError, match=r"input 0 \(parameter .*expected"):
        program.run([inputs[0].double(), *inputs[1:]])
