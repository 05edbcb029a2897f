"""Small problems, and what every registered id can be made with."""

import gymnasium as gym

import go_gym
from go_gym.envs.wrappers import FlatFeatures, GraphObservation, PyGObservation

OBSERVERS = {
    "dict": lambda env: env,
    "flat": FlatFeatures,
    "graph": GraphObservation,
    "pyg": PyGObservation,
}
CHAIN = go_gym.ComputationGraph.from_costs(
    [5, 5, 5, 5], [(0, 9), (1, 1), (2, 3)], [(0, 1), (1, 2), (2, 3)], name="chain"
)
OTHER = go_gym.ComputationGraph.from_costs([3, 4], [(0, 9)], [(0, 1)], name="other")
DIAMOND = go_gym.ComputationGraph.from_costs(
    [0, 8, 6, 7, 3],
    [(0, 4), (1, 5), (2, 6), (3, 2)],
    [(0, 1), (0, 2), (1, 3), (2, 4), (3, 4)],
    parameter_bytes=[4, 0, 0, 0, 0],
    aliases=[-2, -1, -1, -1],
    colocation=[0, -1, -1, -1, 0],
    name="diamond",
)
PAIR = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=17, name="pair")


def make(name: str = "GO-Placement-v0", **options) -> gym.Env:
    """The environment of that id on the small problems."""
    return gym.make(name, **{"graph": [CHAIN, OTHER, DIAMOND], "cluster": PAIR, **options})
