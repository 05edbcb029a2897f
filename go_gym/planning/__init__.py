"""A plan for one graph."""
