# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Write an agent and submit it
#
# An agent is a class with a `version` and a `solve`. The budget counts its simulator calls and
# keeps the best decision; nothing else is asked of it.

# %%
import numpy as np

from go_gym import Decision


class HillClimbing:
    """Move one random group of ops at a time; keep what is better."""

    version = "1"

    def solve(self, problem, budget, seed):
        random = np.random.default_rng(seed)
        layers = problem.graph.layer
        best = np.zeros(problem.num_ops, dtype=int)
        best_ns = np.inf
        while budget.remaining:
            tried = best.copy()
            tried[layers == random.choice(layers)] = random.integers(problem.num_devices)
            tried = tried[problem.colocation_leader]
            result = budget.evaluate(Decision(tried))
            if result.valid and result.step_time_ns <= best_ns:
                best, best_ns = tried, result.step_time_ns
        return budget.best or Decision(best)


# %% [markdown]
# Try it on one problem. `solve` hands out the budget and checks the answer.

# %%
import go_gym
from go_gym.agent import solve

graph, cluster = go_gym.datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2")
problem = go_gym.make_problem(graph, cluster)
outcome = solve(HillClimbing(), problem, seed=0, simulations=300)
result = go_gym.simulate(problem, outcome.decision)
print(f"{result.step_time_ns / 1e6:.1f} ms, {outcome.calls} calls")

# %% [markdown]
# For the shell to know it, its package names it in `pyproject.toml`:
#
# ```toml
# [project.entry-points."go_gym.agents"]
# hill-climbing = "my_package:HillClimbing"
# ```
#
# Then it runs beside all others, on everything that a board asks for, and is submitted:
#
# ```text
# go-gym run --agent hill-climbing --out runs/mine
# go-gym verify runs/mine
# go-gym submit runs/mine --into leaderboards
# ```
#
# A submission is four files: `results.csv`, `decisions.npz`, `curves.npz` and `provenance.toml`. It
# is verified before it is taken: each decision is simulated again, to the nanosecond, and each
# curve must end on its row. Here the same with an agent that is there already.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

go_gym_program = Path(sys.executable).with_name("go-gym")  # of this interpreter
folder = Path(tempfile.mkdtemp())
run = ["run", "-a", "metis", "-g", "rnnlm-2", "-c", "p100x2", "--out", str(folder)]
for command in (run, ["verify", str(folder)]):
    done = subprocess.run([go_gym_program, *command], capture_output=True, text=True, check=True)
    print(done.stdout.strip().splitlines()[-1])
print(sorted(path.name for path in folder.iterdir()))
