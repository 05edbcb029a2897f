"""What HDP starts from: homes, layers in order, as many changes of device as asked for."""

import numpy as np
import pytest
import torch
from go_agents.hdp.networks import bounded
from go_agents.hdp.start import CHANGES_WITHIN, FAR, NEAR, first_stay, lean, start_of

import go_gym
from go_gym.catalogue import datasets
from tests.agents.toys import awkward


def test_a_unit_is_at_home_near_its_neighbours_and_far_from_the_rest():
    problem = awkward()
    start = start_of(problem, 256, 2048)
    unit = start.units.part_of
    assert len(start.stay) == start.units.count  # few ops: each unit is a group
    expected = np.full((start.units.count,) * 2, FAR)
    for a, b in zip(problem.graph.use_producer, problem.graph.use_consumer, strict=True):
        expected[unit[a], unit[b]] = expected[unit[b], unit[a]] = NEAR
    np.fill_diagonal(expected, 0.0)
    assert np.array_equal(np.sort(start.logits), np.sort(expected.astype(np.float32)))
    assert np.array_equal(start.logits == 0.0, np.eye(start.units.count, dtype=bool))


def test_groups_of_real_graphs_follow_their_layers():
    problem = go_gym.Problem(datasets.load("transformer-xl-2"), go_gym.load_cluster("p100x2"))
    start = start_of(problem, 40, 400)
    home = start.logits.argmax(1)[start.units.part_of]
    assert start.logits.shape == (start.units.count, len(start.stay))
    assert len(start.stay) <= 40
    middle = [
        np.median(problem.graph.layer[home == group])
        for group in range(len(start.stay))
        if (home == group).any()
    ]
    assert (np.diff(middle) >= 0).mean() > 0.9


@pytest.mark.parametrize("devices", [2, 4, 8])
@pytest.mark.parametrize("change", [0.01, 0.2, 0.5, 1.0])
def test_the_lean_leaves_the_last_device_that_often(devices, change):
    size = lean(change, devices)
    raw = torch.full((devices,), -size)
    raw[0] = size
    left = 1 - float(bounded(raw).softmax(0)[0])
    assert left == pytest.approx(min(change, 1 - 1 / devices), rel=0.02)


def test_layers_are_left_together_and_change_devices_more_often():
    layer = np.repeat(np.arange(5), 8)
    stay = first_stay(layer, 4)
    borders = np.arange(40) % 8 == 0
    borders[0] = False
    assert (stay[borders] == 0).all()
    assert (stay[~borders] == np.float32(lean(CHANGES_WITHIN / 40, 4))).all()
    assert lean(0.1, 1) == 0.0
