"""Memory simulated for one device against the storages that live while the plain model runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.multiprocessing.reductions import StorageWeakRef  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

import go_gym  # noqa: E402
from go_gym import capture  # noqa: E402


class LiveBytes(TorchDispatchMode):
    """The most bytes of storage that live at once, of all that ops make, known ones apart."""

    def __init__(self, known):
        super().__init__()
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.seen, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                if storage._cdata not in self.known:
                    self.seen[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.seen = {key: each for key, each in self.seen.items() if not each[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.seen.values()))
        return result


def convolutions():
    blocks = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
    for _ in range(3):
        blocks += [nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def transformer():
    layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList(nn.LSTMCell(32, 32) for _ in range(2))

    def forward(self, x):
        for cell in self.cells:
            hidden, outputs = None, []
            for step in x.unbind(1):
                hidden = cell(step, hidden)
                outputs.append(hidden[0])
            x = torch.stack(outputs, 1)
        return x


MODELS = {
    "convolutions": (convolutions, (8, 3, 24, 24)),
    "transformer": (transformer, (8, 24, 32)),
    "recurrent": (Recurrent, (32, 8, 32)),
}


def square(output):
    return output.square().mean()


@pytest.mark.parametrize("name", MODELS)
def test_peak_of_one_device_is_that_of_the_plain_step_within_15_percent(name):
    """Simulated: parameters, buffers, and at any time what ops have made and others still need."""
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model, batch = build(), torch.randn(shape)
    graph = capture.from_torch(model, [batch], optimizer="sgd", loss=square)
    resident = int(graph.parameter_bytes.sum())

    parameters = [each.detach().requires_grad_() for each in model.parameters()]
    tensors = dict(zip(dict(model.named_parameters()), parameters, strict=True))
    with LiveBytes([batch, *parameters, *model.buffers()]) as live:
        loss = square(torch.func.functional_call(model, tensors, (batch,)))
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.detach() - 1e-3 * gradient
    plain = live.peak + batch.numel() * batch.element_size() + resident

    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))
    whole = go_gym.Decision(placement=np.zeros(graph.num_ops, dtype=np.int64))
    simulated = int(go_gym.simulate(problem, whole).peak_memory[0])
    assert simulated - resident > resident / 4  # activations are no small part
    assert simulated == pytest.approx(plain, rel=0.15)
