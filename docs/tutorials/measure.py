# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Simulate, measure, compare
#
# The simulator's answer is worth what a real device confirms. This runs on two cores of this
# machine (Linux, x86-64; extra `capture`): profile the ops, simulate with what was measured, run
# the same decision, compare.

# %%
import tempfile
from pathlib import Path

import numpy as np

import go_gym
from go_gym import capture

folder = Path(tempfile.mkdtemp())
file = folder / "model.py"
file.write_text("""
import torch


def make_step():
    torch.manual_seed(0)
    branches = torch.nn.ModuleList(torch.nn.Linear(512, 512) for _ in range(8))
    head = torch.nn.Linear(512, 1)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.branches, self.head = branches, head

        def forward(self, x):
            return self.head(sum(torch.relu(branch(x)) for branch in self.branches))

    return {
        "model_or_step": Model(),
        "example_inputs": [torch.randn(512, 512)],
        "optimizer": "sgd",
        "loss": torch.nn.functional.mse_loss,
        "target": torch.zeros(512, 1),
    }
""")
maker = f"{file}:make_step"

# %% [markdown]
# Capture the step as a graph (`go-gym capture model.py:make_step`).

# %%
import runpy

step = runpy.run_path(str(file))["make_step"]()
graph = capture.from_torch(**step)
cluster = go_gym.load_cluster("cpu2")
print(f"{graph.num_ops} ops on {[device.name for device in cluster.devices]}")

# %% [markdown]
# Profile ops and transfers on this machine (`go-gym calibrate`). A session keeps the program ready
# in a process of its own.

# %%
from go_gym.hardware import Session
from go_gym.hardware.calibration.calibrate import calibrate

session = Session(graph, maker)
profile = calibrate(session, cluster)
problem = go_gym.make_problem(profile.graph, profile.cluster)
print(profile.machine["cpu"] if "cpu" in profile.machine else dict(profile.machine))

# %% [markdown]
# Some placements, simulated and measured:

# %%
random = np.random.default_rng(0)
placements = {"one core": np.zeros(problem.num_ops, dtype=int)}
for number in range(3):
    of_layer = random.integers(2, size=int(problem.graph.layer.max()) + 2)
    placements[f"layers at random, {number}"] = of_layer[problem.graph.layer]
simulated, measured = [], []
for name, placement in placements.items():
    decision = go_gym.Decision(placement[problem.colocation_leader])
    simulated.append(go_gym.simulate(problem, decision).step_time_ns / 1e6)
    measured.append(session.measure(problem, decision, steps=10).median_ns / 1e6)
    print(f"{name:20} simulated {simulated[-1]:7.2f} ms, measured {measured[-1]:7.2f} ms")
session.close()

# %% [markdown]
# `go-gym report sim-vs-real` does this for several models and dozens of placements, with the
# correlations, the noise and the machine's description.
