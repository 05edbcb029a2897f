"""Agents that learn run on one thread and leave PyTorch as it was."""

import random

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from go_gym.agent import Budget, load_agent
from go_gym.errors import AgentError
from tests.agents.toys import two_kinds

AGENTS = ("go", "go:paper", "hdp", "placeto", "sb3")


def state():
    """What PyTorch holds for everyone."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "generator": torch.get_rng_state().tolist(),
    }


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("asked", [None, 2])
@pytest.mark.parametrize("name", AGENTS)
def test_one_thread_unless_asked_and_nothing_left_changed(name, asked, two_threads, monkeypatch):
    if asked is not None:
        torch.set_num_threads(1)
        monkeypatch.setenv("GO_GYM_TORCH_THREADS", str(asked))
    agent, problem, threads = load_agent(name), two_kinds(), set()
    before = state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    hook = register_module_forward_hook(lambda *_: threads.add(torch.get_num_threads()))
    try:
        agent.solve(problem, Budget(problem, 64), seed=7)
    finally:
        hook.remove()
    assert threads == {asked or 1}, "of every layer of every network"
    after = state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert after == before


def test_a_number_of_threads_that_is_none(monkeypatch):
    problem = two_kinds()
    for text in ("0", "two", "", "-1"):
        monkeypatch.setenv("GO_GYM_TORCH_THREADS", text)
        with pytest.raises(AgentError, match="GO_GYM_TORCH_THREADS"):
            load_agent("hdp").solve(problem, Budget(problem, 8), seed=0)
