"""Train Stable-Baselines3's PPO on two families, evaluate it on one that it never saw.

python examples/transfer_sb3.py
"""

from stable_baselines3 import PPO
from transfer import HELD_OUT, TRAIN, compare, make, speedup

from go_gym.envs.wrappers import FlatFeatures


def train(seed: int, steps: int = 4096) -> float:
    env = FlatFeatures(make(TRAIN))
    model = PPO("MlpPolicy", env, n_steps=256, gamma=1.0, ent_coef=0.003, seed=seed, device="cpu")
    model.learn(steps)
    held_out = FlatFeatures(make(HELD_OUT))
    return speedup(held_out, lambda seen: int(model.predict(seen, deterministic=True)[0]), 1, seed)


if __name__ == "__main__":
    compare(train, seeds=3)
