"""What the transfer examples share: the environments, the evaluation, the comparison with chance.

A policy is trained on ``TRAIN`` and evaluated on ``HELD_OUT``, a family that it never sees;
``room`` gives all environments the same spaces.
"""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from scipy.stats import t

import go_gym  # noqa: F401  (registers the environments)

TRAIN, HELD_OUT = ["graphsage", "rnnlm-2"], "wavenet-2x18"
OPTIONS = {
    "cluster": "p100x2",
    "groups": 8,  # units of ops, and so steps of an episode
    "room": [*TRAIN, HELD_OUT],
    "infos": "numbers",
}


def make(graph: str | list[str], **options: Any) -> gym.Env[Any, Any]:
    """GO-PlacementSteps-v0 on ``graph``, with the spaces that all graphs here share."""
    return gym.make("GO-PlacementSteps-v0", graph=graph, **OPTIONS, **options)


def speedup(env: gym.Env[Any, Any], act: Callable[[Any], int], episodes: int, seed: int) -> float:
    """The mean speed-up over the human expert at the ends of episodes, 0 if out of memory."""
    found = []
    for episode in range(episodes):
        seen, _ = env.reset(seed=seed + episode)
        done = False
        while not done:
            seen, _, done, _, info = env.step(act(seen))
        found.append(info["speedup"])
    return float(np.mean(found))


def compare(train: Callable[[int], float], seeds: int) -> tuple[np.ndarray, float]:
    """Train and evaluate with each seed; print it beside random actions on the held-out family.

    Returns:
        gains: (seeds,) speed-ups less those of random actions under the same seed.
        low: the lower end of the 95 % interval of their mean (Student's t over the seeds).
    """
    env, gains = make(HELD_OUT), []
    for seed in range(seeds):
        env.action_space.seed(seed)
        chance = speedup(env, lambda _: int(env.action_space.sample()), 20, seed)
        trained = train(seed)
        gains.append(trained - chance)
        print(f"seed {seed}: {HELD_OUT} unseen {trained:.3f} of the expert, random {chance:.3f}")
    mean, error = float(np.mean(gains)), float(np.std(gains, ddof=1) / seeds**0.5)
    half = float(t.ppf(0.975, seeds - 1)) * error
    print(f"gain over random {mean:.3f}, 95 % interval {mean - half:.3f} to {mean + half:.3f}")
    return np.array(gains), mean - half
