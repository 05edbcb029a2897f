"""Tensors through shared memory: what arrives is what was sent, and blocks are used again."""

import numpy as np
import pytest
import torch

from go_gym import ComputationGraph
from go_gym.errors import HardwareError
from go_gym.hardware.runtime.arena import LINE
from go_gym.hardware.runtime.layout import DIMENSIONS
from go_gym.hardware.runtime.schedule import Channel
from go_gym.hardware.runtime.transport import Receiver, Sender, SharedTensors
from tests.hardware.requirements import runs_workers

pytestmark = runs_workers
SENT = [
    torch.arange(24, dtype=torch.float32).reshape(4, 6),
    torch.arange(24, dtype=torch.float64).reshape(4, 6).t(),
    torch.tensor(7, dtype=torch.int64),
    torch.ones(3, 5, dtype=torch.bfloat16)[:, ::2],
    torch.ones(3, 1).expand(3, 4),
    torch.empty(0, 4),
    torch.tensor([True, False]),
]


def ends(sizes, channels, resident=()):
    """Both ends of what is shared by two workers, for tensors of so many bytes, all made by 0."""
    ops = len(sizes)
    graph = ComputationGraph.from_costs([1] * ops, list(enumerate(sizes)), [])
    shared = SharedTensors(graph, channels, 2, resident)
    return Sender(shared, 0), Receiver(shared)


@pytest.mark.parametrize("tensor", SENT, ids=lambda each: f"{each.dtype}-{tuple(each.shape)}")
def test_what_arrives_is_a_copy_of_what_was_sent(tensor):
    sender, receiver = ends([tensor.numel() * tensor.element_size()], [Channel(0, 0, 1)])
    for step in range(1, 4):
        sender.begin_step(step)
        receiver.begin_step(step)
        sender.send(0, tensor)
        found = receiver.receive(0)
        assert torch.equal(found, tensor) and found.dtype == tensor.dtype
        assert found.stride() == tensor.clone().stride()
        assert found.data_ptr() != tensor.data_ptr() or tensor.numel() == 0


def test_a_block_is_used_again_once_no_view_of_the_copy_is_left():
    channels = [Channel(number, 0, 1) for number in range(3)]
    sender, receiver = ends([64] * 3, channels)
    for each in (sender, receiver):
        each.begin_step(1)
    sender.send(0, torch.zeros(16))
    first = receiver.receive(0)
    view = first.view(4, 4)
    block = first.data_ptr()
    del first
    sender.send(1, torch.ones(16))
    second = receiver.receive(1)
    assert second.data_ptr() != block and (view == 0).all()
    del view
    sender.send(2, torch.full((16,), 2.0))
    third = receiver.receive(2)
    assert third.data_ptr() == block
    assert (second == 1).all() and (third == 2).all()


def test_one_copy_serves_all_channels_and_a_changed_layout_is_passed_on():
    channels = [Channel(0, 0, 1), Channel(0, 0, 1)]
    sender, receiver = ends([96], channels)
    square = torch.arange(16, dtype=torch.float32).reshape(4, 4)
    for step, tensor in enumerate((square, square.t(), square), start=1):
        for each in (sender, receiver):
            each.begin_step(step)
        sender.send(0, tensor)
        sender.send(1, tensor)
        found = [receiver.receive(number) for number in (0, 1)]
        assert found[0].data_ptr() == found[1].data_ptr()
        assert all(torch.equal(each, tensor) for each in found)
        assert found[0].stride() == tensor.stride()
        del found


def test_what_is_resident_is_not_copied():
    weight = torch.arange(12.0).reshape(3, 4)
    sender, receiver = ends([48], [Channel(0, 0, 1)], [torch.zeros(2), weight])
    start = sender.arena.top
    sender.send(0, weight[1:].t())
    found = receiver.receive(0)
    assert torch.equal(found, weight[1:].t())
    assert found.untyped_storage().data_ptr() == weight.untyped_storage().data_ptr()
    assert sender.arena.top == start


def test_more_than_was_planned_for_is_refused():
    sender, _ = ends([0], [Channel(0, 0, 1)])
    sender.begin_step(1)
    with pytest.raises(HardwareError, match="out of memory for the copies"):
        sender.send(0, torch.zeros(10 * LINE))


def test_more_dimensions_than_a_row_has_room_for_are_refused():
    sender, _ = ends([4], [Channel(0, 0, 1)])
    with pytest.raises(HardwareError, match="17 dimensions travels: expected at most 16"):
        sender.send(0, torch.zeros([1] * (DIMENSIONS + 1)))


def test_a_step_that_sends_every_tensor_anew_fits_and_steps_do_not_add_up():
    """Nothing is released within a step: the memory that was planned must do, step after step."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 300, size=20).tolist()
    sender, receiver = ends(
        [4 * size for size in sizes], [Channel(number, 0, 1) for number in range(20)]
    )
    for step in range(1, 4):
        for each in (sender, receiver):
            each.begin_step(step)
        for number, size in enumerate(sizes):
            sender.send(number, torch.full((size,), float(step * number)))
        found = [receiver.receive(number) for number in range(20)]
        for number, size in enumerate(sizes):
            assert torch.equal(found[number], torch.full((size,), float(step * number)))
