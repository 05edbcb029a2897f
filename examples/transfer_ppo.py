"""Train the one-file PPO on two families, evaluate it on one that it never saw.

python examples/transfer_ppo.py
"""

import torch
from ppo_cleanrl import Args, features, trained
from transfer import HELD_OUT, OPTIONS, TRAIN, compare, make, speedup


def train(seed: int, steps: int = 8192) -> float:
    rest = {"room": OPTIONS["room"], "groups": OPTIONS["groups"], "cluster": OPTIONS["cluster"]}
    agent, _ = trained(Args(graph=TRAIN, seed=seed, total_steps=steps, **rest))

    def act(seen):
        with torch.no_grad():
            batch = features({key: array[None] for key, array in seen.items()})
            return int(agent(batch)[0].logits.argmax())

    return speedup(make(HELD_OUT), act, 1, seed)


if __name__ == "__main__":
    compare(train, seeds=3)
