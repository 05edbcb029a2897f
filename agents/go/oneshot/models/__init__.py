"""Compact public architectures, in many sizes: what the network learns from beside synthetic ones.

None of them is of a family that any board measures.
"""
