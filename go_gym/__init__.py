"""go-gym: Gymnasium environments for computational-graph optimisation.

>>> import gymnasium as gym, go_gym
>>> env = gym.make("GO-Placement-v0", graph="rnnlm-2", cluster="p100x2")  # doctest: +SKIP
"""

from go_gym.agent import Budget
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import Cluster, Device, Link, load_cluster
from go_gym.envs.fork import fork
from go_gym.envs.registration import register_all
from go_gym.errors import (
    AgentError,
    BudgetError,
    CaptureError,
    CaptureWarning,
    ClusterError,
    DatasetError,
    DecisionError,
    FileFormatError,
    GoGymError,
    GraphError,
    HardwareError,
    LeaderboardError,
    PlatformError,
    ProblemError,
    TimeUpError,
)
from go_gym.graph import Alias, ComputationGraph, Outlives
from go_gym.problem import Decision, Problem
from go_gym.simulator import BatchResult, Result, Trace, simulate, simulate_batch

__version__ = "0.1.0"

__all__ = [
    "AgentError",
    "Alias",
    "BatchResult",
    "Budget",
    "BudgetError",
    "CaptureError",
    "CaptureWarning",
    "Cluster",
    "ClusterError",
    "ComputationGraph",
    "DatasetError",
    "Decision",
    "DecisionError",
    "Device",
    "FileFormatError",
    "GoGymError",
    "GraphError",
    "HardwareError",
    "LeaderboardError",
    "Link",
    "Outlives",
    "PlatformError",
    "Problem",
    "ProblemError",
    "Result",
    "TimeUpError",
    "Trace",
    "datasets",
    "fork",
    "load_cluster",
    "make_problem",
    "simulate",
    "simulate_batch",
]

register_all()
