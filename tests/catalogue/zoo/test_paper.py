"""The models of the zoo against their papers, and their catalogue."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from go_gym.catalogue import build, datasets  # noqa: E402
from go_gym.catalogue.models import ENTRIES  # noqa: E402
from go_gym.catalogue.zoo import (  # noqa: E402
    amoebanet,
    gnmt,
    inception,
    rnnlm,
    transformer_xl,
    wavenet,
)
from go_gym.errors import DatasetError  # noqa: E402
from tests.numeric import assert_near  # noqa: E402

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
        assert metadata["settings"]
        assert metadata["source"] == entry.source


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


@pytest.mark.numeric
def test_the_lstm_cell_is_torch_s():
    torch.manual_seed(0)
    ours, theirs = rnnlm.LSTMCell(8).double(), torch.nn.LSTMCell(8, 8).double()
    write, candidate, keep, output = ours.gates.weight.detach().chunk(4)
    with torch.no_grad():  # torch's order of gates: write, keep, candidate, output
        both = torch.cat([write, keep, candidate, output])
        theirs.weight_ih.copy_(both[:, :8])
        theirs.weight_hh.copy_(both[:, 8:])
        bias = ours.gates.bias.chunk(4)
        theirs.bias_ih.copy_(torch.cat([bias[0], bias[2], bias[1], bias[3]]))
        theirs.bias_hh.zero_()
    x, hidden, cell = torch.randn(3, 2, 8, dtype=torch.float64)
    for found, expected in zip(ours(x, hidden, cell), theirs(x, (hidden, cell)), strict=True):
        assert_near(found, expected, 16)


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
    made = partial(build.build_datasets, ["rnnlm-2"], tmp_path, apart=False)

    def files():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert made(check=True) == ["rnnlm-2"] and files() == {}
    assert made() == ["rnnlm-2"]
    first = files()
    names = ["README.md", "build.csv", "manifest.csv", "rnnlm-2.npz", "rnnlm-2.png"]
    assert sorted(path.name for path in first) == names
    assert made() == [] and files() == first


def products_of_convolutions(graph, kind):
    chosen = types_of(graph) == kind
    return int(graph.flops[chosen].sum()) // 2


def test_amoebanet_is_as_large_as_published():
    """Real et al. 2019, table 2: N = 4, F = 50 has 5.1 M weights and 555 M products an image."""
    graph = datasets.load("amoebanet")
    weights = int(graph.parameter_bytes.sum()) / 12
    assert weights == pytest.approx(5.1e6, rel=0.03)
    forward = products_of_convolutions(graph, "aten.convolution")
    assert forward / 128 == pytest.approx(555e6, rel=0.04)
    backward = products_of_convolutions(graph, "aten.convolution_backward")
    assert backward == pytest.approx(2 * forward, rel=0.02)  # the images need no gradient


@pytest.mark.parametrize("layers", [2, 4, 8])
def test_gnmt_s_parameters_by_formula(layers):
    h, words = 1024, 32_000
    cell = 4 * h + 4 * h * h  # biases and recurrent weights
    encoder = 2 * (cell + 4 * h * h) + (cell + 8 * h * h) + (layers - 2) * (cell + 4 * h * h)
    decoder = layers * (cell + 8 * h * h)
    attention = 2 * h * h + h
    ends = 2 * words * h + words * h + words
    graph = datasets.load(f"gnmt-{layers}")
    assert int(graph.parameter_bytes.sum()) == 12 * (encoder + decoder + attention + ends)


def test_gnmt_has_as_many_ops_as_in_the_literature():
    """HDP (ICLR 2018): 28,044, 46,600 and 83,712 TensorFlow ops."""
    for layers, ops in ((2, 28_044), (4, 46_600), (8, 83_712)):
        assert datasets.info(f"gnmt-{layers}").ops == pytest.approx(ops, rel=0.1)
    assert datasets.info("gnmt-8").ops >= 80_000


@pytest.mark.numeric
def test_wavenet_hears_what_its_dilations_reach():
    """Nine layers of width 2 in each of two stacks: 1 + 2 · 511 samples, and one more.

    A NaN reaches all that depends on it, however small the weights on the way.
    """
    torch.manual_seed(0)
    settings = wavenet.Settings(2, 18, channels=4, skip=4, classes=3, samples=1100, batch=1)
    model = wavenet.build(settings).double()

    def unknown(position):
        """Which outputs are, where one sample is."""
        sound = torch.randn(1, 3, 1100, dtype=torch.float64)
        sound[:, :, position] = torch.nan
        skips, x = None, model.first(sound)
        for layer in model.layers:
            x, skips = layer(x, skips)
        return model.last(skips)[0].isnan()

    first = 1099 - (1 + 2 * 511)
    assert unknown(first)[:, -1].all() and not unknown(first - 1)[:, -1].any()
    reached = unknown(50).all(dim=0).nonzero()[:, 0]
    assert reached[0] == 50 and reached[-1] == 50 + 1 + 2 * 511


def test_transformer_xl_attends_by_distance():
    """The shift puts the score of distance (query − key) where that key is."""
    rows, memory = 3, 2
    span = rows + memory
    by_distance = torch.arange(span - 1, -1, -1.0).expand(1, 1, rows, span).contiguous()
    shifted = transformer_xl.shifted(by_distance)[0, 0]
    for query in range(rows):
        for key in range(query + memory + 1):
            assert shifted[query, key] == query + memory - key


@pytest.mark.parametrize(
    ("module", "settings", "classes"),
    [
        (gnmt, gnmt.Settings(3, hidden=8, vocabulary=11, steps=3, batch=2), 11),
        (wavenet, wavenet.Settings(2, 4, 8, 8, 16, 40, 2), 16),
        (amoebanet, amoebanet.Settings(2, 1, 4, 64, 7), 7),
        (transformer_xl, transformer_xl.Settings(2, 8, 2, 16, 11, 4, 2, 2), 11),
    ],
)
def test_an_untrained_model_guesses(module, settings, classes):
    torch.manual_seed(0)
    with torch.no_grad():
        loss = module.build(settings)(*module.inputs(settings))
    assert float(loss) == pytest.approx(np.log(classes), rel=0.5)


def test_layers_stand_in_the_order_of_the_model():
    """Experts cut along them."""
    begins = {"embedding", "stem", "stem_a", "first", "patches", "bottom", "layers.0"}
    ends = {"softmax", "classifier", "last", "head", "top", "layers.2"}
    for name in datasets.names():
        layers = datasets.load(name).layers
        assert layers[0] in begins, name
        assert layers[-1] in ends, name
        numbers = [int(tag.rsplit(".", 1)[1]) for tag in layers if tag.startswith("layers.")]
        assert numbers == sorted(numbers), name
