"""Costs against torch's own counter and against counts that papers and libraries publish."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from go_gym import capture  # noqa: E402

PRODUCTS = ("aten.mm", "aten.addmm", "aten.bmm", "aten.convolution", "aten.convolution_backward")


def kinds_of(graph):
    return np.array(graph.op_types, dtype=object)[graph.op_type]


def attends(graph):
    """Ops that are attention as a whole; which kernel that is, the build of torch chooses."""
    return np.char.find(kinds_of(graph).astype(str), "_scaled_dot_product") >= 0


def product_flops(graph):
    return int(graph.flops[np.isin(kinds_of(graph), PRODUCTS) | attends(graph)].sum())


class Bottleneck(nn.Module):
    """He et al. 2016, figure 5 right; the stride in the 3 × 3 convolution (ResNet v1.5)."""

    def __init__(self, inner, planes, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inner, planes, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
            nn.Conv2d(planes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
            nn.Conv2d(planes, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes),
        )  # fmt: skip
        self.short = nn.Identity()
        if stride > 1 or inner != 4 * planes:
            self.short = nn.Sequential(
                nn.Conv2d(inner, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


def resnet50():
    layers = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]  # fmt: skip
    inner = 64
    for planes, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(count):
            layers.append(Bottleneck(inner, planes, stride if number == 0 else 1))
            inner = 4 * planes
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)]
    return nn.Sequential(*layers)


class Layer(nn.Module):
    """A transformer layer: GPT-2's (causal, norms first) or BERT's (norms last)."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads, self.causal = heads, causal

    def attend(self, x):
        batch, steps, width = x.shape
        heads = self.qkv(x).view(batch, steps, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(batch, steps, width))

    def forward(self, x):
        if self.causal:
            x = x + self.attend(self.one(x))
            return x + self.down(F.gelu(self.up(self.two(x))))
        x = self.one(x + self.attend(x))
        return self.two(x + self.down(F.gelu(self.up(x))))


class Transformer(nn.Module):
    def __init__(self, vocabulary, positions, causal, width=768, layers=12, heads=12, kinds=0):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.kinds = nn.Embedding(kinds, width) if kinds else None
        self.layers = nn.Sequential(*(Layer(width, heads, causal) for _ in range(layers)))
        self.norm, self.causal = nn.LayerNorm(width), causal
        self.pool = None if causal else nn.Linear(width, width)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        if self.kinds is not None:
            x = x + self.kinds(torch.zeros_like(tokens))
        if self.causal:
            return self.norm(self.layers(x)) @ self.tokens.weight.T
        return self.pool(self.layers(self.norm(x))[:, 0])


def on_meta(build):
    with torch.device("meta"):
        return build()


def gpt2():
    return Transformer(50257, 1024, causal=True)


def bert():
    return Transformer(30522, 512, causal=False, kinds=2)


def image():
    return [torch.zeros(2, 3, 224, 224)]


def text(steps):
    return [torch.zeros(2, steps, dtype=torch.long)]


def square(output):
    return output.float().square().mean()


MODELS = {
    "resnet-50": (resnet50, image()),
    "gpt2": (gpt2, text(256)),
    "bert": (bert, text(128)),
}
SCORES = {"resnet-50": 0, "gpt2": 12 * 2 * 12 * 256**2 * 64, "bert": 12 * 2 * 12 * 128**2 * 64}
"""Multiply-adds of all attention scores: layers, batch, heads, length squared, depth."""


def step(name):
    build, inputs = MODELS[name]
    return capture.from_torch(on_meta(build), inputs, optimizer="sgd", loss=square)


