"""Fusion: plans, what is legal, the greedy default, the fused graph."""
