"""Captured graphs against the models that they come from and against published counts."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from go_gym.capture.steps import capture_training_step  # noqa: E402
from go_gym.catalogue import datasets  # noqa: E402
from go_gym.catalogue.zoo import inception, rnnlm  # noqa: E402
from go_gym.errors import CaptureError, CaptureWarning  # noqa: E402
from go_gym.graph import Alias, Outlives  # noqa: E402

NAMES = ["rnnlm-2", "inception-b32"]
SMALL = rnnlm.Settings(layers=2, hidden=16, vocabulary=50, steps=3, batch=4)
MODELS = {
    "rnnlm-2": (rnnlm, rnnlm.Settings(2)),
    "inception-b32": (inception, inception.Settings(32)),
}


def small():
    return capture_training_step(
        "small", lambda: rnnlm.build(SMALL), lambda: rnnlm.inputs(SMALL), rnnlm.layer_of
    )


def types_of(graph):
    return np.array(graph.op_types, dtype=object)[graph.op_type]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_model_s(name):
    module, settings = MODELS[name]
    with FakeTensorMode():
        sizes = [p.numel() * p.element_size() for p in module.build(settings).parameters()]
    graph = datasets.load(name)
    kinds = types_of(graph)
    assert graph.parameter_bytes[kinds == "parameter"].sum() == sum(sizes)
    assert graph.parameter_bytes[kinds == "state"].sum() == 2 * sum(sizes)
    assert graph.parameter_bytes.sum() == 3 * sum(sizes)


def test_inception_has_the_published_size():
    """23.8 million weights (Szegedy et al. 2016: under 25) and 5.7 billion products an image."""
    graph = datasets.load("inception-b32")
    weights = graph.parameter_bytes[types_of(graph) == "parameter"].sum() / 4
    assert weights == pytest.approx(23.8e6, rel=0.01)
    products = graph.flops[(graph.phase == 0) & (types_of(graph) == "aten.convolution")].sum()
    assert products / 2 / 32 == pytest.approx(5.7e9, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_product_flops_equal_torch_s_counter(name):
    module, settings = MODELS[name]
    with FakeTensorMode(), FlopCounterMode(display=False) as counter:
        module.build(settings)(*module.inputs(settings))
    graph = datasets.load(name)
    heavy = np.isin(types_of(graph), ["aten.mm", "aten.addmm", "aten.convolution"])
    assert graph.flops[heavy & (graph.phase == 0)].sum() == counter.get_total_flops()


@pytest.mark.parametrize("name", NAMES)
def test_structure(name):
    graph = datasets.load(name)
    kinds = types_of(graph)
    views = np.isin(kinds, ["getitem", "aten.t", "aten.detach", "aten.view", "aten.slice.Tensor"])
    assert views.any() and graph.is_free[views].all()
    assert (graph.tensor_alias[views[graph.tensor_producer]] >= 0).all()
    resident = np.isin(kinds, ["parameter", "state"])
    assert (graph.tensor_alias[resident[graph.tensor_producer]] == Alias.PARAMETER).all()
    assert (graph.layer >= 0).all()
    assert set(graph.phase.tolist()) == {0, 1, 2}
    assert graph.metadata["raw_ops"] == graph.num_ops
    assert graph.metadata["contracted_ops"] == (~graph.is_free).sum()


@pytest.mark.parametrize("name", NAMES)
def test_optimizer_stays_with_its_parameter(name):
    graph = datasets.load(name)
    kinds = types_of(graph)
    optimizer = (graph.phase == 2) & (kinds != "getitem")
    groups = set(graph.colocation[kinds == "parameter"].tolist())
    assert -1 not in groups and len(groups) == (kinds == "parameter").sum()
    assert set(graph.colocation[optimizer].tolist()) == groups
    assert set(graph.colocation[kinds == "state"].tolist()) == groups


@pytest.mark.parametrize("name", NAMES)
def test_no_dead_ops(name):
    """Every op leads to a parameter's update or to the loss."""
    graph = datasets.load(name)
    useful = np.zeros(graph.num_ops, dtype=bool)
    used = np.zeros(graph.num_ops, dtype=bool)
    used[graph.use_producer] = True
    sinks = np.flatnonzero(~used)
    useful[sinks] = True
    order = np.argsort(-graph.use_consumer, kind="stable")
    for use in order.tolist():
        useful[graph.use_producer[use]] |= useful[graph.use_consumer[use]]
    assert useful.all()
    losses = sinks[graph.phase[sinks] != 2]
    assert len(losses) <= 2  # the loss, detached


def test_layers_follow_the_modules():
    graph = small()
    assert graph.layers == ("embedding", "lstm.0", "lstm.1", "softmax")
    kinds = types_of(graph)
    products = kinds == "aten.addmm"  # one a step in each LSTM layer and in the softmax
    assert np.bincount(graph.layer[products], minlength=4).tolist() == [0, 3, 3, 3]
    backward = (kinds == "aten.mm") & (graph.phase == 1)
    assert np.bincount(graph.layer[backward], minlength=4).tolist() == [0, 6, 6, 6]


