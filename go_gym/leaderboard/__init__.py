"""Leaderboards: their rows, verification and tables."""