@pytest.fixture(scope="module")
def steps():
    """Of a training step, attention by plain products, as every build of torch has it."""
    with sdpa_kernel(SDPBackend.MATH):
        return {name: step(name) for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_products_of_a_training_step_equal_torch_s_counter(name, steps):
    build, inputs = MODELS[name]
    with (
        sdpa_kernel(SDPBackend.MATH),
        FakeTensorMode(),
        FlopCounterMode(display=False) as counter,
    ):
        model = build()
        square(model(*[torch.zeros(each.shape, dtype=each.dtype) for each in inputs])).backward()
    assert not attends(steps[name]).any()
    assert product_flops(steps[name]) == counter.get_total_flops() > 6 * 2 * SCORES[name]


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_attention_by_one_op_costs_what_its_plain_products_do(name, steps):
    """And the scores again on the way back (FlashAttention-2, Dao 2023, section 3.1)."""
    whole = step(name)
    again = 2 * SCORES[name] if attends(whole).any() else 0
    assert product_flops(whole) - product_flops(steps[name]) == again


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_the_model_s(name, steps):
    sizes = sum(p.numel() * 4 for p in on_meta(MODELS[name][0]).parameters())
    graph = steps[name]
    kinds = kinds_of(graph)
    assert graph.parameter_bytes[kinds == "parameter"].sum() == sizes
    assert graph.parameter_bytes[kinds == "state"].sum() == 0


def test_resnet_50_has_the_published_counts():
    """25.6 million weights and 4.1 GMAC an image (torchvision's table of ResNet-50: 4.09)."""
    graph = capture.from_torch(on_meta(resnet50).eval(), image())
    weights = graph.parameter_bytes[kinds_of(graph) == "parameter"].sum() / 4
    assert weights == pytest.approx(25.557e6, rel=0.001)
    assert product_flops(graph) / 2 / 2 == pytest.approx(4.09e9, rel=0.01)


def test_gpt2_costs_six_flops_a_weight_and_token():
    """Kaplan et al. 2020, section 2.1: 2 N forward and 4 N backward a token, N without
    embeddings (the tied output layer counted), and attention beside it; within 2 %."""
    length = 1024
    inputs = [torch.zeros(1, length, dtype=torch.long)]
    with sdpa_kernel(SDPBackend.MATH):
        graph = capture.from_torch(on_meta(gpt2), inputs, optimizer="adam", loss=square)
    weights = 12 * 12 * 768 * 768 + 50257 * 768
    assert graph.parameter_bytes[kinds_of(graph) == "parameter"].sum() / 4 == pytest.approx(
        124.4e6, rel=0.001
    )
    attention = 6 * 2 * 12 * 12 * length**2 * 64  # two products forward, four backward
    assert product_flops(graph) - attention == pytest.approx(6 * weights * length, rel=0.02)
    others = int(graph.flops.sum()) - product_flops(graph)
    assert 0 < others < 0.05 * product_flops(graph)


def test_bert_base_has_the_published_counts():
    """110 million weights (Devlin et al. 2019); 22.5 GFLOP at 128 tokens (MobileBERT, Sun et al.
    2020, table 4); within 2 %."""
    graph = capture.from_torch(on_meta(bert).eval(), [torch.zeros(1, 128, dtype=torch.long)])
    weights = graph.parameter_bytes[kinds_of(graph) == "parameter"].sum() / 4
    assert weights == pytest.approx(110e6, rel=0.01)
    assert product_flops(graph) == pytest.approx(22.5e9, rel=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_every_op_leads_to_a_result(name, steps):
    """Only results lead nowhere: the loss, new parameters, running statistics."""
    graph = steps[name]
    used = np.zeros(graph.num_ops, dtype=bool)
    used[graph.use_producer] = True
    kinds = kinds_of(graph)
    trained = np.count_nonzero(kinds == "parameter")
    assert np.count_nonzero(~used & (graph.phase == 2)) == trained
    others = kinds[~used & (graph.phase != 2)].tolist()
    statistics = sorted(kind for kind in others if kind not in ("input", "buffer"))
    layers = 53 if name == "resnet-50" else 0  # with a mean, a variance and a count each
    assert len(statistics) <= 1 + 3 * layers


@pytest.mark.parametrize("name", MODELS)
def test_views_cost_nothing_and_share_storage(name, steps):
    graph = steps[name]
    views = np.isin(kinds_of(graph), ["aten.view", "aten.t", "aten.transpose.int", "aten.expand"])
    assert views.any() and graph.is_free[views].all()
    assert (graph.tensor_alias[views[graph.tensor_producer]] != -1).all()