def test_captures_are_equal_here_and_in_another_process():
    code = "from tests.capture.test_training import small; print(small().content_hash)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert small().content_hash == small().content_hash == other.stdout.strip()


def test_memory_of_one_device_is_that_of_live_tensors():
    """Peak above parameters: at least all that backward reads from forward, at most its double."""
    import go_gym

    graph = datasets.load("inception-b32")
    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))
    whole = go_gym.Decision(placement=np.zeros(graph.num_ops, dtype=int))
    peak = int(go_gym.simulate(problem, whole).peak_memory[0]) - int(graph.parameter_bytes.sum())
    own = graph.tensor_alias == Alias.OWN
    forward = graph.phase[graph.tensor_producer] == 0
    last = np.zeros(graph.num_tensors, dtype=bool)
    last[graph.use_tensor[graph.phase[graph.use_consumer] == 1]] = True
    saved = int(graph.tensor_bytes[own & forward & last].sum())
    assert saved <= peak <= 2 * saved


def test_what_cannot_be_traced_is_named():
    class Branching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

        def forward(self, x):
            return (self.weight * x).sum() if x.sum() > 0 else x.sum()

    with pytest.raises(CaptureError, match="branching"):
        capture_training_step("branching", Branching, lambda: [torch.ones(3)])


class Normed(torch.nn.Module):
    """Batch normalisation with running statistics, and a constant of the program's own."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.norm = torch.nn.BatchNorm1d(4)

    def forward(self, x):
        return (self.norm(self.layer(x)) * torch.tensor([1.0, 2.0, 3.0, 4.0])).sin().sum()


def test_buffers_and_constants_are_resident():
    graph = capture_training_step("normed", Normed, lambda: [torch.zeros(3, 4)])
    buffers = types_of(graph) == "buffer"
    names = {name for name, is_buffer in zip(graph.op_names, buffers, strict=True) if is_buffer}
    running = {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert {f"buffer:{name}" for name in running} < names and len(names) == 4
    assert graph.parameter_bytes[buffers].sum() == 16 + 16 + 8 + 16
    assert (graph.tensor_alias[buffers[graph.tensor_producer]] == Alias.PARAMETER).all()
    assert graph.is_free[buffers].all()


def test_in_place_ops_share_storage_and_device_with_their_target():
    graph = datasets.load("inception-b32")
    kinds = types_of(graph)
    for kind in ("aten.bernoulli_.float", "aten.div_.Scalar"):  # dropout's mask
        (op,) = np.flatnonzero(kinds == kind)
        (tensor,) = np.flatnonzero(graph.tensor_producer == op)
        target = graph.tensor_producer[graph.tensor_alias[tensor]]
        assert graph.colocation[op] == graph.colocation[target] >= 0
        assert not graph.is_free[op]


def test_getitems_stay_with_their_producer():
    graph = datasets.load("inception-b32")
    picks = types_of(graph)[graph.use_consumer] == "getitem"
    groups = graph.colocation[graph.use_consumer[picks]]
    assert (groups == graph.colocation[graph.use_producer[picks]]).all() and (groups >= 0).all()


def test_no_phase_feeds_an_earlier_one():
    for name in NAMES:
        graph = datasets.load(name)
        assert (graph.phase[graph.use_producer] <= graph.phase[graph.use_consumer]).all()


def test_a_parameter_without_gradient_is_named():
    class Unused(Normed):
        def forward(self, x):
            return self.layer(x).sum()

    with pytest.warns(CaptureWarning, match=r"does not reach norm\.weight, norm\.bias"):
        graph = capture_training_step("unused", Unused, lambda: [torch.zeros(3, 4)])
    assert graph.parameter_bytes[types_of(graph) == "state"].sum() == 2 * (16 + 4) * 4


def test_a_loss_that_is_no_scalar_is_refused():
    with pytest.raises(CaptureError, match="scalar"):
        capture_training_step("v", lambda: torch.nn.Linear(4, 4), lambda: [torch.zeros(3, 4)])


def test_tracing_leaves_torch_as_it_was():
    from torch.fx.experimental.proxy_tensor import PythonKeyTracer

    before = PythonKeyTracer.create_node
    small()
    with pytest.raises(CaptureError):
        capture_training_step("v", lambda: torch.nn.Linear(4, 4), lambda: [torch.zeros(3, 4)])
    assert PythonKeyTracer.create_node is before


def test_importing_the_package_imports_no_torch():
    code = "import sys, go_gym.capture, go_gym.catalogue.build; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_results_are_parameters_states_and_the_loss():
    """New parameters and moments are written over the old; gradients are used up."""
    graph = small()
    kinds, lasting = types_of(graph)[graph.tensor_producer], graph.tensor_outlives
    resident = graph.tensor_alias == Alias.PARAMETER
    replaced = graph.tensor_bytes[resident & np.isin(kinds, ["parameter", "state"])]
    written = graph.tensor_bytes[lasting == Outlives.IN_PLACE]
    assert sorted(written.tolist()) == sorted(replaced.tolist()) and len(written) > 0
    (loss,) = np.flatnonzero(lasting == Outlives.HELD)
    assert graph.tensor_bytes[loss] == 4 and kinds[loss] == "aten.detach"
