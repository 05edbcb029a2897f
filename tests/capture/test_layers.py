"""The order of a captured model's layers, and what the expert's cut along it moves."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import go_gym  # noqa: E402
from go_gym import capture  # noqa: E402
from go_gym.baselines.placements import human_expert  # noqa: E402


def convolutions():
    blocks = []
    for inside, outside in [(3, 16), (16, 16), (16, 16), (16, 16)]:
        blocks += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(16 * 24 * 24, 10))


def test_layers_are_in_the_order_in_which_they_run():
    graph = capture.from_torch(
        convolutions(), [torch.zeros(8, 3, 24, 24)], optimizer="sgd", loss=lambda y: y.mean()
    )
    assert graph.layers == tuple(map(str, range(14)))


def test_the_expert_moves_no_more_than_three_times_the_best_contiguous_cut():
    graph = capture.from_torch(
        convolutions(), [torch.zeros(8, 3, 24, 24)], optimizer="sgd", loss=lambda y: y.mean()
    )
    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))

    def moved(placement):
        return go_gym.simulate(problem, go_gym.Decision(placement=placement)).bytes_moved

    layer = graph.layer.astype(np.int64)
    expert = human_expert(problem)
    cuts = [moved((layer >= first).astype(np.int64)) for first in range(1, len(graph.layers))]
    assert 0 < moved(expert) <= 3 * min(cuts)
