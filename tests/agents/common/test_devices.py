"""Where networks are trained: as asked for, else on the GPU where there is one."""

import pytest
import torch
from go_agents.common.devices import automatic, training_device
from go_agents.go.agent import GO

from go_gym.agent import Budget
from go_gym.errors import AgentError
from tests.agents.toys import two_kinds


@pytest.mark.parametrize(("there", "name"), [(True, "cuda"), (False, "cpu")])
def test_by_default_it_is_the_gpu_where_there_is_one(monkeypatch, there, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert automatic() == name


def test_tests_train_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training_device() == torch.device("cpu")


def test_what_is_asked_for_is_taken_or_refused(monkeypatch):
    assert training_device("cpu") == training_device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert training_device("cuda") == torch.device("cuda")
    assert training_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(AgentError, match="'cuda:1': PyTorch finds 1 GPUs"):
        training_device("cuda:1")
    with pytest.raises(AgentError, match="'the fast one': expected cpu"):
        training_device("the fast one")


def test_go_decides_where_it_is_told():
    with pytest.raises(AgentError, match="cuda:99"):
        GO(device="cuda:99")
    problem = two_kinds()
    agent = GO(device="cpu")
    agent.solve(problem, Budget(problem, 8), 0)
    assert agent.ran_on == "cpu"
