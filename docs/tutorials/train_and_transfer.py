# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Train PPO and transfer
#
# A policy that decides group by group (`GO-PlacementSteps-v0`), trained on two families of graphs
# and asked about a third that it never saw. `room=` gives all three the same spaces, so that any
# off-the-shelf policy fits. Needs the extra `learn`.

# %%
import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

import go_gym  # noqa: F401  (registers the environments)
from go_gym.envs.wrappers import FlatFeatures

TRAIN, HELD_OUT = ["graphsage", "rnnlm-2"], "wavenet-2x18"


def make(graph):
    room = [*TRAIN, HELD_OUT]
    options = dict(cluster="p100x2", groups=8, room=room, infos="numbers")
    return FlatFeatures(gym.make("GO-PlacementSteps-v0", graph=graph, **options))


env = make(TRAIN)
print(env.observation_space.shape, env.action_space)

# %% [markdown]
# Train: each episode re-places eight groups of ops, one a step; the reward is what a step gained.

# %%
model = PPO("MlpPolicy", env, n_steps=256, gamma=1.0, ent_coef=0.003, seed=0, device="cpu")
model.learn(4096)

# %% [markdown]
# Evaluate on the family that it never saw, beside random actions.


# %%
def speedup(env, act, episodes):
    found = []
    for episode in range(episodes):
        seen, info = env.reset(seed=episode)
        done = False
        while not done:
            seen, _, done, _, info = env.step(act(seen))
        found.append(info["speedup"])
    return np.mean(found)


unseen = make(HELD_OUT)
unseen.action_space.seed(0)
learned = speedup(unseen, lambda seen: int(model.predict(seen, deterministic=True)[0]), 1)
chance = speedup(unseen, lambda _: int(unseen.action_space.sample()), 20)
print(f"speed-up over the human expert on {HELD_OUT}: {learned:.2f}, at random {chance:.2f}")

# %% [markdown]
# `examples/` has the same with TorchRL and with PPO in one file, over three seeds with an interval.
