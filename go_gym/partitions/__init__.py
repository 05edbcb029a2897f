"""Partitions of ops: groups that share one decision, METIS, coarsening."""
