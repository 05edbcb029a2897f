"""Partitions of the ops, their quotient graphs, and hierarchies of them from coarse to fine."""

from go_gym.partitions.hierarchy import Hierarchy
from go_gym.partitions.partition import Partition
from go_gym.partitions.quotient import QuotientGraph, quotient_graph
from go_gym.partitions.rules import attached_partition, colocation_partition

__all__ = [
    "Hierarchy",
    "Partition",
    "QuotientGraph",
    "attached_partition",
    "colocation_partition",
    "quotient_graph",
]
