"""Functions that differentiate and update their own model, checkpoints and compiled layers."""

import copy
import functools
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from go_gym import capture  # noqa: E402
from go_gym.capture.around import modules_around  # noqa: E402
from go_gym.errors import CaptureError, CaptureWarning  # noqa: E402
from tests.capture.test_model import kinds_of  # noqa: E402


def square(output):
    return output.square().mean()


class Checkpointed(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.block = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.how = how

    def forward(self, x):
        x = self.first(x)
        if self.how is None:
            return square(self.block(x))
        return square(checkpoint(self.block, x, use_reentrant=self.how))


def bytes_by_kind(graph):
    kinds = kinds_of(graph)
    return {
        kind: int(graph.parameter_bytes[kinds == kind].sum())
        for kind in ("parameter", "state", "buffer")
    }


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_checkpointed_layer_runs_again_in_the_backward_phase(reentrant, device):
    x = torch.zeros(4, 16)

    def graph(how):
        with torch.device(device):
            model = Checkpointed(how)
        return capture.from_torch(model, [x], optimizer="adam")

    plain, again = graph(None), graph(reentrant)
    assert bytes_by_kind(again) == bytes_by_kind(plain)
    model = Checkpointed(reentrant)
    with FlopCounterMode(display=False) as counter:
        model(x).backward()
    products = np.isin(kinds_of(again), ["aten.mm", "aten.addmm"])
    dead = 2 * 4 * 32 * 16 if reentrant else 0  # the block's result, which nothing reads again
    assert again.flops[products].sum() == counter.get_total_flops() - dead
    extra = products & (kinds_of(again) == "aten.addmm") & (again.phase == 1)
    assert extra.any()
    assert {again.layers[layer] for layer in again.layer[extra]} == {"block.0"}
    forward = [each.flops[each.phase == 0].sum() for each in (plain, again)]
    assert forward[0] == forward[1]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adagrad, torch.optim.SGD])
def test_a_function_that_steps_its_optimizer_gives_what_it_does(kind):
    torch.manual_seed(0)
    model, x = nn.Linear(8, 4), torch.randn(2, 8)
    optimizer = kind(model.parameters(), lr=0.01)

    def step(x):
        optimizer.zero_grad()
        loss = square(model(x))
        loss.backward()
        optimizer.step()
        return loss

    state = optimizer.state
    program = capture.torch_program(step, [x])
    assert set(program.graph.phase.tolist()) == {0, 1, 2}
    assert optimizer.state is state and optimizer.param_groups[0]["params"][0] is model.weight
    given = program.bind(nn.ModuleDict({"model": model}), [x])
    results = program.run(given)
    loss = step(x)
    torch.testing.assert_close(results["output:0"], loss.detach())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(results[f"parameter:model.{name}"], parameter.detach())
    updates = (program.graph.phase == 2) & (kinds_of(program.graph) != "getitem")
    trained = program.graph.colocation[kinds_of(program.graph) == "parameter"]
    assert set(program.graph.colocation[updates].tolist()) >= set(trained.tolist()) != {-1}


def test_a_function_may_take_the_gradients_of_its_model():
    model, x = nn.Linear(8, 4), torch.randn(2, 8)

    def step(x):
        return torch.autograd.grad(square(model(x)), list(model.parameters()))

    program = capture.torch_program(step, [x])
    results = program.run(program.bind(nn.ModuleDict({"model": model}), [x]))
    for number, expected in enumerate(step(x)):
        torch.testing.assert_close(results[f"output:{number}"], expected)


def test_the_second_forward_of_accumulated_gradients_is_forward():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(first, second):
        for batch in (first, second):
            square(model(batch)).backward()
        optimizer.step()
        return first

    graph = capture.from_torch(step, [torch.zeros(2, 8), torch.zeros(2, 8)])
    products = kinds_of(graph) == "aten.addmm"
    assert graph.phase[products].tolist() == [0, 0]
    assert (graph.phase == 2).any()


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.pooler = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        return square(self.used(x))


