"""capture.from_torch on models and functions of many kinds, against running them plainly."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from go_gym import capture  # noqa: E402
from go_gym.capture.around import modules_around  # noqa: E402
from go_gym.errors import CaptureError  # noqa: E402
from tests.capture.plain import check_step  # noqa: E402
from tests.numeric import along, assert_near, in_float64  # noqa: E402


def kinds_of(graph):
    return np.array(graph.op_types, dtype=object)[graph.op_type]


class Of(nn.Module):
    """A function of one tensor as a model with one parameter."""

    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.function(x * self.weight)


def written_in_place(x):
    y = torch.zeros(4, 8)
    y[0] = x[1]
    y[1] += x[2]
    return F.relu(y, inplace=True) * 2


MODELS = {
    "lstm": (lambda: nn.LSTM(8, 16), (5, 3, 8)),
    "gru": (lambda: nn.GRU(8, 16), (5, 3, 8)),
    "attention": (lambda: Of(lambda x: F.scaled_dot_product_attention(x, x, x)), (2, 4, 6, 8)),
    "causal": (
        lambda: Of(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
        (2, 4, 6, 8),
    ),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), (2, 5, 8)),
    "group norm": (lambda: nn.GroupNorm(2, 8), (4, 8, 4, 4)),
    "rms norm": (lambda: nn.RMSNorm(8), (4, 8)),
    "batch norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), (2, 3, 8, 8)),
    "transposed": (lambda: nn.ConvTranspose1d(8, 4, 3), (4, 8, 9)),
    "scans": (lambda: Of(lambda x: x.cumsum(0) + torch.logcumsumexp(x, 0) + x.sort(0)[0]), (4, 8)),
    "in place": (lambda: Of(written_in_place), (4, 8)),
    "complex": (
        lambda: Of(lambda x: torch.view_as_real(torch.view_as_complex(x) * (1 + 2j))),
        (4, 4, 2),
    ),
    "interpolate": (lambda: Of(lambda x: F.interpolate(x, scale_factor=2)), (1, 2, 4, 4)),
}
OPTIMIZERS = {
    "adam": ("adam", torch.optim.Adam),
    "Adam": (torch.optim.Adam, torch.optim.Adam),
    "AdamW": (torch.optim.AdamW, torch.optim.AdamW),
    "NAdam": (torch.optim.NAdam, torch.optim.NAdam),
    "RMSprop": (torch.optim.RMSprop, torch.optim.RMSprop),
}


def square(output):
    return output.square().mean()


def told_apart(output):
    return along(output[0] if isinstance(output, tuple) else output)


def exact(build):
    torch.manual_seed(0)
    with in_float64():
        return build()


def drawn(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.numeric
@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_each_kind_of_model_gives_the_plain_result(name):
    build, shape = MODELS[name]
    model, batch = exact(build), [drawn(*shape)]
    program = capture.torch_program(model, batch, optimizer="adam", loss=told_apart)
    graph = program.graph
    check_step(program, model, batch, told_apart, torch.optim.Adam(model.parameters()))
    assert not any(kind.split(".")[1].endswith("_") for kind in graph.op_types if "." in kind)
    updates = (graph.phase == 2) & (kinds_of(graph) != "getitem")
    groups = graph.colocation[kinds_of(graph) == "parameter"]
    assert set(graph.colocation[updates].tolist()) == set(groups.tolist()) and (groups >= 0).all()


@pytest.mark.numeric
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_update_as_torch_does(name):
    model, batch = exact(lambda: nn.Linear(4, 3)), [drawn(2, 4)]
    given, plain = OPTIMIZERS[name]
    program = capture.torch_program(model, batch, optimizer=given, loss=square)
    check_step(program, model, batch, square, plain(model.parameters()))


@pytest.mark.numeric
def test_an_optimizer_s_own_settings_are_kept():
    model, batch = exact(lambda: nn.Linear(4, 3)), [drawn(2, 4)]
    groups = [{"params": [model.weight], "lr": 0.5}, {"params": [model.bias], "weight_decay": 0.1}]
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    program = capture.torch_program(model, batch, optimizer=optimizer, loss=square)
    results = check_step(program, model, batch, square, optimizer)
    assert "momentum_buffer:weight" in results


@pytest.mark.numeric
def test_running_statistics_become_results_or_are_written_where_they_lie():
    model, batch = exact(lambda: nn.BatchNorm1d(4)), [drawn(6, 4)]
    program = capture.torch_program(model, batch)
    inputs = program.bind(model, batch)
    results = program.run(inputs)
    model(*batch)
    assert torch.equal(results["buffer:num_batches_tracked"], model.num_batches_tracked)
    given = {each.name: value for each, value in zip(program.inputs, inputs, strict=True)}
    for name in ("running_mean", "running_var"):
        assert_near(given[name], model.get_buffer(name), 6, what=name)


@pytest.mark.numeric
def test_loss_takes_the_target():
    model, labels = exact(lambda: nn.Linear(4, 3)), torch.tensor([0, 2])
    batch = [drawn(2, 4)]
    program = capture.torch_program(
        model, batch, optimizer="sgd", loss=F.cross_entropy, target=labels
    )
    results = program.run(program.bind(model, [*batch, labels]))
    assert_near(results["loss"], F.cross_entropy(model(*batch), labels), 4)


@pytest.mark.numeric
def test_arguments_may_be_given_by_name():
    class Named(nn.Linear):
        def forward(self, *, ids, scale=1.0):
            return super().forward(ids) * scale

    model, x = exact(lambda: Named(4, 3)), drawn(2, 4)
    program = capture.torch_program(model, {"ids": x, "scale": 2.0})
    results = program.run(program.bind(model, [x]))
    assert_near(results["output:0"], model(ids=x, scale=2.0), 4)


def test_frozen_parameters_are_resident_and_not_updated():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    program = capture.torch_program(model, [torch.zeros(2, 4)], optimizer="adam", loss=square)
    kinds = kinds_of(program.graph)
    assert program.graph.parameter_bytes[kinds == "parameter"].sum() == (16 + 4 + 8 + 2) * 4
    assert program.graph.parameter_bytes[kinds == "state"].sum() == 2 * (8 + 2) * 4
    assert {name for name in program.outputs if "parameter:" in name} == {
        "parameter:1.weight",
        "parameter:1.bias",
    }


def test_a_function_may_use_modules_around_it_and_nested_tensors():
    embed, head = nn.Embedding(10, 4), nn.Linear(4, 4)

    def step(pair, scale):
        return {"scores": head(embed(pair["tokens"])) * scale}

    assert set(modules_around(step)) == {"embed", "head"}
    graph = capture.from_torch(step, [{"tokens": torch.zeros(2, 3, dtype=torch.long)}, 0.5])
    kinds = kinds_of(graph)
    assert graph.name == "step"
    assert graph.parameter_bytes[kinds == "parameter"].sum() == (40 + 16 + 4) * 4
    assert {"embed", "head"} <= set(graph.layers)
    trained = capture.from_torch(
        lambda x: head(x).square().sum(), [torch.zeros(2, 4)], optimizer="sgd"
    )
    assert set(trained.phase.tolist()) == {0, 1, 2}


@pytest.mark.numeric
def test_a_function_that_calls_backward_itself_has_phases():
    def step(weight, x):
        weight = weight.detach().requires_grad_()
        (gradient,) = torch.autograd.grad((x @ weight).square().sum(), weight)
        return weight.detach() - 0.1 * gradient

    program = capture.torch_program(step, [torch.zeros(4, 3), torch.zeros(2, 4)])
    assert set(program.graph.phase.tolist()) == {0, 1, 2}
    torch.manual_seed(0)
    weight, x = torch.randn(4, 3), torch.randn(2, 4)
    results = program.run([weight, x])
    assert_near(results["output:0"], weight - 0.1 * 2 * x.T @ (x @ weight), 8)


def test_a_model_on_the_meta_device_is_captured():
    with torch.device("meta"):
        model = nn.Linear(10**6, 10**5)  # 400 GB
    graph = capture.from_torch(model, [torch.empty(4, 10**6, device="meta")])
    assert graph.parameter_bytes.sum() == (10**11 + 10**5) * 4


class Branching(nn.Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else x


class Measuring(nn.Linear):
    def forward(self, x):
        return super().forward(x) * x.max().item()


class Choosing(nn.Linear):
    def forward(self, x):
        return x[x > 0]


class Deciding(nn.Linear):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))


class Drawing(nn.Linear):
    def forward(self, x):
        return x + torch.randn(4, generator=torch.Generator())


class Misfit(nn.Linear):
    def forward(self, x):
        return super().forward(x.T)


@pytest.mark.parametrize(
    ("model", "line", "advice"),
    [
        (Branching, "if x.sum() > 0", "torch.where"),
        (Measuring, "x.max().item()", "plain number"),
        (Choosing, "return x[x > 0]", "mask of fixed shape"),
        (Deciding, "return torch.cond", "leave out torch.cond"),
        (Drawing, "torch.randn(4, generator", "generators of your own"),
        (Misfit, "super().forward(x.T)", "same reduction dim"),
    ],
)
def test_what_cannot_be_traced_is_named_with_its_line(model, line, advice, capfd):
    with pytest.raises(CaptureError) as caught:
        capture.from_torch(model(4, 4), [torch.zeros(2, 4)])
    message = str(caught.value)
    assert __file__ in message and line in message, message
    assert advice in message and "\n" not in message, message
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamw"}, "expected 'adam', 'sgd'"),
        ({"optimizer": torch.optim.LBFGS}, "LBFGS cannot be captured"),
        ({"optimizer": "adam"}, "expected a scalar: reduce it"),
        ({"optimizer": "adam", "loss": lambda y: float(3)}, "loss is a float"),
        ({"optimizer": "adam", "loss": lambda y: torch.zeros(())}, "depends on no parameter"),
        ({"loss": square}, "without optimizer"),
        (
            {"optimizer": torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)},
            "not the model's",
        ),
    ],
)
def test_options_that_do_not_fit_are_named(options, message):
    with pytest.raises(CaptureError, match=message):
        capture.from_torch(nn.Linear(4, 4), [torch.zeros(2, 4)], **options)


def test_wrong_arguments_are_named():
    with pytest.raises(CaptureError, match="no model and no function"):
        capture.from_torch(3, [])
    with pytest.raises(CaptureError, match="expected a list or tuple"):
        capture.from_torch(nn.Linear(4, 4), torch.zeros(2, 4))
    with pytest.raises(CaptureError, match="gives no tensor"):
        capture.from_torch(lambda x: None, [torch.zeros(2)])
    frozen = nn.Linear(4, 4).requires_grad_(False)
    with pytest.raises(CaptureError, match="no parameter requires a gradient"):
        capture.from_torch(frozen, [torch.zeros(2, 4)], optimizer="adam", loss=square)
