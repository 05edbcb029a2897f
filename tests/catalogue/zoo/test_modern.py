"""The modern models against the counts that their papers and reports give."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from go_gym.catalogue import datasets  # noqa: E402
from go_gym.catalogue.models import ENTRIES  # noqa: E402
from go_gym.catalogue.zoo import dlrm, gnn, gpt2, llama, mamba, moe, unet, vit  # noqa: E402
from tests.numeric import assert_near  # noqa: E402

PARAMETERS = {  # published, in millions
    "gpt2": (124.4, 0.001),  # Radford et al. 2019, as counted by its released weights
    "bert-large": (335.2, 0.001),  # of the released BertForMaskedLM; the paper says 340
    "vit-b16": (86.6, 0.001),  # Dosovitskiy et al. 2021, table 1: 86 M
    "llama-7b": (6738.4, 0.0001),  # Touvron et al. 2023, table 2: 6.7 G
    "ddpm-256": (113.7, 0.001),  # Ho et al. 2020, appendix B: 114 M
    "mamba-130m": (129.1, 0.001),  # Gu and Dao 2023: 130 M
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published(name):
    entry = ENTRIES[name]
    with FakeTensorMode():
        model = entry.module.build(entry.settings)
        count = sum(parameter.numel() for parameter in model.parameters())
    millions, tolerance = PARAMETERS[name]
    assert count / 1e6 == pytest.approx(millions, rel=tolerance)
    width = 2 if name == "llama-7b" else 4
    copies = 3  # the weight and Adam's two moments
    weights = np.isin(
        np.array(datasets.load(name).op_types, dtype=object)[datasets.load(name).op_type],
        ["parameter", "state"],
    )
    assert datasets.load(name).parameter_bytes[weights].sum() == copies * width * count


@pytest.mark.parametrize(
    ("name", "tokens", "width", "layers"),
    [("gpt2", 8 * 1024, 768, 12), ("llama-7b", 2048, 4096, 32)],
)
def test_flops_of_language_models_are_six_a_parameter_and_token(name, tokens, width, layers):
    """6·N·D and the attention's scores and mixes (Kaplan et al. 2020, section 2.1)."""
    entry, graph = ENTRIES[name], datasets.load(name)
    with FakeTensorMode():
        model = entry.module.build(entry.settings)
        embedded = sum(
            p.numel() for n, p in model.named_parameters() if n == "embedding.positions.weight"
        )
        count = sum(p.numel() for p in model.parameters()) - embedded
    if name == "llama-7b":  # its embedding is not the head's: a look-up, no product
        count -= entry.settings.vocabulary * width
    length = entry.settings.tokens
    attention = 12 * layers * tokens * length * width
    types = np.array(graph.op_types, dtype=object)[graph.op_type]
    products = np.array([any(w in t for w in ("mm", "attention", "matmul")) for t in types])
    total = graph.flops[products].sum()
    assert total == pytest.approx(6 * count * tokens + attention, rel=0.06)


def test_a_server_keeps_nothing_for_a_way_back():
    for name in ("llama-7b-prefill", "vit-b16-serve"):
        graph = datasets.load(name)
        assert (graph.phase == 0).all() and graph.metadata["served"]
        kinds = np.array(graph.op_types, dtype=object)[graph.op_type]
        assert not (kinds == "state").any()
    served, trained = datasets.load("vit-b16-serve"), datasets.load("vit-b16")
    assert served.flops.sum() == pytest.approx(trained.flops.sum() / 3, rel=0.03)


@pytest.mark.parametrize(
    ("module", "settings", "guess"),
    [
        (gpt2, gpt2.Settings(2, 16, 2, 19, 8, 2), np.log(19)),
        (vit, vit.Settings(2, 2, 16, 2, 4, 8, 5), np.log(5)),
        (moe, moe.Settings(2, 4, 16, 2, 19, 8, 2), np.log(19)),
        (dlrm, dlrm.Settings(3, 7, 8, 4, (8, 8), (8, 1), 16), np.log(2)),
        (gnn, gnn.Settings(2, 8, 4, 5, 30, 60, 2), np.log(5)),
    ],
)
def test_an_untrained_model_guesses(module, settings, guess):
    torch.manual_seed(0)
    with torch.no_grad():
        loss = module.build(settings)(*module.inputs(settings))
    assert float(loss) == pytest.approx(guess, rel=0.5)


