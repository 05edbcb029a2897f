"""The models of the zoo against their papers, and their catalogue."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from go_gym import datasets  # noqa: E402
from go_gym.errors import DatasetError  # noqa: E402
from go_gym.zoo import build, inception, rnnlm  # noqa: E402
from go_gym.zoo.catalogue import ENTRIES  # noqa: E402

TINY = rnnlm.Settings(layers=2, hidden=8, vocabulary=11, steps=3, batch=2)
GRIDS = {  # Szegedy et al. 2016, table 1: channels and side after each stage
    "stem_a": (64, 147),
    "stem_b": (192, 71),
    "cells.2": (288, 35),
    "cells.3": (768, 17),
    "cells.7": (768, 17),
    "cells.8": (1280, 8),
    "cells.10": (2048, 8),
}


def types_of(graph):
    return np.array(graph.op_types, dtype=object)[graph.op_type]


def test_the_catalogue_is_the_committed_one():
    assert sorted(ENTRIES) == datasets.names()
    for name, entry in ENTRIES.items():
        assert datasets.info(name).family == entry.family
        metadata = datasets.load(name).metadata
        assert metadata["source"] == entry.source and metadata["settings"]["batch"] > 0


def test_inception_s_grids_are_those_of_table_1():
    settings = inception.Settings(batch=1)
    seen = {}
    with FakeTensorMode():
        model = inception.build(settings)
        for path, module in model.named_modules():
            if path in GRIDS:
                module.register_forward_hook(
                    lambda module, args, out, path=path: seen.update({path: tuple(out.shape)})
                )
        model(*inception.inputs(settings))
    assert seen == {path: (1, wide, side, side) for path, (wide, side) in GRIDS.items()}


def test_the_lstm_cell_is_torch_s():
    torch.manual_seed(0)
    ours, theirs = rnnlm.LSTMCell(8), torch.nn.LSTMCell(8, 8)
    write, candidate, keep, output = ours.gates.weight.detach().chunk(4)
    with torch.no_grad():  # torch's order of gates: write, keep, candidate, output
        both = torch.cat([write, keep, candidate, output])
        theirs.weight_ih.copy_(both[:, :8])
        theirs.weight_hh.copy_(both[:, 8:])
        bias = ours.gates.bias.chunk(4)
        theirs.bias_ih.copy_(torch.cat([bias[0], bias[2], bias[1], bias[3]]))
        theirs.bias_hh.zero_()
    x, hidden, cell = torch.randn(3, 2, 8)
    torch.testing.assert_close(ours(x, hidden, cell), theirs(x, (hidden, cell)))


def test_an_untrained_language_model_guesses():
    """The first loss is that of a uniform guess over the words."""
    torch.manual_seed(0)
    words = torch.randint(0, 11, (2, 3))
    with torch.no_grad():
        loss = rnnlm.build(TINY)(words, words)
    assert float(loss) == pytest.approx(np.log(11), rel=0.15)


@pytest.mark.parametrize("layers", [2, 4, 8])
def test_rnnlm_s_parameters_by_formula(layers):
    hidden, vocabulary = 2048, 10_000
    cell = 4 * hidden * (2 * hidden + 1)
    count = vocabulary * hidden + layers * cell + vocabulary * (hidden + 1)
    graph = datasets.load(f"rnnlm-{layers}")
    assert graph.parameter_bytes.sum() == 3 * 4 * count


@pytest.mark.parametrize("layers", [2, 4, 8])
def test_rnnlm_s_products_by_formula(layers):
    hidden, vocabulary, steps, batch = 2048, 10_000, 50, 64
    forward = 2 * batch * steps * (layers * 8 * hidden * hidden + hidden * vocabulary)
    graph = datasets.load(f"rnnlm-{layers}")
    products = np.isin(types_of(graph), ["aten.mm", "aten.addmm"])
    assert graph.flops[products & (graph.phase == 0)].sum() == forward
    assert graph.flops[products & (graph.phase == 1)].sum() == 2 * forward


def test_inception_s_backward_products_equal_torch_s_counter():
    entry = ENTRIES["inception-b32"]
    with FakeTensorMode():
        model = entry.module.build(entry.settings)
        inputs = entry.module.inputs(entry.settings)
        with FlopCounterMode(display=False) as counter:
            torch.autograd.grad(model(*inputs), list(model.parameters()))
    graph = datasets.load("inception-b32")
    kinds = ["aten.mm", "aten.addmm", "aten.convolution", "aten.convolution_backward"]
    heavy = np.isin(types_of(graph), kinds)
    assert graph.flops[heavy].sum() == counter.get_total_flops()


def test_batch_scales_what_it_should():
    """Twice the images: twice the products, the same parameters and the same ops."""
    small, large = datasets.load("inception-b32"), datasets.load("inception-b64")
    assert small.op_names == large.op_names
    heavy = np.char.startswith(types_of(small).astype(str), "aten.convolution")
    assert (2 * small.flops[heavy] == large.flops[heavy]).all()
    assert (small.parameter_bytes == large.parameter_bytes).all()


def test_layer_tags():
    assert rnnlm.layer_of("lstm.3.gates") == "lstm.3"
    assert rnnlm.layer_of("embedding") == "embedding" and rnnlm.layer_of("") == "softmax"
    assert inception.layer_of("cells.10.three.1.norm") == "cells.10"
    assert inception.layer_of("stem_a.0") == "stem_a" and inception.layer_of("") is None
    assert inception.layer_of("dropout") == "classifier"


def test_only_graphs_of_the_catalogue_are_built(tmp_path):
    with pytest.raises(DatasetError, match="rnnlm-2"):
        build.build_datasets(["rnnlm-3"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_building_writes_what_changed_and_checking_writes_nothing(tmp_path, monkeypatch):
    entry = ENTRIES["rnnlm-2"]
    tiny = type(entry)(entry.family, entry.module, TINY, entry.what, entry.source)
    monkeypatch.setitem(ENTRIES, "rnnlm-2", tiny)
    assert build.build_datasets(["rnnlm-2"], tmp_path, check=True) == ["rnnlm-2"]
    assert list(tmp_path.iterdir()) == []
    assert build.build_datasets(["rnnlm-2"], tmp_path) == ["rnnlm-2"]
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(files) == ["README.md", "manifest.csv", "rnnlm-2.npz"]
    assert build.build_datasets(["rnnlm-2"], tmp_path) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
