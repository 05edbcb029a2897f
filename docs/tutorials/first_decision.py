# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # The first decision and its picture
#
# One training step of an unrolled LSTM language model, two GPUs: where should each of its ops run?

# %%
# %matplotlib inline
import numpy as np

import go_gym
from go_gym.render.gantt import gantt
from go_gym.render.placement_map import placement_map

graph, cluster = go_gym.datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2")
problem = go_gym.make_problem(graph, cluster)
print(f"{problem.num_ops:,} ops, {graph.num_tensors:,} tensors, {problem.num_devices} devices")

# %% [markdown]
# A decision is a device for each op. All on the first:

# %%
single = go_gym.Decision(placement=np.zeros(problem.num_ops, dtype=int))
result = go_gym.simulate(problem, single)
print(f"{result.step_time_ns / 1e6:.1f} ms")

# %% [markdown]
# What a human expert would do is to put whole layers on devices. `go_gym.baselines` has that
# and other placements by rule.

# %%
from go_gym.baselines.placements import human_expert

expert = go_gym.Decision(placement=human_expert(problem))
result = go_gym.simulate(problem, expert, trace=True)
print(f"{result.step_time_ns / 1e6:.1f} ms, {result.bytes_moved / 1e6:.1f} MB moved")
placement_map(problem, expert)

# %%
gantt(problem, expert, result)

# %% [markdown]
# In the picture the devices wait for each other. Which op goes first also matters: the longest way
# to the end, rather than first in, first out.

# %%
from go_gym.baselines.priorities import critical_path

hurried = go_gym.Decision(expert.placement, priority=critical_path(problem, expert.placement))
print(f"{go_gym.simulate(problem, hurried).step_time_ns / 1e6:.1f} ms")

# %% [markdown]
# And a search: 500 simulator calls of simulated annealing from the best heuristic. `solve` hands
# back the decision with what it took.

# %%
from go_gym.agent import load_agent, solve

outcome = solve(load_agent("sa:start=best"), problem, seed=0, simulations=500)
found = go_gym.simulate(problem, outcome.decision, trace=True)
print(f"{found.step_time_ns / 1e6:.1f} ms after {outcome.calls} calls")
assert found.valid and found.step_time_ns < result.step_time_ns
gantt(problem, outcome.decision, found)