@pytest.mark.numeric
def test_rotary_positions_turn_and_keep_lengths():
    """Scores depend on the distance only (Su et al. 2021, section 3.2.1)."""
    torch.manual_seed(0)
    model = llama.Llama(llama.Settings(1, 1, 16, 1, 24, 19, 6))
    cosine, sine = model.angles(6)
    query, key = torch.randn(16), torch.randn(16)
    turned = [llama.rotated(x.expand(6, 16), cosine, sine) for x in (query, key)]
    scores = turned[0] @ turned[1].T
    size = float(query.norm() * key.norm())
    for distance in range(6):
        along = scores.diagonal(-distance)
        assert_near(along, along[:1].expand_as(along), 16, scale=size)
    assert abs(float(scores[1, 0] - scores[4, 0])) > 0.01 * size
    assert_near(turned[0].norm(dim=1), query.norm().expand(6), 16)


@pytest.mark.numeric
def test_mamba_s_parallel_scan_is_the_recurrence():
    torch.manual_seed(0)
    decay = torch.rand(2, 13, 3, 2, dtype=torch.float64)
    added = torch.randn(2, 13, 3, 2, dtype=torch.float64)
    state, expected = torch.zeros(2, 3, 2, dtype=torch.float64), []
    for step in range(13):
        state = decay[:, step] * state + added[:, step]
        expected.append(state)
    assert_near(mamba.scanned(decay, added), torch.stack(expected, dim=1), 13)


@pytest.mark.numeric
def test_experts_take_each_token_to_its_best_two_and_no_more_than_they_hold():
    torch.manual_seed(0)
    layer = moe.Experts(moe.Settings(2, 4, 8, 2, 19, 8, 2))
    tokens = torch.randn(32, 8)
    weight = layer.weights(tokens, capacity=32)
    assert_near(weight.sum(dim=(1, 2)), torch.ones(32), 2)
    best = layer.gate(tokens).topk(2).indices
    assert (weight.sum(dim=2).gather(1, best) > 0).all()
    tight = layer.weights(tokens, capacity=3)
    assert ((tight > 0).sum(dim=0) <= 1).all()  # a place holds one token
    assert (tight > 0).sum() <= 4 * 3


def test_the_u_net_keeps_the_image_s_size():
    settings = unet.Settings(16, 32, (1, 2), 1, 8, 2)
    torch.manual_seed(0)
    images, time, noise = unet.inputs(settings)
    loss = unet.build(settings)(images, time, noise)
    assert loss.shape == () and float(loss.detach()) < 1.0
    with pytest.raises(RuntimeError):
        unet.build(settings)(images[..., :15], time, noise)


@pytest.mark.numeric
def test_a_graph_network_s_neighbours_are_averaged():
    torch.manual_seed(0)
    layer = gnn.Layer(3, 2)
    whole = torch.randn(4, 3)
    source, target = torch.tensor([0, 3, 2]), torch.tensor([1, 1, 0])
    found = layer(whole[:2], whole, source, target)
    mean = torch.stack([whole[2], (whole[0] + whole[3]) / 2])
    assert_near(found, layer.own(whole[:2]) + layer.neighbours(mean), 8)


def test_settings_of_the_catalogue_are_those_of_the_modules():
    for name in ("gpt2", "moe-8x8", "dlrm"):
        kept = datasets.load(name).metadata["settings"]
        stated = dataclasses.asdict(ENTRIES[name].settings)
        assert kept == {k: list(v) if isinstance(v, tuple) else v for k, v in stated.items()}