def test_a_parameter_that_the_loss_does_not_reach_is_not_updated():
    model = Pooled()
    with pytest.warns(CaptureWarning, match=r"does not reach pooler\.weight, pooler\.bias"):
        program = capture.torch_program(model, [torch.zeros(2, 8)], optimizer="adam")
    model(torch.zeros(2, 8)).backward()
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.step()
    kept = [each for state in optimizer.state.values() for each in state.values() if each.dim()]
    held = bytes_by_kind(program.graph)
    assert held["state"] == sum(each.numel() * 4 for each in kept)
    assert held["parameter"] == sum(each.numel() * 4 for each in model.parameters())
    assert not any("pooler" in name for name in program.outputs)
    assert torch.isfinite(program.run(program.sample_inputs())["loss"])


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_compiled_models_layers_and_functions_run_as_they_were_written():
    plain = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    compiled, inside = copy.deepcopy(plain), copy.deepcopy(plain)
    compiled.compile()
    inside[0] = torch.compile(inside[0])
    function = torch.compile(lambda x: plain(x) + 1)
    x = [torch.zeros(2, 8)]
    expected = capture.from_torch(plain, x).num_ops
    assert capture.from_torch(compiled, x).num_ops == expected
    graph = capture.from_torch(inside, x)
    assert graph.num_ops == expected and set(graph.layers) == {"0", "1"}
    assert "parameter" in kinds_of(capture.from_torch(lambda x: function(x), x))


def test_modules_are_found_in_lists_mappings_partials_and_functions():
    layers = [nn.Linear(8, 8) for _ in range(2)]
    named = {"a.b": nn.Linear(8, 8)}

    def through(x):
        return named["a.b"](x)

    def run(x, scale):
        for layer in layers:
            x = layer(x)
        return through(x) * scale

    assert set(modules_around(run)) == {"layers.0", "layers.1", "through.named.a_b"}
    graph = capture.from_torch(functools.partial(run, scale=2.0), [torch.zeros(2, 8)])
    assert bytes_by_kind(graph) == {"parameter": 3 * (64 + 8) * 4, "state": 0, "buffer": 0}
    assert {"layers.0", "layers.1"} <= set(graph.layers)


class Listing(nn.Module):
    """Its layers are in a plain list: torch does not know them, and trains none."""

    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(8, 8)]

    def forward(self, x):
        return self.hidden[0](x)


def test_weights_that_no_module_registers_are_still_parameters():
    graph = capture.from_torch(Listing(), [torch.zeros(2, 8)])
    assert bytes_by_kind(graph) == {"parameter": (64 + 8) * 4, "state": 0, "buffer": 0}


@pytest.mark.parametrize("make", [nn.Embedding, nn.EmbeddingBag])
def test_sparse_gradients_are_refused_by_the_layer_s_name(make):
    class Tabled(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = make(100, 16, sparse=True)

        def forward(self, ids):
            return square(self.table(ids))

    ids = torch.zeros(8, 2, dtype=torch.long)
    with pytest.raises(CaptureError, match=r"layer table .* sparse=False"):
        capture.from_torch(Tabled(), [ids], optimizer="sgd")
    assert capture.from_torch(Tabled(), [ids]).num_ops > 1


def test_a_grouped_product_in_float32_says_what_works():
    def experts(x, weight, ends):
        return nn.functional.grouped_mm(x, weight, offs=ends)

    ends = torch.tensor([8, 16], dtype=torch.int32)
    given = [torch.zeros(16, 32), torch.zeros(2, 32, 32), ends]
    with pytest.raises(CaptureError, match=r"test_functions\.py:\d+.*torch\.bfloat16"):
        capture.from_torch(experts, given)
    halves = [each.to(torch.bfloat16) for each in given[:2]]
    assert capture.from_torch(experts, [*halves, ends]).num_ops > 1


def test_layers_of_other_packages_are_named_where_they_fail():
    geometric = pytest.importorskip("torch_geometric.nn")
    edges = torch.zeros(2, 200, dtype=torch.long)
    given = [torch.zeros(50, 16), edges]
    with pytest.raises(CaptureError, match=r"torch_geometric.*add_self_loops=False"):
        capture.from_torch(geometric.GCN(16, 32, 2, 5), given)
    for model in (
        geometric.GCN(16, 32, 2, 5, add_self_loops=False),
        geometric.GAT(16, 32, 2, 5, add_self_loops=False),
        geometric.GraphSAGE(16, 32, 2, 5),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error", CaptureWarning)
            assert capture.from_torch(model, given).parameter_bytes.sum() > 0
