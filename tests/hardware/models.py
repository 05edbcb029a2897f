"""Small models of the zoo, and programs that fail in a worker, for the tests of hardware mode."""

from functools import cache

import torch

from go_gym.capture.program import Program
from go_gym.hardware.program.source import variant
from tests.numeric import generic_inputs

SMALL = {
    "rnnlm": {"layers": 2, "hidden": 32, "vocabulary": 50, "steps": 3, "batch": 4},
    "gnmt": {"layers": 2, "hidden": 16, "vocabulary": 40, "steps": 3, "batch": 4},
    "transformer-xl": {
        "layers": 2,
        "width": 32,
        "heads": 2,
        "inner": 64,
        "vocabulary": 50,
        "tokens": 8,
        "segments": 2,
        "batch": 2,
    },
    # its last grid is 2 × 2: normalised over two values alone, results would be signs
    "inception": {"batch": 4, "classes": 10, "image": 107},
}


@cache
def program(family: str) -> Program:
    return variant(family, SMALL[family]).program(f"small-{family}")


def inputs_of(family: str) -> list[torch.Tensor]:
    """Inputs of :func:`program` at which every result says something."""
    settings = SMALL[family]
    below = settings.get("vocabulary", settings.get("classes"))
    return generic_inputs(program(family), below)


FAULTY = """
import os, time, torch

@torch.library.custom_op("go_gym_test::fault", mutates_args=())
def fault(x: torch.Tensor, how: str) -> torch.Tensor:
    if how == "raise":
        raise RuntimeError("the op broke")
    if how == "hang":
        time.sleep(1000)
    if how == "die":
        os.kill(os.getpid(), 9)
    if how == "memory":
        return torch.ones(2**36) + x
    return x.clone()

@fault.register_fake
def _(x, how):
    return torch.empty_like(x)

class Model(torch.nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how
        self.inner = torch.nn.Linear(4, 4)

    def forward(self, x):
        return torch.ops.go_gym_test.fault(self.inner(x), self.how) + 1

def make(how):
    return Model(how), (torch.zeros(2, 4),)

def works(): return make("work")
def raises(): return make("raise")
def hangs(): return make("hang")
def dies(): return make("die")
def exhausts(): return make("memory")
"""
"""A user's file: ``works`` does, the others fail inside an op, each in its own way."""
