"""Checkpoints: whole at any moment, and damaged ones are refused."""

import json

import pytest
import torch
from go_agents.common import checkpoint
from go_agents.common.checkpoint import (
    load_checkpoint,
    restore_training,
    save_checkpoint,
    training_tensors,
)

from go_gym.errors import FileFormatError


def saved(folder, value):
    save_checkpoint(folder, {"w": torch.full((3,), float(value))}, {"updates": value})


def test_one_pair_of_files_is_left_and_read_back(tmp_path):
    for value in (1, 2):
        saved(tmp_path / "a", value)
        tensors, state = load_checkpoint(tmp_path / "a")
        assert tensors["w"].tolist() == [value] * 3
        assert state == {"updates": value}
        assert len(list((tmp_path / "a").iterdir())) == 2


@pytest.mark.parametrize("moment", [0, 1])
def test_a_stop_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch, moment):
    saved(tmp_path, 1)
    writes = []
    real = checkpoint.atomic_write

    def stopped(path, data):
        if len(writes) == moment:
            raise KeyboardInterrupt
        writes.append(path)
        real(path, data)

    monkeypatch.setattr(checkpoint, "atomic_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path, 2)
    assert load_checkpoint(tmp_path)[1] == {"updates": 1}


def test_damage_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_checkpoint(tmp_path)
    saved(tmp_path, 1)
    state = tmp_path / "state.json"
    weights = next(tmp_path.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(FileFormatError, match="SHA-256"):
        load_checkpoint(tmp_path)
    document = json.loads(state.read_text())
    state.write_text(json.dumps({**document, "tensors": "../x"}))
    with pytest.raises(FileFormatError, match="plain file name"):
        load_checkpoint(tmp_path)
    for text in ("{", "[]", "{}"):
        state.write_text(text)
        with pytest.raises(FileFormatError, match="not a checkpoint"):
            load_checkpoint(tmp_path)


def test_training_goes_on_as_if_never_stopped():
    """Adam with moments and random numbers: six steps at once, and three plus three."""

    def parts():
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 2)
        return model, torch.optim.Adam(model.parameters(), 0.1), torch.Generator().manual_seed(1)

    def steps(model, optimizer, generator):
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.rand(5, 4, generator=generator)).square().sum().backward()
            optimizer.step()

    whole = parts()
    steps(*whole)
    steps(*whole)
    first, second = parts(), parts()
    steps(*first)
    restore_training(training_tensors(*first), *second)
    steps(*second)
    assert torch.equal(whole[0].weight, second[0].weight)
