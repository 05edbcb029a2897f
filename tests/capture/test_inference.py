"""Captured forward passes: no gradients, no optimizer, the model's own parameters and FLOPs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from go_gym.capture import capture_inference  # noqa: E402
from go_gym.errors import CaptureError  # noqa: E402
from go_gym.graph import PHASES  # noqa: E402


def build():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(8 * 30 * 30, 10),
    ).eval()  # fmt: skip


def inputs():
    return [torch.zeros(4, 3, 32, 32)]


def kinds_of(graph):
    return np.array(graph.op_types, dtype=object)[graph.op_type]


def test_only_forward_and_what_the_model_holds():
    graph = capture_inference("convnet", build, inputs)
    kinds = kinds_of(graph)
    assert {PHASES[code] for code in graph.phase.tolist()} == {"forward"}
    assert "state" not in kinds
    sizes = {kind: int(graph.parameter_bytes[kinds == kind].sum()) for kind in set(kinds)}
    assert sizes["parameter"] == sum(p.numel() * 4 for p in build().parameters())
    assert sizes["buffer"] == sum(b.numel() * b.element_size() for b in build().buffers())
    assert (graph.colocation[kinds == "parameter"] == -1).all()
    assert set(graph.layers) == {"0", "1", "2", "3", "4"}


def test_products_equal_torch_s_counter():
    graph = capture_inference("convnet", build, inputs)
    with FakeTensorMode(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build()(*inputs())
    heavy = np.isin(kinds_of(graph), ["aten.convolution", "aten.addmm"])
    assert graph.flops[heavy].sum() == counter.get_total_flops() > 0


def test_inputs_and_results_may_be_nested():
    class Nested(torch.nn.Module):
        def forward(self, pair, scale, extra=None):
            left, right = pair
            return {"sum": left["x"] + right, "scaled": (right * scale, extra)}

    graph = capture_inference("n", Nested, lambda: [({"x": torch.ones(3)}, torch.ones(3)), 2.0])
    kinds = kinds_of(graph).tolist()
    assert sorted(kinds) == ["aten.add.Tensor", "aten.mul.Tensor", "input", "input"]


def test_what_cannot_be_traced_is_named():
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(CaptureError, match="branching: the forward pass cannot be traced"):
        capture_inference("branching", Branching, lambda: [torch.ones(3)])
