# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Your own model
#
# From a PyTorch model to a plan for its devices. Capturing traces the program without computing it
# and without memory for its tensors, so that models of any size fit. Needs the extra `capture`.

# %%
import torch

import go_gym
from go_gym import capture


class Block(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.attention = torch.nn.MultiheadAttention(width, 8, batch_first=True)
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(width, 4 * width), torch.nn.GELU(), torch.nn.Linear(4 * width, width)
        )

    def forward(self, x):
        seen = self.norm(x)
        x = x + self.attention(seen, seen, seen, need_weights=False)[0]
        return x + self.mlp(x)


class Model(torch.nn.Module):
    def __init__(self, width=1024, blocks=8, words=10_000):
        super().__init__()
        self.embedding = torch.nn.Embedding(words, width)
        self.blocks = torch.nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.head = torch.nn.Linear(width, words)

    def forward(self, tokens):
        return self.head(self.blocks(self.embedding(tokens))).flatten(0, 1)


with torch.device("meta"):  # shapes alone
    model = Model()
    tokens = torch.zeros(16, 256, dtype=torch.int64)
    target = torch.zeros(16 * 256, dtype=torch.int64)
graph = capture.from_torch(
    model, [tokens], optimizer="adam", loss=torch.nn.functional.cross_entropy, target=target
)
print(f"{graph.num_ops:,} ops, {graph.flops.sum() / 1e12:.2f} TFLOP a step")

# %% [markdown]
# A graph is a file; `go-gym capture mymodel.py:make_step -o my.graph.npz` does the same from the
# shell, ONNX files included. Now a cluster, and what is usually done:

# %%
from go_gym.baselines.placements import human_expert

problem = go_gym.make_problem(graph, go_gym.load_cluster("p100x4"))
expert = go_gym.simulate(problem, go_gym.Decision(human_expert(problem)))
print(f"whole blocks on devices: {expert.step_time_ns / 1e6:.1f} ms")

# %% [markdown]
# A plan asks several agents and writes what a runtime needs: a device for each module, a trace for
# [ui.perfetto.dev](https://ui.perfetto.dev), pictures.

# %%
import tempfile
from pathlib import Path

from go_gym.planning.plan import make_plan, write_plan

plan = make_plan(problem, ["heft-contention", "metis", "sa:start=best"], budget=300)
for option in plan.options:
    print(f"{option.agent:18} {option.result.step_time_ns / 1e6:8.1f} ms")
folder = Path(tempfile.mkdtemp())
write_plan(plan, folder)
print(sorted(path.name for path in folder.iterdir()))
assert plan.best.result.step_time_ns <= expert.step_time_ns
