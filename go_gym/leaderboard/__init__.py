"""Leaderboards: rows with decisions and curves, their verification and tables."""

from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board

__all__ = ["Board", "Row"]
