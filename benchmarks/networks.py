"""What networks cost: a training pass of the published GO by size, and SB3's policy per node.

    python benchmarks/networks.py            # up to 83,567 ops
    python benchmarks/networks.py --quick    # the small graph

Compare the ratios, not the times, between machines.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import torch
from go_agents.go.paper.settings import PaperSettings
from go_agents.go.paper.training import PaperTraining
from go_agents.sb3.policy import UnitPolicy
from stable_baselines3 import PPO

import go_gym
from go_gym.catalogue import datasets

GRAPHS = (("rnnlm-2", "p100x2"), ("rnnlm-8", "p100x8"), ("gnmt-8", "p100x8"))
SLOWER = 1.5
"""A unit of the largest graph may take so many times one of the smallest: the pass is linear."""


def training_pass(graph: str, cluster: str) -> tuple[int, float]:
    """Units of a graph, and seconds of one pass forward and backward, the second of two."""
    problem = go_gym.Problem(datasets.load(graph), go_gym.load_cluster(cluster))
    training = PaperTraining(problem, 16, 0, PaperSettings(rows=10**6))
    case, start = training.case, 0.0
    for _ in range(2):
        start = time.perf_counter()
        logits, value = training.network(case.inputs, case.start(1))
        (logits["placement"].square().mean() + value.mean()).backward()
    return case.units.count, time.perf_counter() - start


def ppo_steps(policy: object, graph: str, cluster: str) -> float:
    """Seconds of eight steps of PPO and an epoch of learning."""
    env = gym.make("GO-Placement-v0", graph=graph, cluster=cluster)
    network = {"features_extractor_kwargs": {"width": 32, "layers": 2}}
    options = {"policy_kwargs": network} if policy is UnitPolicy else {}
    model = PPO(policy, env, n_steps=8, batch_size=4, n_epochs=1, seed=0, **options)
    start = time.perf_counter()
    model.learn(8)
    return time.perf_counter() - start


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    graphs = GRAPHS[:1] if parser.parse_args().quick else GRAPHS
    torch.set_num_threads(1)
    print(f"{'graph':<12}{'units':>8}{'pass s':>9}{'us a unit':>11}{'ratio':>8}")
    first = None
    for graph, cluster in graphs:
        units, seconds = training_pass(graph, cluster)
        first = first or seconds / units
        ratio = seconds / units / first
        verdict = f"  limit {SLOWER}" + " EXCEEDED" * (ratio > SLOWER)
        each = seconds / units * 1e6
        print(f"{graph:<12}{units:>8,}{seconds:>9.2f}{each:>11.0f}{ratio:>8.2f}{verdict}")
    print(f"\n{'graph':<12}{'SB3 own s':>10}{'per node s':>12}{'times faster':>14}")
    for graph, cluster in graphs:
        own, ours = (ppo_steps(p, graph, cluster) for p in ("MultiInputPolicy", UnitPolicy))
        print(f"{graph:<12}{own:>10.2f}{ours:>12.2f}{own / ours:>14.1f}")


if __name__ == "__main__":
    main()
