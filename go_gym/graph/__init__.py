"""The computation graph: model, construction, validation, file format, features."""

from go_gym.graph.builder import GraphBuilder, Op
from go_gym.graph.columns import DTYPES, PHASES, Alias, Outlives
from go_gym.graph.model import ComputationGraph

__all__ = ["DTYPES", "PHASES", "Alias", "ComputationGraph", "GraphBuilder", "Op", "Outlives"]
