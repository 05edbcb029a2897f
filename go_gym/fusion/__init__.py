"""Fusion: which ops become one kernel, what that kernel costs, and the graph that results."""
