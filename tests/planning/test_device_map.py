"""Device maps of captured models, by the rules that accelerate has for them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from go_gym import Problem, capture, load_cluster  # noqa: E402
from go_gym.problem.device_map import accelerate_map, device_map  # noqa: E402


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x):
        return x + self.down(self.up(x))


class Net(nn.Module):
    """Two embeddings added, residual blocks, and what the pass does not read."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(10, 64), nn.Embedding(10, 64)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.unused, self.scale = nn.Linear(8, 8), nn.Parameter(torch.ones(64))

    def forward(self, ids):
        x = (self.words(ids) + self.places(ids)) * self.scale
        for block in self.blocks:
            x = block(x)
        return x


def graph_of(model, *inputs):
    return capture.from_torch(model, list(inputs))


def placed(graph, *paths):
    """Device 1 for the modules of these paths, 0 for all else."""
    return np.array([int(row >= 0 and graph.layers[row] in paths) for row in graph.layer])


def uncovered(model, modules):
    """Tensors in no entry, by the rule of accelerate.utils.check_device_map."""
    names = [*dict(model.named_parameters()), *dict(model.named_buffers())]
    return [
        name
        for name in names
        if not any(key in ("", name) or name.startswith(f"{key}.") for key in modules)
    ]


def test_residual_blocks_stay_whole():
    graph = graph_of(nn.Sequential(Block(), Block()), torch.zeros(2, 64))
    problem = Problem(graph, load_cluster("p100x2"))
    modules, splits = device_map(problem, placed(graph, "0.down", "1", "1.up", "1.down"))
    assert modules == {"0": 0, "1": 1} or modules == {"": 1}
    assert "0" in {split.path for split in splits}


def test_every_tensor_is_in_an_entry():
    model = Net()
    graph = graph_of(model, torch.zeros(2, 4, dtype=torch.long))
    problem = Problem(graph, load_cluster("p100x2"))
    second = ("blocks.1", "blocks.1.up", "blocks.1.down")
    modules, _ = device_map(problem, placed(graph, *second))
    assert modules["blocks.1"] == 1 and modules["blocks.0"] == 0
    assert uncovered(model, modules) == []


def test_a_cpu_is_called_so_and_accelerators_count_from_0():
    graph = graph_of(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), torch.zeros(2, 8))
    problem = Problem(graph, load_cluster("cpu+gpu"))
    modules, _ = device_map(problem, placed(graph, "1"))
    kinds = [device.kind for device in problem.cluster.devices]
    assert modules == {"0": 0, "1": 1} and kinds[0].startswith("cpu")
    assert accelerate_map(problem, modules) == {"0": "cpu", "1": 0}
