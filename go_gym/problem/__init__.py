"""What is to be decided, and a decision about it."""

from go_gym.problem.decision import Decision
from go_gym.problem.problem import Problem, check_decision
from go_gym.problem.task import FUSING_TASKS, PLACED_TASKS, TASKS

__all__ = ["FUSING_TASKS", "PLACED_TASKS", "TASKS", "Decision", "Problem", "check_decision"]
